// A reader/writer lock under which a writer does not starve. The readers of glibc's rwlock (std::shared_mutex) pass a
// waiting writer for as long as they overlap each other, which in a store under load is for ever.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace silt::lsm {

// Meets the SharedMutex requirements as far as std::unique_lock and std::shared_lock need them. Not recursive.
class WriterFirstMutex {
 public:
  void lock() {
    gate_.lock();
    writer_waits_.store(true, std::memory_order_relaxed);
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    writer_waits_.store(false, std::memory_order_relaxed);
    gate_.unlock();
  }
  void lock_shared() {
    // The flag is a hint: a reader that misses it delays the writer once; one that sees it queues behind the writer.
    if (writer_waits_.load(std::memory_order_relaxed)) {
      std::lock_guard wait_for_writer(gate_);
    }
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  std::mutex gate_;  // held by a writer from when it starts to wait; acquired before mutex_
  std::atomic<bool> writer_waits_{false};
  std::shared_mutex mutex_;
};

}  // namespace silt::lsm
