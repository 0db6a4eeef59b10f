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

  // An empty probe, or one that fails, lets everything through. One that says kNotSupported stands for a disk of
  // which nothing is known.
  SpaceGuard(SpaceProbe probe, lsm::Clock* clock) : probe_(std::move(probe)), clock_(clock) {}

  // May `bytes` more be stored without touching the reserve or what is promised? Counts them if so.
  bool Admit(uint64_t bytes);
  // The same for bytes that replace others or that were promised: half the reserve is theirs, since compaction gives it
  // back. The other half is the engine's.
  bool AdmitReplacing(uint64_t bytes);

  // What fallocate(2) promised and nobody has written yet: nobody else gets it. False: there is not enough.
  bool Promise(uint64_t bytes);
  // Without asking: promises of an earlier mount, and those for data that stops taking space.
  void AddPromised(uint64_t bytes);
  void DropPromised(uint64_t bytes);

  // So little was available at the last look that every bit of deleted data is worth reclaiming.
  bool IsTight();

  // Looks now. Free and available are without what is promised; available also without the reserve.
  struct Space {
    uint64_t total = 0, free = 0, available = 0;
    bool known = true;  // false: the host does not say; the rest are numbers that are in nobody's way
  };
  lsm::Result<Space> Look();

  // What is kept free on a disk of this size: for compactions, for the log of deletions.
  static uint64_t Reserve(uint64_t total_bytes);

 private:
  lsm::Result<Space> LookLocked();
  template <class Fits>
  bool AdmitIf(const Fits& fits, uint64_t bytes);
  // Looks again if the last look is too old for `bytes` more. False: there is nothing to look at.
  bool Refresh(uint64_t bytes);

  const SpaceProbe probe_;
  lsm::Clock* const clock_;
  std::mutex mutex_;
  bool looked_ = false;     // guarded by mutex_, as are all below
  bool known_ = false;      // the last look told something
  uint64_t available_ = 0;  // at the last look
  uint64_t total_ = 0;
  uint64_t reserve_ = 0;    // of which this much was free
  uint64_t promised_ = 0;
  uint64_t looked_at_ = 0;
  uint64_t admitted_ = 0;  // since the last look
};

}  // namespace silt::fs
