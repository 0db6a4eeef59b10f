#include "fs/reclaimer.h"

namespace silt::fs {

void Reclaimer::Request() {
  std::lock_guard lock(mutex_);
  if (stop_ || wanted_ || records_->db().LastSequence() == worked_) return;
  wanted_ = true;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
}

void Reclaimer::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Reclaimer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || wanted_; });
    if (stop_) return;
    lock.unlock();
    Reclaim();
    lock.lock();
    worked_ = records_->db().LastSequence();
    wanted_ = false;
  }
}

void Reclaimer::Reclaim() {
  records_->Log(lsm::LogLevel::kInfo, "the disk is full: reclaiming deleted space");
  // Once the tombstones are in tables, compaction goes after them by itself, a few tables at a time. A compaction of
  // everything at once would need more room than there is.
  lsm::Status status = records_->db().Flush();
  if (status.ok()) status = records_->db().WaitForBackgroundWork();
  if (!status.ok()) records_->Log(lsm::LogLevel::kWarning, "reclaiming deleted space: " + status.ToString());
}

}  // namespace silt::fs
