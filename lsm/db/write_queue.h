// The commit pipeline: writers queue, one of them leads groups from the front through the WAL and the memtable, and each
// group's sequence numbers are published in order. Knows neither files nor memtables, so it is tested alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"

namespace silt::lsm {

// What the pipeline does its work on. Only the leader calls it, so calls never overlap and come in commit order.
class CommitTarget {
 public:
  virtual ~CommitTarget() = default;
  // Makes room for `bytes` of batches; may wait. An error fails the group, with nothing logged.
  virtual Status Prepare(size_t bytes) = 0;
  // Logs one record, given in pieces. After an error nothing of it may be found by recovery before a later record.
  virtual Status Append(std::span<const std::string_view> record, SequenceNumber first, SequenceNumber last) = 0;
  // Each batch of the group in turn. `first`: the sequence number of its first operation.
  virtual Status Apply(const WriteBatch& batch, SequenceNumber first) = 0;
  // Makes everything up to `last` visible to readers.
  virtual void Publish(SequenceNumber last) = 0;
  // `user_bytes`: of their keys and values.
  virtual void CountGroup(size_t batches, uint64_t user_bytes) = 0;
};

// Thread-safe.
class WriteQueue {
 public:
  // Sequence numbers go on from `last`.
  WriteQueue(CommitTarget* target, size_t max_group_bytes, SequenceNumber last);

  // Returns when the batch is logged, applied and published. REQUIRES: a well-formed batch.
  Status Commit(const WriteBatch& batch, SequenceNumber* sequence);

  // Runs `work` between two groups: everything committed before is published, nothing else is under way.
  Status RunBetweenGroups(const std::function<Status(SequenceNumber last)>& work);

  // How many are in the queue, the leader included.
  size_t Waiting() const {
    std::lock_guard lock(mutex_);
    return waiters_.size();
  }

 private:
  // kMayLead: leads unless somebody else already does; kLeads: has been made the leader.
  enum class Turn : uint32_t { kWaits, kSleeps, kMayLead, kLeads, kDone };
  struct Waiter {
    const WriteBatch* batch = nullptr;                            // or:
    const std::function<Status(SequenceNumber)>* work = nullptr;  // runs alone
    SequenceNumber first = 0;                                     // of the batch's operations
    SequenceNumber last = 0;
    Status status;
    // What others make of it they do under mutex_. Once it is kDone, only the waiter itself may touch any of this.
    std::atomic<Turn> turn{Turn::kWaits};
  };
  using Sleepers = std::vector<const void*>;  // the futexes of those to be woken, when the mutex is released

  // Waits until `self`, which is in the queue, is done or leads. True: it leads, and the lock is held.
  bool WaitForTurn(std::unique_lock<std::mutex>* lock, Waiter* self);
  // Commits one group or more and ends the leadership. REQUIRES: mutex_ held, no work at the front.
  void Lead(std::unique_lock<std::mutex>* lock, Waiter* self);
  void PassOn(Sleepers* sleepers);                                  // REQUIRES: mutex_ held
  static void Give(Turn turn, Waiter* waiter, Sleepers* sleepers);  // REQUIRES: mutex_ held
  static void Await(std::atomic<Turn>* turn);                       // until it is no longer kWaits
  static void Wake(Sleepers* sleepers);
  // The waiters at the front that one record may hold: at least one, if a batch is there.
  size_t GroupSize(size_t* bytes) const;
  Status CommitGroup(size_t bytes);

  CommitTarget* const target_;
  const size_t max_group_bytes_;

  mutable std::mutex mutex_;
  std::deque<Waiter*> waiters_;  // guarded by mutex_, in the order of their sequence numbers to be
  // Guarded by mutex_. Who finds it false leads at once, and takes with it whoever was given kMayLead and has not come
  // yet; it is never false with work at the front.
  bool leading_ = false;

  // Owned by the leader of the moment; handed over under mutex_.
  SequenceNumber last_;
  std::vector<Waiter*> group_;
  std::vector<std::string_view> record_;
};

}  // namespace silt::lsm
