// The last requests of a mount, kept while somebody wants them: switched on and off on a live mount, free when off.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "mount/observe/access_record.h"

namespace silt::mount {

// Thread-safe. A ring: a reader that is slow misses records and is told how many; nobody waits for it.
class AccessLog {
 public:
  static constexpr size_t kCapacity = 4096;

  // Whether requests are to be added: switched on, or watched.
  bool enabled() const { return enabled_.load(std::memory_order_relaxed); }
  // The switch. What was kept stays readable after off.
  void Switch(bool on);
  bool switched_on() const;

  // Keeps the log running for as long as it lives, switched on or not.
  class Watch {
   public:
    explicit Watch(AccessLog* log);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    AccessLog* const log_;
  };

  void Add(AccessRecord record);

  // Records have numbers from 0 on.
  struct Batch {
    std::vector<AccessRecord> records;
    uint64_t dropped = 0;  // records from the wanted number on that were overwritten before they could be read
    uint64_t next = 0;     // the number after the last of these
  };
  // At most `max` records from number `from` on.
  Batch Read(uint64_t from, size_t max) const;
  uint64_t End() const;  // the number that the next record gets
  // Returns when there are records from that number on, or after `limit`.
  void Wait(uint64_t from, std::chrono::milliseconds limit) const;

 private:
  std::atomic<bool> enabled_{false};  // written under mutex_
  mutable std::mutex mutex_;
  mutable std::condition_variable added_;
  mutable int waiting_ = 0;  // guarded by mutex_, as all below
  bool switched_on_ = false;
  int watchers_ = 0;
  std::vector<AccessRecord> ring_;  // record n is at n % kCapacity; empty until the log is first used
  uint64_t end_ = 0;
};

}  // namespace silt::mount
