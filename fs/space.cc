#include "fs/space.h"

#include <algorithm>

namespace silt::fs {
namespace {

// df(1) shows something, and programs that look for space before they write find it.
constexpr SpaceGuard::Space kUnknown{.total = 1ull << 40, .free = 1ull << 40, .available = 1ull << 40, .known = false};

}  // namespace

uint64_t SpaceGuard::Reserve(uint64_t total_bytes) {
  // Room for one compaction into the base level (fs/open.cc scales that with the disk), half of it the engine's
  // ballast.
  return std::clamp<uint64_t>(total_bytes / 8, 4 << 20, 256 << 20);
}

lsm::Result<SpaceGuard::Space> SpaceGuard::LookLocked() {
  auto info = probe_();
  looked_at_ = clock_->MonotonicMicros();
  admitted_ = 0;
  looked_ = true;
  known_ = info.has_value();
  if (!info && info.error().code() == lsm::StatusCode::kNotSupported) return kUnknown;
  if (!info) return lsm::Fail(info.error());
  reserve_ = std::min(Reserve(info->total_bytes), info->free_bytes);
  available_ = info->free_bytes - reserve_;
  total_ = info->total_bytes;
  auto without_promised = [this](uint64_t bytes) { return bytes - std::min(bytes, promised_); };
  return Space{.total = info->total_bytes,
               .free = without_promised(info->free_bytes),
               .available = without_promised(available_)};
}

lsm::Result<SpaceGuard::Space> SpaceGuard::Look() {
  if (!probe_) return kUnknown;
  std::lock_guard lock(mutex_);
  return LookLocked();
}

bool SpaceGuard::IsTight() {
  std::lock_guard lock(mutex_);
  return known_ && available_ < 2 * Reserve(total_);
}

bool SpaceGuard::Refresh(uint64_t bytes) {
  bool fresh = looked_ && admitted_ + bytes < kRecheckBytes && clock_->MonotonicMicros() - looked_at_ < kRecheckMicros;
  if (!fresh) static_cast<void>(LookLocked());
  return known_;
}

// Nobody is refused by an old look.
template <class Fits>
bool SpaceGuard::AdmitIf(const Fits& fits, uint64_t bytes) {
  if (!fits()) {
    static_cast<void>(LookLocked());
    if (known_ && !fits()) return false;
  }
  admitted_ += bytes;
  return true;
}

bool SpaceGuard::Admit(uint64_t bytes) {
  if (!probe_) return true;
  std::lock_guard lock(mutex_);
  if (!Refresh(bytes)) return true;  // the write itself will tell
  auto fits = [&] { return admitted_ + promised_ + bytes <= available_; };
  return AdmitIf(fits, bytes);
}

bool SpaceGuard::AdmitReplacing(uint64_t bytes) {
  if (!probe_) return true;
  std::lock_guard lock(mutex_);
  if (!Refresh(bytes)) return true;
  auto fits = [&] { return admitted_ + bytes <= available_ + reserve_ / 2; };
  return AdmitIf(fits, bytes);
}

bool SpaceGuard::Promise(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (probe_ && LookLocked() && known_ && (promised_ > available_ || bytes > available_ - promised_)) return false;
  promised_ += bytes;
  return true;
}

void SpaceGuard::AddPromised(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  promised_ += bytes;
}

void SpaceGuard::DropPromised(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  promised_ -= std::min(promised_, bytes);
}

}  // namespace silt::fs
