#include "lsm/db/write_queue.h"

#include <array>
#include <thread>

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

// A small batch at the front does not wait for a large group to be put together behind it (LevelDB's rule).
constexpr size_t kSmallBatch = 128 << 10;

constexpr int kYieldsBeforeSleep = 30;

}  // namespace

WriteQueue::WriteQueue(CommitTarget* target, size_t max_group_bytes, SequenceNumber last)
    : target_(target), max_group_bytes_(max_group_bytes), last_(last) {}

Status WriteQueue::Commit(const WriteBatch& batch, SequenceNumber* sequence) {
  Waiter self;
  self.batch = &batch;
  std::unique_lock lock(mutex_);
  if (WaitForTurn(&lock, &self)) {
    size_t bytes = 0;
    size_t size = GroupSize(&bytes);
    group_.clear();
    for (size_t i = 0; i < size; ++i) group_.push_back(waiters_[i]);
    lock.unlock();
    Status status = CommitGroup(bytes);
    lock.lock();
    for (Waiter* member : group_) member->status = status;
    FinishGroup(size);
  }
  if (self.status.ok() && sequence != nullptr) *sequence = self.last;
  return self.status;
}

Status WriteQueue::RunBetweenGroups(const std::function<Status(SequenceNumber)>& work) {
  Waiter self;
  self.work = &work;
  std::unique_lock lock(mutex_);
  WaitForTurn(&lock, &self);  // nobody else finishes it, so it leads
  lock.unlock();
  Status status = work(last_);
  lock.lock();
  FinishGroup(1);
  return status;
}

// A group takes some microseconds, to put a thread to sleep and wake it takes more.
bool WriteQueue::WaitForTurn(std::unique_lock<std::mutex>* lock, Waiter* self) {
  waiters_.push_back(self);
  if (waiters_.size() == 1) {
    self->turn.store(Turn::kLeads, std::memory_order_relaxed);
    return true;
  }
  lock->unlock();
  auto turn = [self] { return self->turn.load(std::memory_order_acquire); };
  for (int i = 0; i < kYieldsBeforeSleep && turn() == Turn::kWaits; ++i) std::this_thread::yield();
  if (turn() == Turn::kDone) return false;
  lock->lock();
  self->asleep = true;
  self->wake.wait(*lock, [&] { return turn() != Turn::kWaits; });
  return turn() == Turn::kLeads;
}

void WriteQueue::Give(Turn turn, Waiter* waiter) {
  bool asleep = waiter->asleep;
  waiter->turn.store(turn, std::memory_order_release);
  if (asleep) waiter->wake.notify_one();  // it cannot go before it has the mutex
}

size_t WriteQueue::GroupSize(size_t* bytes) const {
  *bytes = waiters_.front()->batch->ByteSize();
  size_t limit = *bytes <= kSmallBatch ? *bytes + kSmallBatch : max_group_bytes_;
  limit = std::min(limit, max_group_bytes_);
  size_t size = 1;
  for (; size < waiters_.size() && waiters_[size]->work == nullptr; ++size) {
    size_t more = waiters_[size]->batch->ByteSize();
    if (*bytes + more > limit) break;
    *bytes += more;
  }
  return size;
}

Status WriteQueue::CommitGroup(size_t bytes) {
  SILT_RETURN_IF_ERROR(target_->Prepare(bytes));

  SequenceNumber first = last_ + 1;
  SequenceNumber next = first;
  std::array<char, WriteBatch::kHeaderSize> header;
  record_.clear();
  record_.emplace_back(header.data(), header.size());
  uint64_t user_bytes = 0;
  for (Waiter* member : group_) {
    user_bytes += member->batch->UserBytes();
    record_.push_back(member->batch->Data().substr(WriteBatch::kHeaderSize));
    member->first = next;
    next += member->batch->Count();
    member->last = next - 1;
  }
  EncodeFixed<uint64_t>(header.data(), first);
  EncodeFixed<uint32_t>(header.data() + sizeof(uint64_t), static_cast<uint32_t>(next - first));

  SILT_RETURN_IF_ERROR(target_->Append(record_, first, next - 1));
  last_ = next - 1;  // in the log: these numbers are taken, whatever happens now
  for (const Waiter* member : group_) SILT_RETURN_IF_ERROR(target_->Apply(*member->batch, member->first));
  target_->Publish(last_);
  target_->CountGroup(group_.size(), user_bytes);
  return Status::Ok();
}

void WriteQueue::FinishGroup(size_t size) {
  for (size_t i = 0; i < size; ++i) {
    Waiter* member = waiters_.front();
    waiters_.pop_front();
    if (i > 0) Give(Turn::kDone, member);  // the first is the leader itself
  }
  if (!waiters_.empty()) Give(Turn::kLeads, waiters_.front());
}

}  // namespace silt::lsm
