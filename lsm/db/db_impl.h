// The engine put together. Each concern has a file of its own; this class holds what they share.
//
//   open*.cc       recovery              write.cc       Write, memtable switch, Sync     background.cc  the two threads
//   flush.cc       memtable -> L0        compact.cc     running what the picker chose    get.cc         point reads
//   db_iterator.*  scans                 verify.cc      checkpoint.cc      stats.cc       deletions.cc
//
// Threads: any number of callers, one flush thread, one compaction thread.
//
// Lock order: the write queue's leadership, then mutex_, then the locks inside of the parts (versions, WALs, snapshots,
// view). No file is read, written or deleted while mutex_ is held.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lsm/compaction/picker.h"
#include "lsm/db.h"
#include "lsm/db/backpressure.h"
#include "lsm/db/ballast.h"
#include "lsm/db/counters.h"
#include "lsm/db/event_log.h"
#include "lsm/db/read_view.h"
#include "lsm/db/snapshot_list.h"
#include "lsm/db/wal_set.h"
#include "lsm/db/whole_drops.h"
#include "lsm/db/write_queue.h"
#include "lsm/table/table_cache.h"
#include "lsm/version/version_set.h"

namespace silt::lsm {

struct WalRecoveryInput;

// A memtable, and where its entries are logged.
struct LoggedMemTable {
  std::shared_ptr<MemTable> table;
  FileNumber first_wal = 0;  // the oldest WAL that holds some of its entries
  uint64_t id = 0;           // grows with each memtable
};

class DbImpl final : public Db, private CommitTarget {
 public:
  DbImpl(Options options, std::string path, std::shared_ptr<Storage> directory);
  ~DbImpl() override;

  // Takes the lock, recovers, starts the threads. Called once, by Db::Open.
  Status Open();

  Status Write(const WriteOptions& options, const WriteBatch& batch, SequenceNumber* sequence) override;
  Status Sync(SequenceNumber sequence) override;
  SequenceNumber LastSequence() const override { return published_.load(std::memory_order_acquire); }
  Status Get(const ReadOptions& options, FamilyId family, std::string_view key, PinnedValue* value) override;
  void MultiGet(const ReadOptions& options, FamilyId family, std::span<const std::string_view> keys,
                std::span<PinnedValue> values, std::span<Status> statuses) override;
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options, FamilyId family) override;
  const Snapshot* GetSnapshot() override;
  void ReleaseSnapshot(const Snapshot* snapshot) override;
  Status Flush() override;
  Status CompactRange(FamilyId family, const std::string* begin, const std::string* end) override;
  Status WaitForBackgroundWork() override;
  Status ReclaimSpace() override;
  Status Checkpoint(const std::string& path) override;
  Status Verify(const VerifyCallbacks& callbacks) override;
  DbStats GetStats() const override;
  uint64_t MemtableBytes() const override;
  uint64_t UnflushedDeletions() override;
  Status Close() override;

 private:
  struct ManualCompaction {
    FamilyId family;
    int level;
    const std::string* begin;
    const std::string* end;
    bool done = false;
    Status status;
  };
  class IteratorPin;

  // --- open.cc ---
  Status PrepareDirectory(bool* create);
  Status CheckTablesExist() const;
  Status MissingTable(FileNumber number) const;
  Status RecoverWals();
  uint64_t TableBytesBetween(const FamilyVersion& family, std::string_view begin, std::string_view end);
  Status CheckRecord(std::string_view record);
  Status ReplayIntoMemTables(FileNumber wal, std::string_view batch);
  Status MakeRecoveredWalsDurable(const std::vector<FileNumber>& numbers);
  Status SweepDirectory(const std::vector<FileNumber>& superfluous_wals);
  Status FlushRecovered();
  void StartThreads();

  // --- open_beside_owner.cc ---
  Status RecoverBesideOwner();
  Status HoldTables();
  Status CheckWalsWereRead(const WalRecoveryInput& input) const;

  // --- write.cc: the commit pipeline ---
  Status CheckBatch(const WriteBatch& batch) const;
  Status Admit(uint64_t bytes);
  Status Prepare(size_t bytes) override;
  Status Append(std::span<const std::string_view> record, SequenceNumber first, SequenceNumber last) override;
  Status Apply(const WriteBatch& batch, SequenceNumber first) override;
  void AskForNextWal();
  void Publish(SequenceNumber last) override;
  void CountGroup(size_t batches, uint64_t user_bytes) override;
  Status WaitForMemTableRoom();
  Status SwitchMemTable(SequenceNumber last);

  // --- db_impl.cc ---
  Status CheckOpen() const;
  Status CheckWritable() const;  // REQUIRES: mutex_ held
  Status StallVerdict() const;   // REQUIRES: mutex_ held. Why waiting for background work is vain; ok while it is not
  void SetFatal(const Status& why);
  Status StillOurs() const;   // whether the store is still there, and this process's
  ReadViewRef InstallView();  // REQUIRES: mutex_ held. Returns the old one, to be let go without it
  PressureInputs PressureOf(const Version& version) const;  // but for the memtables
  void UpdatePressure();      // REQUIRES: mutex_ held
  Status ApplyEdit(VersionEdit* edit);
  void DeleteObsoleteTables();
  void ScheduleCleanup();
  void CountDamage(const Status& status);
  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // --- background.cc, flush.cc, compact.cc ---
  void FlushLoop();
  void CompactionLoop();
  Status FlushMemTable(const LoggedMemTable& memtable, FileNumber next_wal);
  void FinishFlush(const LoggedMemTable& memtable, FileNumber next_wal);
  std::pair<LoggedMemTable, FileNumber> NextFlush() const;  // REQUIRES: mutex_ held
  Result<FileRef> WriteLevel0Table(const MemTable& memtable, FamilyId family);
  void RemoveTables(const std::vector<FileRef>& files);
  std::optional<Compaction> NextCompaction(uint64_t room_bytes, ManualCompaction** manual);
  void LearnTombstones(uint64_t room_bytes);
  uint64_t RoomToCompact(uint64_t failed_bytes, bool paused) const;
  Status RunCompaction(const Compaction& compaction);
  Status MoveOrDrop(const Compaction& compaction);
  Status MergeTables(const Compaction& compaction);
  void FinishCompaction(const Compaction& compaction, const Status& status);
  void SuggestFlush(const MemTable& memtable);
  void FlushAsSuggested();
  bool CompactionIsDue() const;  // REQUIRES: mutex_ held

  // --- get.cc ---
  struct PointRead;
  SequenceNumber ReadSequence(const ReadOptions& options) const;
  void ChargeSeek(const FileMeta& file);
  Status GetFromView(PointRead* read, const LookupKey& key, PinnedValue* value);

  // --- verify.cc, checkpoint.cc ---
  Status VerifyManifest(const std::function<void(const std::string&, const Status&)>& damage);
  Status VerifyHeldTable(const FileMeta& file, const std::function<void(uint64_t)>& progress);
  Status VerifyWal(FileNumber number, uint64_t length);

  const std::shared_ptr<Storage> directory_;  // the storage, bound to the store's directory
  Options options_;
  const std::string dir_;
  Storage* const storage_;
  Clock* const clock_;
  EventLog log_;
  mutable DbCounters counters_;
  std::unique_ptr<FileLock> lock_;
  BlockCache block_cache_;
  TableCache table_cache_;
  std::set<FileNumber> held_tables_;  // of a store that is only read: kept open, whatever its owner does
  VersionSet versions_;
  Backpressure backpressure_;
  Ballast ballast_;
  SnapshotList snapshots_;
  mutable PinAges pins_;
  ReadViewHolder view_;
  std::unique_ptr<WalSet> wals_;  // null when read-only
  std::unique_ptr<WriteQueue> queue_;

  std::atomic<SequenceNumber> published_{0};
  std::atomic<bool> writable_{false};  // false: CheckWritable says why
  std::atomic<bool> stopping_{false};
  std::atomic<bool> closed_{false};
  std::atomic<size_t> active_bytes_{0};  // of the active memtable, for backpressure
  MemTable* leader_memtable_ = nullptr;  // the active memtable; the leader's, who alone changes it
  bool next_wal_asked_ = false;          // the leader's

  std::array<uint64_t, kMaxFamilies> recovered_deletes_{};  // that Open put into the active memtable; then unchanged

  mutable std::mutex mutex_;
  std::condition_variable flush_wake_;
  std::condition_variable compaction_wake_;
  std::condition_variable state_changed_;  // a flush or compaction ended, room was made, an error was set
  // All guarded by mutex_.
  LoggedMemTable active_;
  std::deque<LoggedMemTable> immutables_;  // oldest first
  Status fatal_;                           // why the store is read-only
  Status space_error_;                     // of the last flush that found no space; ok after one that did
  Status compaction_space_error_;
  Status quarantine_;        // damage met by a compaction: its inputs stay where they are
  uint64_t flushed_id_ = 0;  // memtables up to this one are in tables
  uint64_t flush_attempts_ = 0;
  bool flush_running_ = false;      // an attempt is under way
  bool flush_thread_busy_ = false;  // with whatever
  bool flush_now_ = false;          // ends a pause after a lack of space
  bool wal_wanted_ = false;         // the next WAL should be prepared
  bool compaction_check_ = false;   // something changed since the picker was last asked
  bool compaction_running_ = false;
  int reclaiming_ = 0;  // calls of ReclaimSpace
  uint64_t compaction_attempts_ = 0;  // that ended for a lack of space
  bool compact_now_ = false;          // ends the pause after one
  uint64_t flush_suggested_ = 0;  // the id of the active memtable that scans would rather find in a table; 0: none
  bool cleanup_wanted_ = false;  // tables may have become obsolete
  std::deque<ManualCompaction*> manual_;
  SequenceNumber picked_snapshot_ = 0;  // the oldest snapshot when the picker was last asked

  WholeDrops whole_drops_;  // the compaction thread's

  std::mutex close_mutex_;   // serialises Close
  std::mutex delete_mutex_;  // one deleter at a time
  std::thread flush_thread_;
  std::thread compaction_thread_;
};

}  // namespace silt::lsm
