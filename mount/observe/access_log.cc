#include "mount/observe/access_log.h"

#include <algorithm>

namespace silt::mount {

void AccessLog::Switch(bool on) {
  std::lock_guard lock(mutex_);
  switched_on_ = on;
  enabled_.store(switched_on_ || watchers_ > 0, std::memory_order_relaxed);
}

bool AccessLog::switched_on() const {
  std::lock_guard lock(mutex_);
  return switched_on_;
}

AccessLog::Watch::Watch(AccessLog* log) : log_(log) {
  std::lock_guard lock(log_->mutex_);
  ++log_->watchers_;
  log_->enabled_.store(true, std::memory_order_relaxed);
}

AccessLog::Watch::~Watch() {
  std::lock_guard lock(log_->mutex_);
  --log_->watchers_;
  log_->enabled_.store(log_->switched_on_ || log_->watchers_ > 0, std::memory_order_relaxed);
}

void AccessLog::Add(AccessRecord record) {
  std::lock_guard lock(mutex_);
  if (ring_.empty()) ring_.resize(kCapacity);
  ring_[end_ % kCapacity] = std::move(record);
  ++end_;
  if (waiting_ > 0) added_.notify_all();
}

AccessLog::Batch AccessLog::Read(uint64_t from, size_t max) const {
  std::lock_guard lock(mutex_);
  Batch batch;
  const uint64_t oldest = end_ - std::min<uint64_t>(end_, kCapacity);
  const uint64_t begin = std::clamp(from, oldest, end_);
  batch.dropped = begin - std::min(from, begin);
  batch.next = std::min<uint64_t>(begin + max, end_);
  for (uint64_t number = begin; number < batch.next; ++number) batch.records.push_back(ring_[number % kCapacity]);
  return batch;
}

uint64_t AccessLog::End() const {
  std::lock_guard lock(mutex_);
  return end_;
}

void AccessLog::Wait(uint64_t from, std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  ++waiting_;
  added_.wait_for(lock, limit, [&] { return end_ > from; });
  --waiting_;
}

}  // namespace silt::mount
