#include "lsm/db/ballast.h"

#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

constexpr uint64_t kPlenty = 4;  // times the ballast's size must be free before it is taken

}  // namespace

Ballast::Ballast(Storage* storage, std::string dir, uint64_t bytes, const EventLog* log)
    : storage_(storage), dir_(std::move(dir)), path_(JoinPath(dir_, kBallastName)), bytes_(bytes), log_(log) {}

void Ballast::Restore() {
  std::lock_guard lock(mutex_);
  if (held_ || bytes_ == 0) return;
  if (auto size = storage_->FileSize(path_); size && *size == bytes_) {
    held_ = true;
    return;
  }
  auto space = storage_->Space(dir_);
  if (!space || space->free_bytes / kPlenty < bytes_) return;
  auto file = storage_->NewWritableFile(path_);
  Status status = file ? (*file)->Preallocate(bytes_) : file.error();
  if (status.ok()) status = (*file)->Sync();
  if (status.ok()) status = (*file)->Close();
  held_ = status.ok();
  if (held_) return;
  log_->Warning("{}: not reserved: {}", path_, status.ToString());
  if (file) static_cast<void>(storage_->DeleteFile(path_));
}

bool Ballast::Release() {
  std::lock_guard lock(mutex_);
  if (!held_) return false;
  Status status = storage_->DeleteFile(path_);
  if (!status.ok()) {
    log_->Warning("{}: not released: {}", path_, status.ToString());
    return false;
  }
  held_ = false;
  log_->Warning("the disk is full: {} bytes of reserve released", bytes_);
  return true;
}

uint64_t Ballast::HeldBytes() const {
  std::lock_guard lock(mutex_);
  return held_ ? bytes_ : 0;
}

}  // namespace silt::lsm
