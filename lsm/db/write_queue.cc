#include "lsm/db/write_queue.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

// A small batch at the front does not wait for a large group to be put together behind it (LevelDB's rule).
constexpr size_t kSmallBatch = 128 << 10;

// A group takes a microsecond or two, to put a thread to sleep and wake it takes more. Yields are few: since Linux 6.18
// who yields gives up the rest of a time slice, and other programs may take milliseconds of it.
constexpr int kSpinsBeforeYield = 50;
constexpr int kYieldsBeforeSleep = 8;

// A leader whose own batch is committed leads one more group of so few bytes before it looks for a successor: that
// takes less time than a successor may need to wake up.
constexpr size_t kExtraGroup = 16 << 10;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void FutexWait(const void* word, uint32_t value) {
  ::syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

// The word may be gone by now, or belong to somebody else, who then looks at it and sleeps on.
void FutexWake(const void* word) {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace

WriteQueue::WriteQueue(CommitTarget* target, size_t max_group_bytes, SequenceNumber last)
    : target_(target), max_group_bytes_(max_group_bytes), last_(last) {}

Status WriteQueue::Commit(const WriteBatch& batch, SequenceNumber* sequence) {
  Waiter self;
  self.batch = &batch;
  std::unique_lock lock(mutex_);
  waiters_.push_back(&self);
  while (WaitForTurn(&lock, &self)) Lead(&lock, &self);
  if (self.status.ok() && sequence != nullptr) *sequence = self.last;
  return self.status;
}

Status WriteQueue::RunBetweenGroups(const std::function<Status(SequenceNumber)>& work) {
  Waiter self;
  self.work = &work;
  std::unique_lock lock(mutex_);
  waiters_.push_back(&self);
  WaitForTurn(&lock, &self);  // nobody else finishes it, so it leads
  lock.unlock();
  Status status = work(last_);
  lock.lock();
  waiters_.pop_front();
  Sleepers sleepers;
  PassOn(&sleepers);
  lock.unlock();
  Wake(&sleepers);
  return status;
}

bool WriteQueue::WaitForTurn(std::unique_lock<std::mutex>* lock, Waiter* self) {
  for (;;) {
    Turn turn = self->turn.load(std::memory_order_acquire);
    if (turn == Turn::kDone) return false;
    if (turn == Turn::kLeads) return true;
    if (!leading_ && (self->work == nullptr || waiters_.front() == self)) {
      leading_ = true;
      return true;
    }
    self->turn.store(Turn::kWaits, std::memory_order_relaxed);
    lock->unlock();
    Await(&self->turn);
    if (self->turn.load(std::memory_order_acquire) == Turn::kDone) return false;
    lock->lock();
  }
}

void WriteQueue::Await(std::atomic<Turn>* turn) {
  for (int i = 0; i < kSpinsBeforeYield; ++i) {
    if (turn->load(std::memory_order_acquire) != Turn::kWaits) return;
    Pause();
  }
  for (int i = 0; i < kYieldsBeforeSleep; ++i) {
    if (turn->load(std::memory_order_acquire) != Turn::kWaits) return;
    std::this_thread::yield();
  }
  Turn expected = Turn::kWaits;
  turn->compare_exchange_strong(expected, Turn::kSleeps, std::memory_order_acquire);
  while (turn->load(std::memory_order_acquire) == Turn::kSleeps) FutexWait(turn, static_cast<uint32_t>(Turn::kSleeps));
}

void WriteQueue::Give(Turn turn, Waiter* waiter, Sleepers* sleepers) {
  std::atomic<Turn>* word = &waiter->turn;
  if (word->exchange(turn, std::memory_order_acq_rel) == Turn::kSleeps) sleepers->push_back(word);
}

void WriteQueue::Wake(Sleepers* sleepers) {
  for (const void* word : *sleepers) FutexWake(word);
  sleepers->clear();
}

void WriteQueue::Lead(std::unique_lock<std::mutex>* lock, Waiter* self) {
  Sleepers sleepers;
  size_t bytes = 0;
  size_t size = GroupSize(&bytes);
  bool own_is_done = false;
  do {
    own_is_done = self->turn.load(std::memory_order_relaxed) == Turn::kDone;
    group_.assign(waiters_.begin(), waiters_.begin() + static_cast<ptrdiff_t>(size));
    lock->unlock();
    Wake(&sleepers);
    Status status = CommitGroup(bytes);
    lock->lock();
    for (Waiter* member : group_) {
      waiters_.pop_front();
      member->status = status;
      if (member == self) {
        self->turn.store(Turn::kDone, std::memory_order_relaxed);
      } else {
        Give(Turn::kDone, member, &sleepers);
      }
    }
    size = GroupSize(&bytes);
  } while (size > 0 &&
           (self->turn.load(std::memory_order_relaxed) != Turn::kDone || (!own_is_done && bytes <= kExtraGroup)));
  PassOn(&sleepers);
  if (sleepers.empty()) return;
  lock->unlock();
  Wake(&sleepers);
  lock->lock();
}

void WriteQueue::PassOn(Sleepers* sleepers) {
  if (waiters_.empty()) {
    leading_ = false;
  } else if (waiters_.front()->work != nullptr) {
    Give(Turn::kLeads, waiters_.front(), sleepers);
  } else {
    leading_ = false;
    Give(Turn::kMayLead, waiters_.front(), sleepers);
  }
}

size_t WriteQueue::GroupSize(size_t* bytes) const {
  *bytes = 0;
  if (waiters_.empty() || waiters_.front()->work != nullptr) return 0;
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

}  // namespace silt::lsm
