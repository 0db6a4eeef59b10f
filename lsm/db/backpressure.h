// How much writers are held back, so that flushes and compactions keep up: first a little, then more and more, and only
// then altogether.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "lsm/options.h"

namespace silt::lsm {

struct PressureInputs {
  int l0_runs = 0;  // of the family that has most
  uint64_t immutable_memtables = 0;
  uint64_t pending_compaction_bytes = 0;  // above the levels' targets
};

// Thread-safe. Knows no clock: the caller passes the time and does the sleeping.
class Backpressure {
 public:
  explicit Backpressure(const Options& options);

  void Update(const PressureInputs& inputs);

  // Writers are free, however full the memtable is.
  bool Eased() const { return eased_.load(std::memory_order_relaxed); }
  // 0: writers are free. Up to 1: they get kSlowest.  `fill`: how full the active memtable is, 0 to 1.
  double Severity(double fill) const;
  // From this size on a write is bulk.
  static constexpr uint64_t kBulkBytes = 64 << 10;

  // Microseconds that a write of `bytes` should wait at `now`. Writers share an allowance of bytes per second, so that
  // waiting in parallel does not let more through; those of bulk writes have one of their own, so that who writes little
  // does not wait for what somebody else's megabytes have used up.
  uint64_t Delay(uint64_t now_micros, uint64_t bytes, double fill);
  // Too many runs in L0: writers wait until there are fewer.
  bool MustStop() const { return must_stop_.load(std::memory_order_relaxed); }

 private:
  const Options& options_;
  std::atomic<double> severity_{0};  // without the memtable's part
  std::atomic<bool> last_memtable_{false};
  std::atomic<bool> must_stop_{false};
  std::atomic<bool> eased_{true};  // none of the three
  std::mutex mutex_;
  double next_free_[2] = {0, 0};  // guarded by mutex_: when the allowances, the second of bulk writes, are used up until
};

}  // namespace silt::lsm
