// Writing: what a batch passes on its way into the WAL and the memtable, and Sync.
#include <algorithm>
#include <thread>

#include "lsm/db/db_impl.h"

namespace silt::lsm {
namespace {

// A WAL's offsets have 32 bits; this leaves room for headers, markers and fragments.
constexpr uint64_t kMaxWalBytes = kMaxLogFileSize - (kMaxLogFileSize >> 8);

}  // namespace

Status DbImpl::CheckBatch(const WriteBatch& batch) const {
  if (batch.LargestFamily() >= options_.families.size()) return Status::InvalidArgument("batch: unknown family");
  // No table could hold it, so that it must not even be logged.
  if (batch.LargestEntry() > kMaxUserEntryBytes) {
    return Status::InvalidArgument(
        fmt::format("batch: a key and value of {} bytes; {} is the most", batch.LargestEntry(), kMaxUserEntryBytes));
  }
  if (batch.ByteSize() > kMaxWalBytes / 2) {
    return Status::InvalidArgument(fmt::format("batch: {} bytes are more than a WAL can hold", batch.ByteSize()));
  }
  return Status::Ok();
}

Status DbImpl::Write(const WriteOptions& options, const WriteBatch& batch, SequenceNumber* sequence) {
  SILT_RETURN_IF_ERROR(CheckBatch(batch));
  SILT_RETURN_IF_ERROR(Admit(batch.ByteSize()));
  SequenceNumber last = LastSequence();
  if (!batch.Empty()) SILT_RETURN_IF_ERROR(queue_->Commit(batch, &last));
  if (sequence != nullptr) *sequence = last;
  return options.sync ? Sync(last) : Status::Ok();
}

Status DbImpl::Sync(SequenceNumber sequence) {
  SILT_RETURN_IF_ERROR(CheckOpen());
  if (wals_ == nullptr) return Status::ReadOnly(dir_ + ": opened read-only");
  Status status = wals_->Sync(sequence);
  if (!status.ok()) SetFatal(status);
  return status;
}

// Before the queue, so that each writer waits for itself and nobody who only reads or syncs waits at all.
Status DbImpl::Admit(uint64_t bytes) {
  if (!writable_.load(std::memory_order_acquire)) {
    std::lock_guard lock(mutex_);
    return CheckWritable();
  }
  if (backpressure_.Eased()) return Status::Ok();
  double fill =
      static_cast<double>(active_bytes_.load(std::memory_order_relaxed)) / static_cast<double>(options_.memtable_bytes);
  uint64_t delay = backpressure_.Delay(clock_->MonotonicMicros(), bytes, fill);
  if (delay > 0) {
    counters_.write_delay_count.Add();
    counters_.write_delay_micros.Add(delay);
    clock_->SleepMicros(delay);
  }
  if (!backpressure_.MustStop()) return Status::Ok();

  std::unique_lock lock(mutex_);
  uint64_t began = clock_->MonotonicMicros();
  counters_.stall_count.Add();
  state_changed_.wait(
      lock, [&] { return !backpressure_.MustStop() || !CheckWritable().ok() || !compaction_space_error_.ok(); });
  counters_.stall_micros.Add(clock_->MonotonicMicros() - began);
  SILT_RETURN_IF_ERROR(CheckWritable());
  return backpressure_.MustStop() ? compaction_space_error_ : Status::Ok();
}

Status DbImpl::Prepare(size_t bytes) {
  if (!writable_.load(std::memory_order_acquire)) {
    std::lock_guard lock(mutex_);
    return CheckWritable();
  }
  bool full = leader_memtable_->MemoryUsage() >= options_.memtable_bytes && !leader_memtable_->Empty();
  bool wal_full = wals_->CurrentSize() + bytes > kMaxWalBytes;
  if (!full && !wal_full) return Status::Ok();
  SILT_RETURN_IF_ERROR(WaitForMemTableRoom());
  Status switched = SwitchMemTable(LastSequence());
  if (switched.ok() || switched.IsNoSpace()) return switched;
  if (Status ours = StillOurs(); !ours.ok()) {
    SetFatal(ours);
    return ours;
  }
  return switched;
}

Status DbImpl::WaitForMemTableRoom() {
  auto room = [this] { return immutables_.size() < static_cast<size_t>(options_.max_immutable_memtables); };
  std::unique_lock lock(mutex_);
  if (room()) return Status::Ok();
  uint64_t began = clock_->MonotonicMicros();
  counters_.stall_count.Add();
  state_changed_.wait(lock, [&] { return room() || !StallVerdict().ok(); });
  counters_.stall_micros.Add(clock_->MonotonicMicros() - began);
  return room() ? CheckWritable() : StallVerdict();
}

// REQUIRES: the leadership of the write queue. `last`: the newest sequence number in use.
Status DbImpl::SwitchMemTable(SequenceNumber last) {
  Status rotated = wals_->Rotate(last + 1);
  if (rotated.IsNoSpace() && ballast_.Release()) rotated = wals_->Rotate(last + 1);
  SILT_RETURN_IF_ERROR(rotated);
  auto fresh = std::make_shared<MemTable>(options_.memtable_bytes);
  leader_memtable_ = fresh.get();
  active_bytes_ = 0;
  next_wal_asked_ = true;  // below; from the first flush on the next log is prepared at once, being a recycled one soon
  ReadViewRef old;
  std::lock_guard lock(mutex_);
  immutables_.push_back(active_);
  active_ = {std::move(fresh), wals_->CurrentNumber(), active_.id + 1};
  old = InstallView();
  wal_wanted_ = true;
  flush_wake_.notify_all();
  return Status::Ok();
}

Status DbImpl::Append(std::span<const std::string_view> record, SequenceNumber first, SequenceNumber last) {
  Status status = wals_->Append(record, first, last);
  if (!status.ok()) {
    log_.Warning("write failed: {}", status.ToString());
    if (Status failure = wals_->failure(); !failure.ok()) SetFatal(failure);
  }
  return status;
}

Status DbImpl::Apply(const WriteBatch& batch, SequenceNumber first) {
  Status status = leader_memtable_->AddBatch(batch.Data(), first);
  if (!status.ok()) SetFatal(status);  // logged, but not visible: the next open will show it
  size_t bytes = leader_memtable_->MemoryUsage();
  active_bytes_.store(bytes, std::memory_order_relaxed);
  if (!next_wal_asked_ && bytes > options_.memtable_bytes / 2) AskForNextWal();
  return status;
}

// Not before: a store of few keys would have twice the space of a log.
void DbImpl::AskForNextWal() {
  next_wal_asked_ = true;
  std::lock_guard lock(mutex_);
  wal_wanted_ = true;
  flush_wake_.notify_all();
}

void DbImpl::Publish(SequenceNumber last) {
  published_.store(last, std::memory_order_release);
}

void DbImpl::CountGroup(size_t batches, uint64_t user_bytes) {
  counters_.batches.AddAlone(batches);
  counters_.write_groups.AddAlone();
  counters_.user_bytes.AddAlone(user_bytes);
}

}  // namespace silt::lsm
