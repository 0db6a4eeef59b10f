// Appends records to a log file (a WAL or a MANIFEST).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/storage/storage.h"
#include "lsm/types.h"
#include "lsm/wal/log_format.h"

namespace silt::lsm {

// One thread may AddRecord while another Syncs; otherwise not thread-safe.
class LogWriter {
 public:
  // `file` is at position 0, new or recycled. A recycled file's new name must be durable (SyncDir) before the first
  // record: else a power cut could leave this log's records under the old name, where they are no log at all.
  // `salt` is for tests that compare bytes; otherwise it is drawn at random.
  LogWriter(std::unique_ptr<WritableFile> file, std::string name, FileNumber number,
            std::optional<uint32_t> salt = std::nullopt);
  ~LogWriter();

  // One write to the file. When it fails, the log has been cut back to what it was (undone() true), or it could not be
  // (undone() false: nothing more may be appended to this log, and what follows the last good record is unknown).
  // The cut is synced, so that not even a power cut brings a failed record back.
  // InvalidArgument when the log would grow past kMaxLogFileSize.
  Status AddRecord(std::string_view payload) { return AddRecord({&payload, 1}); }
  // One record, given in pieces.
  Status AddRecord(std::span<const std::string_view> pieces);
  bool undone() const { return undone_; }

  // Makes every record added before the call durable; after a failure the log is poisoned: each later Sync fails too,
  // since the kernel may have dropped the dirty pages, and so does each AddRecord.
  Status Sync();

  uint64_t Size() const { return file_->Position(); }
  FileNumber number() const { return number_; }
  WritableFile* file() { return file_.get(); }
  Status Close();

 private:
  class PieceReader;
  struct FreeSum {
    void operator()(XXH3_state_s* sum) const;
  };

  // Calls fragment(type, length, reader) for each fragment of a record that begins at `position`.
  template <class Fragment>
  static void SplitRecord(PieceReader payload, uint64_t position, Fragment&& fragment);
  Status AppendCopied(const PieceReader& record, uint64_t position);
  Status AppendGathered(const PieceReader& record, uint64_t position);
  FragmentHeader HeaderOf(FragmentType type, size_t length) const;
  void Undo(uint64_t position);
  Status SyncLocked(uint64_t target);

  std::unique_ptr<WritableFile> file_;
  std::string name_;
  FileNumber number_;
  uint32_t salt_;
  std::string scratch_;  // the record being added, as it will stand in the file; of a large one, headers and padding
  std::vector<std::string_view> gathered_;      // a large record, in pieces
  std::unique_ptr<XXH3_state_s, FreeSum> sum_;  // of a fragment of such a record
  bool undone_ = true;                          // the appending thread's
  std::mutex
      sync_mutex_;  // one sync at a time: the kernel reports a failed write-back to one of two concurrent ones only
  std::atomic<uint64_t> durable_{0};  // grows under sync_mutex_
  std::atomic<bool> poisoned_{false};
};

}  // namespace silt::lsm
