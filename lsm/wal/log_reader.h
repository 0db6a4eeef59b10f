// Reads back what LogWriter wrote, and tells a torn tail (expected after a crash) from damage (refused).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lsm/storage/storage.h"
#include "lsm/types.h"
#include "lsm/wal/log_format.h"

namespace silt::lsm {

enum class LogEnd : uint8_t {
  kClean,  // the log ends where a record ends, at the end of the file or before bytes of another log or zeros
  kTorn,   // it ends inside a record, or in a fragment whose checksum fails and that nothing promised to be durable
};

// Not thread-safe.
class LogReader {
 public:
  // Fragments of other log numbers (a recycled file's stale tail) end the log and never complete a record of this one.
  LogReader(std::unique_ptr<RandomAccessFile> file, std::string name, FileNumber number);

  // True and a record (valid until the next call), or false at the end of the log or on an error: see status().
  // Corruption when a fragment is bad at an offset below what any readable fragment of this log, earlier or later in
  // the file, promises to be durable; the message names the file, the offset and the remedy (siltfs fsck --repair).
  bool ReadRecord(std::string_view* record);
  const Status& status() const { return status_; }
  // After ReadRecord returned false with an ok status.
  LogEnd end() const { return end_; }
  // Where the last whole record ends, and where it began.
  uint64_t EndOfLastRecord() const { return end_of_last_record_; }
  uint64_t LastRecordOffset() const { return last_record_offset_; }

 private:
  std::unique_ptr<RandomAccessFile> file_;
  std::string name_;
  FileNumber number_;
  Status status_;
  LogEnd end_ = LogEnd::kClean;
  uint64_t end_of_last_record_ = 0;
  uint64_t last_record_offset_ = 0;
};

}  // namespace silt::lsm
