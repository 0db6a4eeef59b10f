// FUSE over io_uring: a queue for each processor, and threads for what takes long.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mount/ring_queue.h"

namespace silt::mount {

class RingTransport {
 public:
  struct Options {
    RequestObserver* observer = nullptr;
    SyncQueue* syncs = nullptr;             // outlives it
    uint64_t memory_bytes = 0;              // for the buffers of all queues; each has one entry at least
    unsigned max_threads = 1;               // for what takes long
    std::function<void(int error)> failed;  // the kernel refused an entry after all: the mount cannot be used
  };
  // Everything that can fail before the kernel is promised to be served this way.
  static lsm::Result<std::unique_ptr<RingTransport>> Create(fuse_session* session, const Options& options);
  ~RingTransport();

  void Start();
  // REQUIRES: the connection has ended.
  void Stop();

  size_t queues() const { return queues_.size(); }
  unsigned depth() const { return depth_; }

 private:
  RingTransport(fuse_session* session, const Options& options);

  WorkerPool workers_;
  RequestDurations durations_;
  RingQueue::Shared shared_;
  unsigned depth_ = 0;
  std::vector<std::unique_ptr<RingQueue>> queues_;
};

}  // namespace silt::mount
