// The engine's front door: an ordered, persistent map from byte strings to byte strings, one for each family.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/iterator.h"
#include "lsm/options.h"
#include "lsm/pinned_value.h"
#include "lsm/snapshot.h"
#include "lsm/stats.h"
#include "lsm/status.h"
#include "lsm/write_batch.h"

namespace silt::lsm {

// Thread-safe throughout. Destroying it closes it; every iterator, snapshot and pinned value must be gone by then.
//
// Durability: a batch whose Write returned survives a crash of the process. It survives a power cut once Sync of its
// sequence (or of a later one) has returned. What a power cut leaves is always a prefix of the batches in order.
class Db {
 public:
  // kNotFound: no store there and !create_if_missing. kBusy: another process has it; says which. kNotSupported: newer
  // format. kCorruption: names the file and offset; see Repair.
  static Result<std::unique_ptr<Db>> Open(const Options& options, const std::string& path);
  virtual ~Db() = default;

  // Applies the batch atomically. `sequence`, if not null, receives the batch's last sequence number.
  // kInvalidArgument, and nothing is written: a family that the options do not name, a key and value of more than
  // kMaxUserEntryBytes together, a batch of more than a WAL holds (almost 2 GiB).
  // kNoSpace leaves the store as it was and later calls may succeed. kReadOnly after a failure that could otherwise
  // leave a hole before later writes.
  virtual Status Write(const WriteOptions& options, const WriteBatch& batch, SequenceNumber* sequence = nullptr) = 0;
  Status Put(FamilyId family, std::string_view key, std::string_view value);
  Status Delete(FamilyId family, std::string_view key);

  // Returns when every batch up to `sequence` is durable. Concurrent callers share one fdatasync.
  virtual Status Sync(SequenceNumber sequence) = 0;
  // Of the newest published batch.
  virtual SequenceNumber LastSequence() const = 0;

  // kNotFound, or ok with the value. kCorruption / kIoError name the file.
  virtual Status Get(const ReadOptions& options, FamilyId family, std::string_view key, PinnedValue* value) = 0;
  // Same as Get for each key; keys should be sorted. statuses and values have keys.size() elements.
  virtual void MultiGet(const ReadOptions& options, FamilyId family, std::span<const std::string_view> keys,
                        std::span<PinnedValue> values, std::span<Status> statuses) = 0;
  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options, FamilyId family) = 0;

  virtual const Snapshot* GetSnapshot() = 0;
  virtual void ReleaseSnapshot(const Snapshot* snapshot) = 0;

  // Writes the memtables to tables and waits for it.
  virtual Status Flush() = 0;
  // Rewrites every table that overlaps begin <= key < end (nullptr: unbounded) down to the last level; waits.
  virtual Status CompactRange(FamilyId family, const std::string* begin, const std::string* end) = 0;
  // Returns when no flush and no automatic compaction is running or due. For tests and benchmarks.
  virtual Status WaitForBackgroundWork() = 0;

  // For a disk that is full: as Flush and WaitForBackgroundWork, and range tombstones are compacted however young they
  // are.
  virtual Status ReclaimSpace() = 0;

  // A consistent copy of the store at `path` (must not exist; same filesystem: tables are hard links).
  virtual Status Checkpoint(const std::string& path) = 0;

  // Reads every byte of every live file and checks it. Calls `damage` for each damaged file with its name and what is
  // wrong, and `progress` (may be empty) with bytes done and bytes in all. The status is of the walk itself.
  struct VerifyCallbacks {
    std::function<void(const std::string& file, const Status& what)> damage;
    std::function<void(uint64_t done, uint64_t total)> progress;
    std::function<bool()> stop = {};  // asked before each file; true ends the walk with kAborted. May be empty
  };
  virtual Status Verify(const VerifyCallbacks& callbacks) = 0;

  virtual DbStats GetStats() const = 0;
  // DbStats::memtable_bytes alone, for who asks often: about what tables will take beyond those that are there.
  virtual uint64_t MemtableBytes() const = 0;
  // Roughly how many bytes of tables are deleted by what Open found in logs: a flush lets them be given back. For who
  // asks right after Open.
  virtual uint64_t UnflushedDeletions() = 0;

  // Flushes nothing, syncs the WAL, stops background work. Later calls return kAborted. Idempotent.
  virtual Status Close() = 0;
};

// What Repair did, for people.
struct RepairReport {
  std::vector<std::string> kept;        // tables and WALs whose contents are in the rebuilt store
  std::vector<std::string> moved_aside; // files that could not be read, now in lost/ inside the store
  std::vector<std::string> notes;       // one line each: what was lost, where
};

// Rebuilds the MANIFEST of a store that is not open from whatever tables and WALs can be read. Damaged files are moved
// to PATH/lost, never deleted.
Result<RepairReport> Repair(const Options& options, const std::string& path);

// True if the directory holds a store (has a CURRENT or a MANIFEST file), be it damaged, or one that a crash left while
// it was being created: that one Open takes for none.
bool StoreExists(const Options& options, const std::string& path);

}  // namespace silt::lsm
