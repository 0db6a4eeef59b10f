// Makes what was written durable without being asked, every commit interval: the kernel sends nothing for sync(2).
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "fs/record_store.h"

namespace silt::fs {

// Thread-safe.
class CommitTimer {
 public:
  explicit CommitTimer(RecordStore* records) : records_(records) {}
  ~CommitTimer() { Stop(); }

  void Start(uint64_t interval_micros);
  // Joins the thread. Idempotent.
  void Stop();
  // Syncs if anything was written since the last tick; what the thread does each interval.
  void Tick();

 private:
  void Run(uint64_t interval_micros);

  RecordStore* const records_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;               // guarded by mutex_
  lsm::SequenceNumber synced_ = 0;  // guarded by tick_mutex_
  bool failed_ = false;             // guarded by tick_mutex_; the failure was logged
  std::mutex tick_mutex_;
  std::thread thread_;
};

}  // namespace silt::fs
