// The two threads: one flushes memtables (and prepares WALs, and deletes what is obsolete), one compacts.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <tuple>

#include "lsm/db/db_impl.h"

namespace silt::lsm {
namespace {

// Pauses between attempts while the disk is full. A call of Flush, of WaitForBackgroundWork or of Close ends them
// early, for compactions a flush too.
constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{2000};

constexpr std::chrono::seconds kAgeCheck{60};

}  // namespace

void DbImpl::FlushLoop() {
  auto pause = kFirstPause;
  std::unique_lock lock(mutex_);
  while (true) {
    auto flush_due = [&] { return !immutables_.empty() && fatal_.ok(); };
    flush_wake_.wait(lock, [&] { return stopping_ || wal_wanted_ || cleanup_wanted_ || flush_due(); });
    if (stopping_) return;
    bool wal_wanted = std::exchange(wal_wanted_, false);
    bool cleanup_wanted = std::exchange(cleanup_wanted_, false);
    bool flush = flush_due();
    LoggedMemTable memtable;
    FileNumber next_wal = 0;
    if (flush) std::tie(memtable, next_wal) = NextFlush();
    flush_now_ = false;
    flush_running_ = flush;
    flush_thread_busy_ = true;
    lock.unlock();

    if (wal_wanted) wals_->PrepareNext();
    if (cleanup_wanted) DeleteObsoleteTables();
    Status status;
    if (flush) {
      status = FlushMemTable(memtable, next_wal);
      if (status.IsNoSpace() && ballast_.Release()) status = FlushMemTable(memtable, next_wal);
    }
    if (flush && status.ok()) {
      FinishFlush(memtable, next_wal);
      ballast_.Restore();
    }
    memtable = {};

    lock.lock();
    flush_thread_busy_ = false;
    state_changed_.notify_all();
    if (!flush) continue;
    flush_running_ = false;
    ++flush_attempts_;
    if (status.ok()) {
      pause = kFirstPause;
    } else if (status.IsNoSpace()) {
      if (space_error_.ok()) log_.Warning("flush: {}; writes go on while a memtable has room", status.ToString());
      space_error_ = status;
      state_changed_.notify_all();
      flush_wake_.wait_for(lock, pause, [&] { return stopping_ || flush_now_; });
      pause = std::min(pause * 2, kLongestPause);
    } else {
      lock.unlock();
      SetFatal(status);
      lock.lock();
    }
    state_changed_.notify_all();
  }
}

Status DbImpl::Flush() {
  if (queue_ == nullptr) return Status::ReadOnly(dir_ + ": opened read-only");
  SILT_RETURN_IF_ERROR(CheckOpen());
  uint64_t wanted = 0;
  Status status = queue_->RunBetweenGroups([&](SequenceNumber last) {
    {
      std::lock_guard lock(mutex_);
      SILT_RETURN_IF_ERROR(CheckWritable());
      wanted = active_.id - 1;
    }
    if (leader_memtable_->Empty()) return Status::Ok();
    ++wanted;
    return SwitchMemTable(last);
  });
  SILT_RETURN_IF_ERROR(status);
  std::unique_lock lock(mutex_);
  flush_now_ = true;
  flush_wake_.notify_all();
  // An attempt that was under way when this call came does not count: it may have begun before space was made.
  uint64_t attempts = flush_attempts_ + (flush_running_ ? 1 : 0);
  state_changed_.wait(lock, [&] {
    return flushed_id_ >= wanted || !CheckWritable().ok() || (!space_error_.ok() && flush_attempts_ > attempts);
  });
  if (flushed_id_ >= wanted) return Status::Ok();
  return StallVerdict();
}

// A scan passed over many tombstones of `memtable`: in a table they would meet what they delete, and go with it.
void DbImpl::SuggestFlush(const MemTable& memtable) {
  if (wals_ == nullptr || options_.disable_auto_compaction) return;
  std::lock_guard lock(mutex_);
  if (active_.table.get() != &memtable) return;  // it is on its way already
  flush_suggested_ = active_.id;
  compaction_wake_.notify_all();
}

// The compaction thread's: the flush thread must not wait for the queue, whose leader may be waiting for a flush.
void DbImpl::FlushAsSuggested() {
  Status status = queue_->RunBetweenGroups([this](SequenceNumber last) {
    {
      std::lock_guard lock(mutex_);
      bool still_active = std::exchange(flush_suggested_, 0) == active_.id;
      if (!still_active || !immutables_.empty()) return Status::Ok();
      SILT_RETURN_IF_ERROR(CheckWritable());
    }
    return leader_memtable_->Empty() ? Status::Ok() : SwitchMemTable(last);
  });
  if (!status.ok()) log_.Warning("flush for a scan: {}", status.ToString());
}

bool DbImpl::CompactionIsDue() const {
  if (!fatal_.ok()) return false;
  return !manual_.empty() || flush_suggested_ != 0 || (compaction_check_ && !options_.disable_auto_compaction && compaction_space_error_.ok());
}

void DbImpl::CompactionLoop() {
  auto pause = kFirstPause;
  uint64_t failed_bytes = 0;  // what the last compaction that the disk had no room for had to rewrite
  bool paused = false;        // since then
  std::unique_lock lock(mutex_);
  while (true) {
    // Some tables become due by their age alone.
    bool due = compaction_wake_.wait_for(lock, kAgeCheck, [&] { return stopping_ || CompactionIsDue(); });
    if (stopping_) return;
    if (flush_suggested_ != 0) {
      lock.unlock();
      FlushAsSuggested();
      lock.lock();
      state_changed_.notify_all();
      continue;
    }
    compaction_check_ = compaction_check_ || !due;
    lock.unlock();
    const uint64_t room = RoomToCompact(failed_bytes, paused);
    LearnTombstones(room);
    lock.lock();
    if (!CompactionIsDue()) continue;
    compact_now_ = false;
    ManualCompaction* manual = nullptr;
    std::optional<Compaction> compaction = NextCompaction(room, &manual);
    Status status;
    bool smaller_may_fit = false;
    if (room == kUnlimitedRoom) {
      failed_bytes = 0;
    } else if (!compaction && manual == nullptr && NextCompaction(kUnlimitedRoom, &manual)) {
      status = Status::NoSpace(fmt::format("{}: none that is due fits", dir_));
    }
    if (compaction) {
      const bool rewrites = !compaction->trivial_move && !compaction->drop_whole;
      const uint64_t bytes = compaction->InputBytes();
      compaction_running_ = true;
      SetBeingCompacted(*compaction, true);
      lock.unlock();
      status = RunCompaction(*compaction);
      if (status.IsNoSpace() && ballast_.Release()) status = RunCompaction(*compaction);
      FinishCompaction(*compaction, status);
      if (status.IsNoSpace() && rewrites && manual == nullptr) {
        if (failed_bytes == 0) log_.Warning("compaction: {}; smaller ones are tried", status.ToString());
        failed_bytes = bytes;
        paused = false;
        smaller_may_fit = RoomToCompact(bytes, paused) < bytes;
      }
      compaction.reset();  // lets the version go
      DeleteObsoleteTables();
      lock.lock();
      compaction_running_ = false;
      compaction_check_ = true;
    }
    if (manual != nullptr) {
      manual->done = true;
      if (!status.ok()) manual->status = status;
    }
    state_changed_.notify_all();
    if (smaller_may_fit) continue;
    if (!status.IsNoSpace()) {
      pause = kFirstPause;
      continue;
    }
    ++compaction_attempts_;
    compaction_space_error_ = status;
    compaction_check_ = false;
    compaction_wake_.wait_for(lock, pause,
                              [&] { return stopping_ || compact_now_ || compaction_check_ || !manual_.empty(); });
    compaction_space_error_ = Status::Ok();
    compaction_check_ = true;
    paused = true;
    state_changed_.notify_all();  // with automatic compactions off there may be nothing more to do
    pause = std::min(pause * 2, kLongestPause);
  }
}

Status DbImpl::WaitForBackgroundWork() {
  std::unique_lock lock(mutex_);
  if (options_.read_only) return Status::Ok();
  auto idle = [&] {
    bool flush_thread_idle = immutables_.empty() && !flush_thread_busy_ && !wal_wanted_ && !cleanup_wanted_;
    return flush_thread_idle && !compaction_running_ && !CompactionIsDue();
  };
  flush_now_ = compact_now_ = true;
  flush_wake_.notify_all();
  compaction_wake_.notify_all();
  // As in Flush.
  const uint64_t flushes = flush_attempts_ + (flush_running_ ? 1 : 0);
  const uint64_t compactions = compaction_attempts_ + (compaction_running_ ? 1 : 0);
  state_changed_.wait(lock, [&] {
    return (idle() && (compaction_space_error_.ok() || compaction_attempts_ > compactions)) || !CheckWritable().ok() ||
           (!space_error_.ok() && flush_attempts_ > flushes);
  });
  SILT_RETURN_IF_ERROR(StallVerdict());
  return compaction_space_error_;
}

Status DbImpl::ReclaimSpace() {
  SILT_RETURN_IF_ERROR(Flush());
  {
    std::lock_guard lock(mutex_);
    ++reclaiming_;
    compaction_check_ = true;
  }
  Status status = WaitForBackgroundWork();
  std::lock_guard lock(mutex_);
  --reclaiming_;
  return status;
}

}  // namespace silt::lsm
