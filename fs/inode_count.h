// How many inodes there are, for statfs(2): counted at each mount, from then on kept by adding and subtracting. It is
// so exact after whatever ended the last mount, costs no operation a write, and needs no record.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "fs/record_store.h"

namespace silt::fs {

// Thread-safe, but for Start and Stop.
class InodeCount {
 public:
  explicit InodeCount(RecordStore* records, uint64_t at_once = 4096) : records_(records), at_once_(at_once) {}
  ~InodeCount() { Stop(); }

  // Counts what the store holds now: the first `at_once` before it returns, the rest on a thread of the lowest
  // priority, which holds the tables of this moment. Call it before the first operation.
  void Start();
  // A count that is under way is given up. Idempotent.
  void Stop();

  // Of an inode that was committed since Start.
  void Created() { change_.fetch_add(1, std::memory_order_relaxed); }
  void Erased() { change_.fetch_sub(1, std::memory_order_relaxed); }

  // Orphans included. nullopt: still being counted, or a table could not be read.
  std::optional<uint64_t> Get() const;
  // Waits until it is known, will not be, or the time is over.
  void Wait(std::chrono::microseconds at_most);

 private:
  enum class State : uint8_t { kCounting, kKnown, kUnknown };
  // Counts up to `most`. True at the end of the inodes.
  bool CountSome(uint64_t most);
  void Finish(State state);

  RecordStore* const records_;
  const uint64_t at_once_;
  std::atomic<int64_t> change_{0};         // since Start
  std::unique_ptr<lsm::Iterator> inodes_;  // as they were at Start; of Start, then of the thread
  int64_t found_ = 0;                      // written before state_ becomes kKnown
  std::atomic<State> state_{State::kCounting};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable finished_;
  std::thread thread_;
};

}  // namespace silt::fs
