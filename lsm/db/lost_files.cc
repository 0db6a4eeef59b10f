#include "lsm/db/lost_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lsm/filenames.h"

namespace silt::lsm {

LostFiles::LostFiles(Storage* storage, std::string dir)
    : storage_(storage), dir_(std::move(dir)), lost_(JoinPath(dir_, kLostDirName)) {}

// Never replaces what an earlier repair put there.
Result<std::string> LostFiles::NewPath(const std::string& name) {
  if (Status status = storage_->CreateDir(lost_); !status.ok()) return Fail(std::move(status));
  std::string free = name;
  for (int n = 1; storage_->FileExists(JoinPath(lost_, free)); ++n) free = fmt::format("{}.{}", name, n);
  return free;
}

Status LostFiles::Copy(const std::string& name) {
  auto free = NewPath(name);
  if (!free) return free.error();
  std::string from = JoinPath(dir_, name);
  std::string to = JoinPath(lost_, *free);
  if (Status linked = storage_->LinkFile(from, to); !linked.ok()) {
    auto size = storage_->FileSize(from);
    if (!size) return size.error();
    SILT_RETURN_IF_ERROR(CopyBytes(storage_, from, to, *size));
  }
  names_.push_back(*std::move(free));
  return Status::Ok();
}

Status LostFiles::Move(const std::string& name) {
  auto free = NewPath(name);
  if (!free) return free.error();
  SILT_RETURN_IF_ERROR(storage_->RenameFile(JoinPath(dir_, name), JoinPath(lost_, *free)));
  names_.push_back(*std::move(free));
  return Status::Ok();
}

Status LostFiles::Sync() {
  if (names_.empty()) return Status::Ok();
  SILT_RETURN_IF_ERROR(storage_->SyncDir(lost_));
  return storage_->SyncDir(dir_);
}

Status CopyBytes(Storage* storage, const std::string& from, const std::string& to, uint64_t size) {
  auto in = storage->NewRandomAccessFile(from);
  if (!in) return in.error();
  auto out = storage->NewWritableFile(to);
  if (!out) return out.error();
  std::string buffer(1 << 20, '\0');
  for (uint64_t at = 0; at < size;) {
    auto got = (*in)->Read(at, {buffer.data(), std::min<uint64_t>(buffer.size(), size - at)});
    if (!got) return got.error();
    if (*got == 0) break;
    SILT_RETURN_IF_ERROR((*out)->Append(std::string_view(buffer.data(), *got)));
    at += *got;
  }
  SILT_RETURN_IF_ERROR((*out)->Sync());
  return (*out)->Close();
}

}  // namespace silt::lsm
