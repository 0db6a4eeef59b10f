// FSYNC and FSYNCDIR: one thread syncs for all who wait. A sync makes all that was acknowledged before durable,
// whatever file it is of, so that the requests need no thread each: those that come while one is under way are answered
// by the next, together.
//
// Who syncs alone is spared the way through another thread (two wake-ups of a sync's hundred microseconds): when no
// other request has come during the last syncs, the thread that was sent the request syncs by itself.
#pragma once

#include <linux/fuse.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace silt::mount {

// Thread-safe.
class SyncQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Done = std::function<void(int error)>;  // errno, 0 for success

  // So many syncs in a row without any other request...
  static constexpr int kSyncsAlone = 8;
  // ... and none of late took longer than this: others do wait when they come all the same.
  static constexpr auto kLongest = std::chrono::microseconds(300);

  static bool Takes(uint32_t opcode) { return opcode == FUSE_FSYNC || opcode == FUSE_FSYNCDIR; }

  // `sync` makes durable what was acknowledged before it is called; errno, 0 for success. Any thread may call it.
  explicit SyncQueue(std::function<int()> sync);
  // What was added is done first.
  ~SyncQueue();

  // Calls `done` on the queue's thread, when what was acknowledged before this call is durable, or could not be made
  // so.
  void Add(Done done);

  // Whether the caller had better call SyncHere.
  bool IsAlone() const;
  // Syncs on the caller's thread. `others_came`: whether the caller finds that it kept other requests waiting.
  int SyncHere(const std::function<bool()>& others_came);

  // Every other request is told of.
  void OnOtherRequest() {
    if (syncs_.load(std::memory_order_relaxed) > 0) others_.store(true, std::memory_order_relaxed);
  }

 private:
  void Run();
  void AwaitOthers(std::unique_lock<std::mutex>* lock);

  const std::function<int()> sync_;
  std::atomic<int> syncs_{0};        // under way
  std::atomic<bool> others_{false};  // requests came during one
  std::atomic<int> alone_{0};        // syncs since, kSyncsAlone at most
  std::atomic<int64_t> nanos_{0};    // of a sync, smoothed

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Done> waiting_;     // guarded by mutex_, as all below
  std::atomic<size_t> count_{0};  // waiting_.size(), to be read without
  size_t expected_ = 0;           // that will come back: how many there were around the last sync
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace silt::mount
