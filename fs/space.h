// Watches the host's free space, so that what grows the store stops while there is still room to delete.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "lsm/clock.h"
#include "lsm/storage/storage.h"

namespace silt::fs {

using SpaceProbe = std::function<lsm::Result<lsm::SpaceInfo>()>;

// Thread-safe.
class SpaceGuard {
 public:
  static constexpr uint64_t kRecheckMicros = 100'000;
  static constexpr uint64_t kRecheckBytes = 4 << 20;  // or when this much was let through since the last look

  // An empty probe, or one that fails, lets everything through.
  SpaceGuard(SpaceProbe probe, lsm::Clock* clock) : probe_(std::move(probe)), clock_(clock) {}

  // May `bytes` more be stored without touching the reserve? Counts them if so.
  bool Admit(uint64_t bytes);
  // Looks now. available = free without the reserve.
  struct Space {
    uint64_t total = 0, free = 0, available = 0;
  };
  lsm::Result<Space> Look();

  // What is kept free on a disk of this size: for compactions, for the log of deletions.
  static uint64_t Reserve(uint64_t total_bytes);

 private:
  lsm::Result<Space> LookLocked();

  const SpaceProbe probe_;
  lsm::Clock* const clock_;
  std::mutex mutex_;
  bool known_ = false;      // guarded by mutex_, as are all below
  uint64_t available_ = 0;  // at the last look
  uint64_t looked_at_ = 0;
  uint64_t admitted_ = 0;  // since the last look
};

}  // namespace silt::fs
