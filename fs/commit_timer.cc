#include "fs/commit_timer.h"

#include <chrono>

namespace silt::fs {

void CommitTimer::Start(uint64_t interval_micros) {
  thread_ = std::thread([this, interval_micros] { Run(interval_micros); });
}

void CommitTimer::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void CommitTimer::Tick() {
  std::lock_guard lock(tick_mutex_);
  lsm::SequenceNumber last = records_->db().LastSequence();
  if (last == synced_) return;
  lsm::Status status = records_->db().Sync(last);
  if (status.ok()) {
    synced_ = last;
  } else if (!failed_) {
    records_->Log(lsm::LogLevel::kError, "periodic commit: " + status.ToString());
  }
  failed_ = !status.ok();
}

void CommitTimer::Run(uint64_t interval_micros) {
  auto interval = std::chrono::microseconds(interval_micros);
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, interval, [this] { return stop_; })) {
    lock.unlock();
    Tick();
    lock.lock();
  }
}

}  // namespace silt::fs
