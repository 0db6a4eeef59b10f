// Serves the requests of /dev/fuse. One thread at a time waits for them, the leader, and it serves what it reads
// itself: no thread is woken for a request. Before a request that is likely to take long it makes another thread the
// leader; and when a request takes long unexpectedly, a watch does so, so that others wait for a few milliseconds at
// most.
//
// (Threads that all wait on the device are woken in turn, on whichever processor each last ran: that costs more than
// the requests. Leader and followers: Schmidt et al., Pattern-Oriented Software Architecture 2.)
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "mount/fuse_api.h"
#include "mount/observe/request_observer.h"
#include "mount/request_durations.h"
#include "mount/sync_queue.h"

namespace silt::mount {

class DeviceLoop {
 public:
  // `initialized` is called once, by a serving thread, when the reply to INIT has been sent. `syncs`, which outlives
  // the session's requests, may still be at some when Run returns.
  DeviceLoop(fuse_session* session, RequestObserver* observer, SyncQueue* syncs, unsigned max_threads,
             std::function<void()> initialized);
  ~DeviceLoop();

  // Serves until the kernel ends the connection. 0 or -errno.
  int Run();

 private:
  struct Buffer;

  void Follow();
  void Lead(uint64_t term, Buffer* buffer);
  bool Receive(Buffer* buffer, size_t* size);
  void Serve(Buffer* buffer, size_t size, uint64_t term);
  void QueueSync(std::span<const char> bytes);
  bool RequestIsWaiting() const;
  void Promote(uint64_t term);
  void Stop(int error);
  void Watch();
  void WakeWatch();

  fuse_session* const session_;
  RequestObserver* const observer_;
  SyncQueue* const syncs_;
  const unsigned max_threads_;
  const std::function<void()> initialized_;
  RequestDurations durations_;

  // Each time somebody leads is a term; a leader whose term is over no longer leads.
  std::atomic<uint64_t> term_{0};      // written under mutex_
  std::atomic<bool> serving_{false};   // the leader is at a request
  std::atomic<uint64_t> requests_{0};  // that leaders have begun
  std::atomic<bool> watch_sleeps_{false};

  std::mutex mutex_;
  std::condition_variable vacancy_;
  std::condition_variable activity_;  // of the watch
  bool led_ = false;                  // guarded by mutex_, as all below
  bool stopped_ = false;
  unsigned followers_ = 0;  // waiting
  int error_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace silt::mount
