#include "fs/inode_count.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>

namespace silt::fs {

namespace {
constexpr size_t kReadAhead = 256 << 10;
constexpr uint64_t kBetweenLooks = 1024;  // whether to stop
}  // namespace

void InodeCount::Start() {
  change_ = 0;  // orphans were reaped before
  inodes_ = records_->Scan(schema::kMeta, schema::AllOf(schema::KeyKind::kInode), kReadAhead);
  inodes_->SeekToFirst();
  if (CountSome(at_once_)) return;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "siltfs-count");
    // Of this thread alone, on Linux.
    (void)::setpriority(PRIO_PROCESS, 0, 19);
    while (!CountSome(kBetweenLooks)) {
      if (stop_.load(std::memory_order_relaxed)) return Finish(State::kUnknown);
    }
  });
}

void InodeCount::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
  inodes_.reset();
}

bool InodeCount::CountSome(uint64_t most) {
  for (; most > 0 && inodes_->Valid(); --most) {
    ++found_;
    inodes_->Next();
  }
  if (inodes_->Valid()) return false;
  const lsm::Status status = inodes_->status();
  if (!status.ok()) (void)records_->Failed(0, status);
  Finish(status.ok() ? State::kKnown : State::kUnknown);
  return true;
}

void InodeCount::Finish(State state) {
  inodes_.reset();
  {
    std::lock_guard lock(mutex_);
    state_.store(state, std::memory_order_release);
  }
  finished_.notify_all();
}

std::optional<uint64_t> InodeCount::Get() const {
  if (state_.load(std::memory_order_acquire) != State::kKnown) return std::nullopt;
  return static_cast<uint64_t>(std::max<int64_t>(0, found_ + change_.load(std::memory_order_relaxed)));
}

void InodeCount::Wait(std::chrono::microseconds at_most) {
  std::unique_lock lock(mutex_);
  finished_.wait_for(lock, at_most, [this] { return state_.load(std::memory_order_relaxed) != State::kCounting; });
}

}  // namespace silt::fs
