#include "fs/space.h"

#include <algorithm>

namespace silt::fs {

uint64_t SpaceGuard::Reserve(uint64_t total_bytes) {
  // Room for one compaction into the base level (fs/open.cc scales that with the disk), half of it the engine's ballast.
  return std::clamp<uint64_t>(total_bytes / 8, 4 << 20, 256 << 20);
}

lsm::Result<SpaceGuard::Space> SpaceGuard::LookLocked() {
  auto info = probe_();
  if (!info) return lsm::Fail(info.error());
  uint64_t reserve = Reserve(info->total_bytes);
  available_ = info->free_bytes > reserve ? info->free_bytes - reserve : 0;
  looked_at_ = clock_->MonotonicMicros();
  admitted_ = 0;
  known_ = true;
  return Space{.total = info->total_bytes, .free = info->free_bytes, .available = available_};
}

lsm::Result<SpaceGuard::Space> SpaceGuard::Look() {
  if (!probe_) return Space{.total = 1ull << 40, .free = 1ull << 40, .available = 1ull << 40};
  std::lock_guard lock(mutex_);
  return LookLocked();
}

bool SpaceGuard::Admit(uint64_t bytes) {
  if (!probe_) return true;
  std::lock_guard lock(mutex_);
  bool fresh = known_ && admitted_ + bytes < kRecheckBytes && clock_->MonotonicMicros() - looked_at_ < kRecheckMicros;
  if (!fresh && !LookLocked()) return true;  // the write itself will tell
  if (admitted_ + bytes > available_) return false;
  admitted_ += bytes;
  return true;
}

}  // namespace silt::fs
