// How requests reach the daemon, for people: known once the kernel has said hello.
#pragma once

#include <mutex>
#include <string>
#include <utility>

namespace silt::mount {

// Thread-safe.
class TransportStatus {
 public:
  struct Facts {
    std::string name = "/dev/fuse";  // or "io_uring"
    std::string detail;              // one line: the queues, or why not io_uring and what to do; may be empty
  };

  void Set(Facts facts) {
    std::lock_guard lock(mutex_);
    facts_ = std::move(facts);
  }
  Facts Get() const {
    std::lock_guard lock(mutex_);
    return facts_;
  }

 private:
  mutable std::mutex mutex_;
  Facts facts_;  // guarded by mutex_
};

}  // namespace silt::mount
