#include "mount/debug_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "lsm/db/wal_header.h"
#include "lsm/filenames.h"
#include "lsm/internal_key.h"
#include "lsm/table/table.h"
#include "lsm/table/table_dump.h"
#include "lsm/version/version_set.h"
#include "lsm/wal/log_reader.h"
#include "lsm/write_batch.h"
#include "mount/key_dump.h"

namespace silt::mount {
namespace {

using lsm::Result;
using lsm::Status;

struct NamedFile {
  std::string directory;
  std::string name;
  lsm::FileNumber number = 0;
};

lsm::FileKind EngineKind(DebugFile kind) {
  switch (kind) {
    case DebugFile::kManifest:
      return lsm::FileKind::kManifest;
    case DebugFile::kWal:
      return lsm::FileKind::kWal;
    case DebugFile::kTable:
      break;
  }
  return lsm::FileKind::kTable;
}

Result<NamedFile> ParsePath(const std::string& path, lsm::FileKind kind) {
  std::filesystem::path whole(path);
  NamedFile file{.directory = whole.parent_path().empty() ? "." : whole.parent_path().string(),
                 .name = whole.filename().string()};
  if (std::error_code error; !std::filesystem::exists(whole, error)) {
    return Fail(Status::NotFound(path + ": No such file or directory"));
  }
  auto parsed = lsm::ParseFileName(file.name);
  if (!parsed || parsed->kind != kind) {
    return Fail(Status::InvalidArgument(path + ": not the name of such a file; give it the name the engine gave it"));
  }
  file.number = parsed->number;
  return file;
}

// "= value", "deleted", "deleted up to KEY".
std::string DescribeOperation(lsm::EntryKind kind, lsm::FamilyId family, std::string_view key, std::string_view value) {
  std::string named = fmt::format("{} {}", FamilyName(family), DescribeKey(family, key));
  switch (kind) {
    case lsm::EntryKind::kPut:
      return fmt::format("put {} = {}", named, DescribeValue(family, key, value));
    case lsm::EntryKind::kDelete:
      return fmt::format("delete {}", named);
    case lsm::EntryKind::kRangeDelete:
      break;
  }
  return fmt::format("delete {} up to {}", named, DescribeKey(family, value));
}

Status DumpWalRecord(std::string_view record, uint64_t offset, const LineSink& line) {
  switch (lsm::ClassifyWalRecord(record)) {
    case lsm::WalRecordKind::kHeader: {
      auto header = lsm::DecodeWalHeader(record);
      if (!header) break;
      line(fmt::format("{}: header: previous {} of {} bytes{}, first sequence {}", offset, header->previous,
                       header->previous_length, header->previous_durable ? " (durable)" : "", header->first_sequence));
      return Status::Ok();
    }
    case lsm::WalRecordKind::kPreviousDurable:
      line(fmt::format("{}: the previous WAL is durable", offset));
      return Status::Ok();
    case lsm::WalRecordKind::kBatch:
      line(fmt::format("{}: batch of {} bytes", offset, record.size()));
      return lsm::WriteBatch::Decode(record, [&](lsm::SequenceNumber sequence, lsm::EntryKind kind,
                                                 lsm::FamilyId family, std::string_view key, std::string_view value) {
        line(fmt::format("  @{} {}", sequence, DescribeOperation(kind, family, key, value)));
      });
    case lsm::WalRecordKind::kMalformed:
      break;
  }
  return Status::Corruption(fmt::format("record at offset {} is malformed", offset));
}

Status DumpEntries(const lsm::Table& table, const LineSink& line) {
  lsm::FamilyId family = table.properties().family;
  auto iterator = table.NewIterator(lsm::TableReadOptions{.fill_cache = false});
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    lsm::ParsedInternalKey parsed;
    if (!lsm::ParseInternalKey(iterator->key(), &parsed)) return Status::Corruption("an entry's key is malformed");
    line(fmt::format("  @{} {}", parsed.sequence,
                     DescribeOperation(parsed.kind, family, parsed.user_key, iterator->value())));
  }
  return iterator->status();
}

}  // namespace

Status DumpManifest(const std::string& path, const LineSink& line) {
  auto file = ParsePath(path, lsm::FileKind::kManifest);
  if (!file) return file.error();
  return lsm::ReadManifest(
      lsm::Storage::Posix(), path, file->number,
      [&](uint64_t offset, const lsm::VersionEdit& edit) { line(fmt::format("{}: {}", offset, edit.DebugString())); });
}

Status DumpWal(const std::string& path, const LineSink& line) {
  auto named = ParsePath(path, lsm::FileKind::kWal);
  if (!named) return named.error();
  auto file = lsm::Storage::Posix()->NewRandomAccessFile(path);
  if (!file) return file.error();
  lsm::LogReader reader(*std::move(file), path, named->number);
  std::string_view record;
  while (reader.ReadRecord(&record)) {
    SILT_RETURN_IF_ERROR(DumpWalRecord(record, reader.LastRecordOffset(), line));
  }
  if (!reader.status().ok()) return reader.status();
  line(fmt::format("{}: end, {}", reader.EndOfLastRecord(), reader.end() == lsm::LogEnd::kClean ? "clean" : "torn"));
  return Status::Ok();
}

Status DumpTable(const std::string& path, bool blocks, bool entries, const LineSink& line) {
  auto named = ParsePath(path, lsm::FileKind::kTable);
  if (!named) return named.error();
  SILT_RETURN_IF_ERROR(lsm::DumpTable(lsm::Storage::Posix(), path, {.blocks = blocks},
                                      [&](std::string_view text) { line(std::string(text)); }));
  if (!entries) return Status::Ok();
  auto file = lsm::Storage::Posix()->NewRandomAccessFile(path);
  if (!file) return file.error();
  uint64_t size = (*file)->Size();
  auto table = lsm::Table::Open(*std::move(file), path, named->number, size, nullptr);
  return table ? DumpEntries(**table, line) : table.error();
}

Result<std::vector<std::string>> FilesToDump(DebugFile kind, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    auto file = ParsePath(path, EngineKind(kind));
    if (!file) return Fail(file.error());
    return std::vector<std::string>{path};
  }
  if (kind == DebugFile::kManifest) {
    auto current = lsm::ReadFileToString(lsm::Storage::Posix(), lsm::JoinPath(path, lsm::kCurrentName));
    if (!current) return Fail(current.error());
    // The name, then its checksum.
    return std::vector<std::string>{lsm::JoinPath(path, current->substr(0, current->find_first_of(" \n")))};
  }
  auto names = lsm::Storage::Posix()->ListDir(path);
  if (!names) return Fail(names.error());
  std::map<lsm::FileNumber, std::string> found;
  for (const std::string& name : *names) {
    auto parsed = lsm::ParseFileName(name);
    if (parsed && parsed->kind == EngineKind(kind)) found[parsed->number] = lsm::JoinPath(path, name);
  }
  std::vector<std::string> paths;
  for (auto& [number, file] : found) paths.push_back(std::move(file));
  if (paths.empty()) return Fail(Status::NotFound("no such files there"));
  return paths;
}

}  // namespace silt::mount
