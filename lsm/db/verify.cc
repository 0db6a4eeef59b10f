// Reads and checks every byte of every live file.
#include "lsm/db/db_impl.h"
#include "lsm/db/wal_header.h"
#include "lsm/filenames.h"
#include "lsm/version/manifest.h"
#include "lsm/wal/log_reader.h"

namespace silt::lsm {
namespace {

// Past the table cache, so that footer and index are read again, too.
Status VerifyTable(Storage* storage, const std::string& dir, const FileMeta& file,
                   const std::function<void(uint64_t)>& progress) {
  std::string name = TableName(file.number);
  auto opened = storage->NewRandomAccessFile(JoinPath(dir, name));
  if (!opened) return opened.error();
  auto table = Table::Open(std::move(*opened), name, file.number, file.size, nullptr);
  if (!table) return table.error();
  return (*table)->Verify(progress);
}

}  // namespace

Status DbImpl::Verify(const VerifyCallbacks& callbacks) {
  SILT_RETURN_IF_ERROR(CheckOpen());
  auto damage = [&](const std::string& name, const Status& what) {
    CountDamage(what);
    if (callbacks.damage) callbacks.damage(name, what);
  };
  ReadViewRef view = view_.Load();
  std::vector<FileRef> files;
  uint64_t total = 0;
  for (const FamilyVersion& family : view->version->families) {
    for (const auto& level : family.levels) {
      files.insert(files.end(), level.begin(), level.end());
      for (const FileRef& file : level) total += file->size;
    }
  }
  uint64_t done = 0;
  auto report = [&](uint64_t in_file) {
    if (callbacks.progress) callbacks.progress(done + in_file, total);
  };
  report(0);
  for (const FileRef& file : files) {
    if (Stopping()) return Status::Aborted(dir_ + ": the store is closing");
    if (callbacks.stop && callbacks.stop()) return Status::Aborted(dir_ + ": the check was stopped");
    Status status = VerifyTable(storage_, dir_, *file, report);
    if (status.IsNotFound() && held_tables_.contains(file->number)) status = VerifyHeldTable(*file, report);
    if (!status.ok()) damage(TableName(file->number), status);
    done += file->size;
    report(0);
  }
  SILT_RETURN_IF_ERROR(VerifyManifest(damage));
  if (wals_ == nullptr) return Status::Ok();
  for (const auto& [number, length] : wals_->LiveWals()) {
    Status status = VerifyWal(number, length);
    // One that a flush has made obsolete meanwhile may be gone, or be another log by now.
    if (!status.ok() && wals_->IsLive(number)) damage(WalName(number), status);
  }
  return Status::Ok();
}

// Of a store that is only read: its owner has deleted the file, which is still open here.
Status DbImpl::VerifyHeldTable(const FileMeta& file, const std::function<void(uint64_t)>& progress) {
  auto table = table_cache_.Get(file.number, file.size);
  return table ? (*table)->Verify(progress) : table.error();
}

Status DbImpl::VerifyManifest(const std::function<void(const std::string&, const Status&)>& damage) {
  while (true) {
    FileNumber number = versions_.manifest_number();
    auto current = ReadCurrent(storage_, dir_);
    if (options_.read_only && current) number = *current;  // the owner may have gone on
    Status named;
    if (!current) {
      named = current.error();
    } else if (*current != number) {
      named = Status::Corruption(
          fmt::format("{} names {}, not {}", kCurrentName, ManifestName(*current), ManifestName(number)));
    }
    Status read =
        ReadManifest(storage_, JoinPath(dir_, ManifestName(number)), number, [](uint64_t, const VersionEdit&) {});
    FileNumber now = options_.read_only ? ReadCurrent(storage_, dir_).value_or(number) : versions_.manifest_number();
    if (now != number) continue;  // it was replaced meanwhile
    if (!named.ok()) damage(std::string(kCurrentName), named);
    if (!read.ok()) damage(ManifestName(number), read);
    return Status::Ok();
  }
}

// Every record that ends at or before `length`.
Status DbImpl::VerifyWal(FileNumber number, uint64_t length) {
  auto file = storage_->NewRandomAccessFile(JoinPath(dir_, WalName(number)));
  if (!file) return file.error();
  LogReader reader(std::move(*file), WalName(number), number);
  std::string_view record;
  while (reader.EndOfLastRecord() < length && reader.ReadRecord(&record)) {
    if (Stopping()) return Status::Aborted(dir_ + ": the store is closing");
    if (ClassifyWalRecord(record) != WalRecordKind::kMalformed) continue;
    return Status::Corruption(
        fmt::format("{} at offset {}: neither a batch nor a header", WalName(number), reader.LastRecordOffset()));
  }
  SILT_RETURN_IF_ERROR(reader.status());
  if (reader.EndOfLastRecord() >= length) return Status::Ok();
  return Status::Corruption(fmt::format("{} at offset {}: the record here cannot be read; {} bytes were written",
                                        WalName(number), reader.EndOfLastRecord(), length));
}

}  // namespace silt::lsm
