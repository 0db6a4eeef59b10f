#include "mount/sync_queue.h"

#include <pthread.h>

#include <algorithm>

namespace silt::mount {

SyncQueue::SyncQueue(std::function<int()> sync) : sync_(std::move(sync)) {
  thread_ = std::thread([this] { Run(); });
}

SyncQueue::~SyncQueue() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SyncQueue::Add(Done done) {
  std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(done));
  count_.store(waiting_.size(), std::memory_order_relaxed);
  if (waiting_.size() == 1) changed_.notify_one();
}

bool SyncQueue::IsAlone() const {
  return alone_.load(std::memory_order_relaxed) >= kSyncsAlone &&
         nanos_.load(std::memory_order_relaxed) < std::chrono::nanoseconds(kLongest).count();
}

int SyncQueue::SyncHere(const std::function<bool()>& others_came) {
  const bool first = syncs_.fetch_add(1) == 0;
  const auto begun = Clock::now();
  const int error = sync_();
  const int64_t took = std::chrono::nanoseconds(Clock::now() - begun).count();
  syncs_.fetch_sub(1);
  const int64_t mean = nanos_.load(std::memory_order_relaxed);
  nanos_.store(mean + (took - mean) / 8, std::memory_order_relaxed);
  const bool others = others_.exchange(false) || !first || others_came();
  alone_.store(others ? 0 : std::min(alone_.load(std::memory_order_relaxed) + 1, kSyncsAlone),
               std::memory_order_relaxed);
  return error;
}

void SyncQueue::Run() {
  pthread_setname_np(pthread_self(), "siltfs-sync");
  std::vector<Done> batch;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    AwaitOthers(&lock);
    batch.swap(waiting_);
    count_.store(0, std::memory_order_relaxed);
    lock.unlock();
    const int error = SyncHere([&] { return batch.size() > 1; });
    for (const Done& done : batch) done(error);
    lock.lock();
    expected_ = batch.size() + waiting_.size();
    batch.clear();
  }
}

// Those that the last sync let go are about to come back. Without them this sync would have few of them, the next one
// the others, and each would wait for two; a quarter of a sync is worth waiting. (As WalSet::AwaitCallers does for
// threads.)
void SyncQueue::AwaitOthers(std::unique_lock<std::mutex>* lock) {
  const size_t expected = expected_;
  if (waiting_.size() >= expected) return;
  lock->unlock();
  const auto deadline = Clock::now() + std::chrono::nanoseconds(nanos_.load(std::memory_order_relaxed) / 4);
  while (count_.load(std::memory_order_relaxed) < expected && Clock::now() < deadline) std::this_thread::yield();
  lock->lock();
}

}  // namespace silt::mount
