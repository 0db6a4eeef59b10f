// Gives deleted space back: what was deleted lies in the memtable and under tombstones until tables are rewritten.
// Writes bring that about, but a store that nobody writes to would keep it for ever, and one that may not grow would
// never fill a memtable again.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "fs/record_store.h"
#include "fs/space.h"

namespace silt::fs {

// Thread-safe.
class Reclaimer {
 public:
  static constexpr uint64_t kWorthWhenTight = 1 << 20;  // bytes

  // From `worth_bytes` of deleted data on, work is done unasked; where space is tight, from little. `delay` after that,
  // since more deletions are likely to follow.
  Reclaimer(RecordStore* records, SpaceGuard* space, uint64_t worth_bytes,
            std::chrono::milliseconds delay = std::chrono::seconds(1))
      : records_(records), space_(space), worth_bytes_(worth_bytes), delay_(delay) {}
  ~Reclaimer() { Stop(); }

  // This much data was deleted, and committed. 0: perhaps space is tight by now.
  void Freed(uint64_t bytes);
  // Of that, roughly what has not come back yet, but would if it were asked for, when so much is `free` on the disk now.
  // As deleted: compressed it was less.
  uint64_t Pending(uint64_t free) const;
  // Something did not fit. Works, once for all who ask meanwhile, and waits for that, a few seconds at most. False:
  // nothing was written since it worked last, so nothing can have come back.
  bool Reclaim();
  // Waits for work that is under way, and does what was about to be done. Idempotent; later calls do nothing.
  void Stop();

 private:
  void StartLocked();
  void Run();
  void Work(bool asked, uint64_t bytes);
  bool IsWorth(uint64_t freed) const {
    return freed >= worth_bytes_ || (freed >= kWorthWhenTight && space_->IsTight());
  }

  RecordStore* const records_;
  SpaceGuard* const space_;
  const uint64_t worth_bytes_;
  const std::chrono::milliseconds delay_;
  std::atomic<uint64_t> freed_{0};   // since the last work began
  std::atomic<uint64_t> coming_{0};  // what is being worked on...
  std::atomic<uint64_t> free_then_{0};  // ... since so much was free
  std::mutex mutex_;
  std::condition_variable wake_;     // for the thread
  std::condition_variable worked_;   // for those who wait for it
  std::thread thread_;               // guarded by mutex_ until stop_
  bool stop_ = false;                // guarded by mutex_, as are all below
  bool worthwhile_ = false;          // enough came together
  uint64_t asked_ = 0;               // calls of Reclaim that were not turned away
  uint64_t answered_ = 0;            // those that were waiting when the last finished work began
  lsm::SequenceNumber covered_ = 0;  // the store's last sequence at that moment
};

}  // namespace silt::fs
