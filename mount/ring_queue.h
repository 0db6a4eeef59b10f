// The requests of one processor's clients: a ring, and a thread on that processor that serves what comes, so that a
// client's request is answered without another processor being woken.
//
// A request arrives on the thread that submitted its entry, and only while that thread is not inside the kernel for
// something else. So this thread submits them all, and what is likely to take long (request_durations.h, sync_queue.h)
// goes to other threads, which hand the reply back: others of that processor do not wait for it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "mount/io_ring.h"
#include "mount/observe/request_observer.h"
#include "mount/request_durations.h"
#include "mount/ring_entry.h"
#include "mount/sync_queue.h"
#include "mount/worker_pool.h"

namespace silt::mount {

class RingQueue {
 public:
  // What all queues of a mount share. Outlives them.
  struct Shared {
    fuse_session* session = nullptr;
    RequestObserver* observer = nullptr;
    WorkerPool* workers = nullptr;
    RequestDurations* durations = nullptr;
    SyncQueue* syncs = nullptr;
    std::function<void(int error)> failed;  // the kernel refused an entry: -errno
  };

  static lsm::Result<std::unique_ptr<RingQueue>> Create(const Shared* shared, uint16_t number, unsigned depth);
  ~RingQueue();

  // The kernel has agreed: registers the entries and begins to serve.
  void Start();
  // Returns when no thread is at a request of this queue. REQUIRES: the connection has ended.
  void Stop();

 private:
  struct HandedBack {
    RingEntry* entry;
    std::function<void()> serve;  // empty: it has been replied to
  };

  RingQueue(const Shared* shared, uint16_t number) : shared_(shared), number_(number) {}
  void Run();
  void PinToProcessor() const;
  void Submit(RingEntry* entry, uint32_t operation);
  void ListenForReplies();
  void OnCompletion(const io_uring_cqe& completion);
  void OnRequest(RingEntry* entry);
  // False: the reply will be handed back.
  bool OnSyncRequest(RingEntry* entry, std::span<char> bytes);
  void Serve(RingEntry* entry, RawRequest* request);
  void TakeHandedBack();
  void HandBack(HandedBack back);

  const Shared* const shared_;
  const uint16_t number_;  // the processor's
  std::unique_ptr<IoRing> ring_;
  std::vector<std::unique_ptr<RingEntry>> entries_;
  size_t live_ = 0;          // entries that the kernel holds or a thread serves; this queue's thread only
  bool stopping_ = false;    // the same
  UniqueFd wake_;            // an eventfd: something was handed back, or the end has come
  uint64_t wake_count_ = 0;  // where the ring reads it to
  std::mutex mutex_;
  std::vector<HandedBack> handed_back_;  // guarded by mutex_
  bool stop_asked_ = false;              // guarded by mutex_
  std::thread thread_;
};

}  // namespace silt::mount
