#include "fs/reclaimer.h"

#include <fmt/format.h>

#include <algorithm>

namespace silt::fs {

namespace {

// As long as a caller of write(2) is kept waiting for space that may come back.
constexpr std::chrono::seconds kMaxWait(3);

}  // namespace

void Reclaimer::Freed(uint64_t bytes) {
  const uint64_t freed = freed_.fetch_add(bytes) + bytes;
  if (!IsWorth(freed)) return;
  std::lock_guard lock(mutex_);
  if (stop_ || worthwhile_) return;
  worthwhile_ = true;
  StartLocked();
}

uint64_t Reclaimer::Pending(uint64_t free) const {
  const uint64_t then = free_then_;
  const uint64_t came = free - std::min(free, then);
  const uint64_t coming = coming_;
  return freed_ + coming - std::min(coming, came);
}

bool Reclaimer::Reclaim() {
  std::unique_lock lock(mutex_);
  if (stop_ || records_->db().LastSequence() == covered_) return false;
  const uint64_t number = ++asked_;
  StartLocked();
  worked_.wait_for(lock, kMaxWait, [&] { return stop_ || answered_ >= number; });
  return true;
}

void Reclaimer::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  worked_.notify_all();
  if (thread_.joinable()) thread_.join();
  // Else it would wait in the log for the next mount.
  const uint64_t freed = freed_.exchange(0);
  if (freed >= worth_bytes_) Work(false, freed);
}

void Reclaimer::StartLocked() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
}

void Reclaimer::Run() {
  std::unique_lock lock(mutex_);
  auto asked = [this] { return stop_ || asked_ > answered_; };
  while (true) {
    wake_.wait(lock, [&] { return asked() || worthwhile_; });
    if (!asked()) wake_.wait_for(lock, delay_, asked);
    if (stop_) return;
    const uint64_t number = asked_;
    const bool wanted = number > answered_;
    worthwhile_ = false;
    const uint64_t freed = freed_.exchange(0);
    const lsm::SequenceNumber last = records_->db().LastSequence();
    lock.unlock();
    if (auto space = space_->Look()) free_then_ = space->free;
    coming_ = freed;
    Work(wanted || space_->IsTight(), freed);
    coming_ = 0;
    lock.lock();
    answered_ = number;
    covered_ = last;
    worked_.notify_all();
  }
}

void Reclaimer::Work(bool asked, uint64_t bytes) {
  records_->Log(lsm::LogLevel::kInfo, asked ? fmt::format("the disk is full: reclaiming deleted space, {} MiB", bytes >> 20)
                                            : fmt::format("reclaiming {} MiB of deleted data", bytes >> 20));
  // Once the tombstones are in tables, compaction goes after them by itself, a few tables at a time. A compaction of
  // everything at once would need more room than there is.
  lsm::Status status = asked ? records_->db().ReclaimSpace() : records_->db().Flush();
  if (!status.ok()) records_->Log(lsm::LogLevel::kWarning, "reclaiming deleted space: " + status.ToString());
}

}  // namespace silt::fs
