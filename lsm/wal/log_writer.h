// Appends records to a log file (a WAL or a MANIFEST).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/storage/storage.h"
#include "lsm/types.h"
#include "lsm/wal/log_format.h"

namespace silt::lsm {

// One thread may AddRecord while another Syncs; otherwise not thread-safe.
class LogWriter {
 public:
  // `file` is at position 0, new or recycled.
  LogWriter(std::unique_ptr<WritableFile> file, std::string name, FileNumber number);
  ~LogWriter();

  // One write to the file. When it fails, the log has been cut back to what it was (undone() true), or it could not be
  // (undone() false: nothing more may be appended to this log, and what follows the last good record is unknown).
  // InvalidArgument when the log would grow past kMaxLogFileSize.
  Status AddRecord(std::string_view payload);
  bool undone() const { return undone_; }

  // Makes every record added before the call durable; after a failure the log is poisoned: each later Sync fails too,
  // since the kernel may have dropped the dirty pages.
  Status Sync();

  uint64_t Size() const { return file_->Position(); }
  FileNumber number() const { return number_; }
  WritableFile* file() { return file_.get(); }
  Status Close();

 private:
  std::unique_ptr<WritableFile> file_;
  std::string name_;
  FileNumber number_;
  std::string scratch_;
  bool undone_ = true;
  std::atomic<uint64_t> durable_{0};
  std::atomic<bool> poisoned_{false};
};

}  // namespace silt::lsm
