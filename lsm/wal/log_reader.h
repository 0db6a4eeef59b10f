// Reads back what LogWriter wrote, and tells a torn tail (expected after a crash) from damage (refused).
#pragma once

#include <memory>
#include <optional>
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
  // What stands at an offset.
  enum class Found : uint8_t {
    kFragment,  // a whole fragment of this log
    kNothing,   // zeros, the end of the file, or bytes that carry another log's number or salt
    kBad,       // looks like this log's, but is damaged or cut off
  };
  struct Fragment {
    uint64_t offset;
    uint32_t durable;
    uint32_t salt;
    FragmentType type;
    std::string_view payload;
    uint64_t end() const { return offset + kLogHeaderSize + payload.size(); }
  };
  // Whose salt a fragment found after damage must have.
  enum class Trust : uint8_t {
    kSameSalt,  // anywhere
    kAnySalt,   // at the start of a block, where no user's bytes ever stand
  };

  std::string_view RestOfBlock(uint64_t offset);
  Found Parse(uint64_t offset, Fragment* fragment);
  bool SkipPadding();

  bool Finish(uint64_t bad_offset, uint64_t record_start, Found found);
  void ScanForPromises(uint64_t offset);
  void ScanBytes(uint64_t offset, uint64_t end);
  void ScanBlock(uint64_t start, bool every_byte);
  bool BlockMayBeOurs(uint64_t start);
  bool Accept(const Fragment& fragment, Trust trust);
  bool SaltRepairsFirstFragment(uint32_t salt);

  std::unique_ptr<RandomAccessFile> file_;
  std::string name_;
  FileNumber number_;
  Status status_;
  LogEnd end_ = LogEnd::kClean;
  uint64_t end_of_last_record_ = 0;
  uint64_t last_record_offset_ = 0;

  uint64_t position_ = 0;         // of the next fragment
  uint64_t promise_ = 0;          // the farthest "durable" of any fragment of this log seen
  std::optional<uint32_t> salt_;  // the first fragment's
  bool finished_ = false;
  bool found_later_ = false;  // the scan after the end found fragments of this log
  std::string record_;        // of more than one fragment
  std::string buffer_;        // some blocks of the file, from buffer_offset_ on; short only at the end of the file
  uint64_t buffer_offset_ = 0;
};

}  // namespace silt::lsm
