#include "lsm/version/manifest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <utility>

#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

// A full disk is told before anything is promised; any other failed sync means that what is on the disk is unknown.
ManifestOutcome SyncFailure(Status status) {
  bool uncertain = !status.IsNoSpace();
  return {std::move(status), uncertain};
}

}  // namespace

Result<std::unique_ptr<LogWriter>> Manifest::Create(const std::string& path, FileNumber number,
                                                    std::string_view snapshot, bool* uncertain) {
  auto file = storage_->NewWritableFile(path);
  if (!file) return Fail(file.error());
  auto log = std::make_unique<LogWriter>(*std::move(file), path, number);
  Status status = storage_->SyncDir(dir_);
  if (!status.ok()) *uncertain = SyncFailure(status).uncertain;
  if (status.ok()) status = log->AddRecord(snapshot);
  if (status.ok()) {
    status = log->Sync();
    if (!status.ok()) *uncertain = SyncFailure(status).uncertain;
  }
  if (!status.ok()) {
    (void)log->Close();
    return Fail(std::move(status));
  }
  return log;
}

ManifestOutcome Manifest::Switch(FileNumber number, FileNumber before, std::string_view snapshot) {
  std::string path = JoinPath(dir_, ManifestName(number));
  bool uncertain = false;
  auto log = Create(path, number, snapshot, &uncertain);
  ManifestOutcome outcome;
  if (log) {
    outcome = WriteCurrent(storage_, dir_, number);
  } else {
    outcome = {log.error(), uncertain};
  }
  if (!outcome.status.ok()) {
    // Only where CURRENT cannot name it.
    if (!outcome.uncertain) (void)storage_->DeleteFile(path);
    return outcome;
  }
  if (log_ != nullptr) (void)log_->Close();
  log_ = *std::move(log);
  snapshot_size_ = log_->Size();
  // Left behind when this fails; the clean-up at open takes it.
  if (before != 0) (void)storage_->DeleteFile(JoinPath(dir_, ManifestName(before)));
  return outcome;
}

ManifestOutcome Manifest::Append(std::string_view record) {
  if (Status status = log_->AddRecord(record); !status.ok()) {
    bool uncertain = !log_->undone();
    return {std::move(status), uncertain};
  }
  // Even when the disk is full: the record is in the file.
  if (Status status = log_->Sync(); !status.ok()) return {std::move(status), true};
  return {};
}

void Manifest::Mark(std::string_view harmless_record) {
  if (log_ == nullptr) return;
  // A log that cannot be appended to any more has to be followed by a new one.
  if (!log_->AddRecord(harmless_record).ok() && !log_->undone()) log_.reset();
}

std::string EncodeCurrent(FileNumber number) {
  std::string name = ManifestName(number);
  return fmt::format("{} {:016x}\n", name, XXH3_64bits(name.data(), name.size()));
}

Result<FileNumber> ReadCurrent(Storage* storage, const std::string& dir) {
  std::string path = JoinPath(dir, kCurrentName);
  if (!storage->FileExists(path))
    return Fail(Status::NotFound(path + ": missing; if there was a store, siltfs fsck --repair rebuilds it"));
  auto text = ReadFileToString(storage, path);
  if (!text) return Fail(text.error());
  auto parsed = ParseFileName(std::string_view(*text).substr(0, text->find(' ')));
  // Comparing the whole text checks its checksum and leaves no second spelling.
  if (!parsed || parsed->kind != FileKind::kManifest || EncodeCurrent(parsed->number) != *text) {
    return Fail(Status::Corruption(path + " at offset 0: damaged; run siltfs fsck --repair"));
  }
  return parsed->number;
}

ManifestOutcome WriteCurrent(Storage* storage, const std::string& dir, FileNumber number) {
  std::string path = JoinPath(dir, kCurrentName);
  std::string temporary = path + std::string(kTemporarySuffix);
  auto file = storage->NewWritableFile(temporary);
  if (!file) return {file.error(), false};
  ManifestOutcome outcome{(*file)->Append(EncodeCurrent(number)), false};
  if (outcome.status.ok()) {
    if (Status status = (*file)->Sync(); !status.ok()) outcome = SyncFailure(std::move(status));
  }
  if (Status status = (*file)->Close(); outcome.status.ok()) outcome.status = std::move(status);
  if (!outcome.status.ok()) {
    (void)storage->DeleteFile(temporary);
    return outcome;
  }
  // From here on, an error does not tell whether the new name will be found after a crash.
  if (Status status = storage->RenameFile(temporary, path); !status.ok()) return {std::move(status), true};
  if (Status status = storage->SyncDir(dir); !status.ok()) return {std::move(status), true};
  return {};
}

}  // namespace silt::lsm
