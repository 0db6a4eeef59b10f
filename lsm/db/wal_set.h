// The WALs being written: the current one, its successor prepared in the background, older ones that are not obsolete
// yet, and a pool of obsolete files to be overwritten. Together they are one sequence: nothing in a WAL is acknowledged
// as durable before everything in the WALs before it (wal_header.h, lsm/FORMAT.md "WAL").
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "lsm/db/counters.h"
#include "lsm/db/event_log.h"
#include "lsm/status.h"
#include "lsm/storage/storage.h"
#include "lsm/types.h"
#include "lsm/wal/log_writer.h"

namespace silt::lsm {

struct WalSetOptions {
  Storage* storage = nullptr;
  std::string dir;
  uint64_t preallocate_bytes = 0;
  bool recycle = true;
  std::function<FileNumber()> new_number;  // grows with each call
  // Asked once for each sync: not ok when the store was taken away meanwhile. May be empty.
  std::function<Status()> still_ours = {};
  const EventLog* log = nullptr;
  DbCounters* counters = nullptr;
};

// Where the WALs of an earlier run end.
struct WalTail {
  FileNumber number = 0;  // 0: there is none
  uint64_t length = 0;
  SequenceNumber last_sequence = 0;
  std::vector<FileNumber> numbers;  // of all that are still needed, durable by now
};

class WalSet {
 public:
  explicit WalSet(WalSetOptions options);
  ~WalSet();

  // Begins the first WAL of this run.
  Status Start(const WalTail& tail);

  // --- The leader of the write queue only ---
  // Logs one record. On failure nothing of it will be recovered; if the log could not be cut back, a new one was begun.
  // kReadOnly when that failed too, or after a failed sync: nothing can be logged any more.
  Status Append(std::span<const std::string_view> record, SequenceNumber first, SequenceNumber last);
  // Ends the current WAL; the next record goes to a new one and has sequence `next`.
  Status Rotate(SequenceNumber next);
  uint64_t CurrentSize() const;
  FileNumber CurrentNumber() const;

  // --- Any thread ---
  // Returns when everything up to `sequence` (at most: everything appended) is durable. Callers share one fdatasync.
  // After a failure every later call that is not satisfied already fails with kReadOnly.
  Status Sync(SequenceNumber sequence);
  SequenceNumber DurableSequence() const;
  // Takes the number of the next WAL that will be begun, so that it does not depend on when that is.
  void ReserveNext();
  // Makes the next WAL ready, so that Rotate does not wait for the disk.
  void PrepareNext();
  // Tables hold everything up to `flushed` now, and no WAL below `number` is needed any more.
  void Retire(FileNumber number, SequenceNumber flushed);
  // Why nothing can be logged any more; ok while it can.
  Status failure() const;
  uint64_t FileCount() const;
  // WALs of this run that are still needed, with their lengths.
  std::vector<std::pair<FileNumber, uint64_t>> LiveWals() const;
  bool IsLive(FileNumber number) const;

  // Syncs and closes. No other call may be under way or follow.
  Status Close();

 private:
  struct Wal {
    explicit Wal(std::unique_ptr<LogWriter> w) : writer(std::move(w)) {}
    std::unique_ptr<LogWriter> writer;
    std::mutex append_mutex;                     // a marker of the syncing thread against the leader's records
    std::atomic<uint64_t> length{0};             // end of the last good record
    uint64_t written = 0;  // guarded by append_mutex. The file's blocks below were written before, here or by an earlier log
    std::atomic<bool> broken{false};             // a failed append could not be undone
    std::atomic<bool> promises_previous{false};  // says that its predecessor is durable
  };
  using WalRef = std::shared_ptr<Wal>;

  Result<WalRef> Create();
  Result<WalRef> TakeNext();
  FileNumber TakeNumber();
  // *written: bytes of the file that an earlier log wrote.
  Result<std::unique_ptr<WritableFile>> OpenFile(const std::string& path, uint64_t* written);
  Status AppendTo(Wal* wal, std::span<const std::string_view> record);
  Status AppendTo(Wal* wal, std::string_view record) { return AppendTo(wal, {&record, 1}); }
  Status SyncOnce(std::unique_lock<std::mutex>* lock);
  void AwaitCallers(int expected, std::chrono::steady_clock::duration patience) const;
  Status SyncWals(const std::vector<WalRef>& older, const WalRef& current);
  void WriteAhead(Wal* wal);
  Status Seal();
  void Recycle(FileNumber number, uint64_t length, uint64_t written);
  void Poison(const Status& why);

  const WalSetOptions options_;

  WalRef current_;            // written by the leader under mutex_; read by the leader without
  bool must_rotate_ = false;  // the leader's: current_ may not be appended to any more

  // The leader's last record. Whoever reads it under mutex_ finds that record's WAL in current_ or unsynced_.
  std::atomic<SequenceNumber> appended_{0};
  std::atomic<bool> failed_{false};  // failure_ is not ok

  mutable std::mutex mutex_;  // acquired before nothing
  std::condition_variable sync_done_;
  std::condition_variable created_;
  std::atomic<int> sync_callers_{0};  // that wait for a sync or are at it
  // All guarded by mutex_.
  bool syncing_ = false;
  int last_callers_ = 0;                                   // sync_callers_ when the last sync ended
  std::chrono::steady_clock::duration sync_duration_{0};  // of late, smoothed
  uint64_t sync_generation_ = 0;
  SequenceNumber durable_ = 0;
  std::deque<WalRef> unsynced_;          // older than current_, oldest first, not durable yet
  std::map<FileNumber, WalRef> needed_;  // older than current_; null: from an earlier run
  struct Spare {
    FileNumber number;
    uint64_t written;  // bytes
  };
  std::vector<Spare> pool_;  // obsolete files, kept to be overwritten
  WalRef prepared_;
  FileNumber reserved_ = 0;  // 0: none
  bool creating_ = false;  // one at a time
  bool lost_ = false;      // the store was taken away
  Status failure_;
};

}  // namespace silt::lsm
