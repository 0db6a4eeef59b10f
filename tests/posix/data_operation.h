// What the data tester does to its file: an operation, its line of text, and random lists of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace silt::posix {

enum class DataAction : uint8_t {
  kRead,         // pread
  kVectorRead,   // preadv2 into three buffers
  kDirectRead,   // O_DIRECT
  kMapRead,      // of a mapping that lives as long as the descriptors
  kNewMapRead,   // of a private mapping made for it
  kSendRead,     // sendfile into a pipe
  kWrite,        // pwrite
  kVectorWrite,  // pwritev2 of three buffers
  kDirectWrite,
  kSyncWrite,      // pwritev2 with RWF_DSYNC
  kOpenSyncWrite,  // through O_SYNC
  kMapWrite,
  kMapTail,  // garbage into the page behind the end of the file: nobody may ever see it in the file
  kAppend,   // O_APPEND
  kDirectAppend,
  kSpliceWrite,  // from a pipe
  kTruncate,
  kAllocate,
  kAllocateKeep,
  kPunch,
  kZero,
  kZeroKeep,
  kCopy,  // copy_file_range within the file
  kFsync,
  kFdatasync,
  kMsync,
  kDropCache,
  kReopen,
  kSeekData,
  kSeekHole,
  kVerify,  // every byte
  kRemount,
  kKill,
};

struct DataOperation {
  DataAction action = DataAction::kRead;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t target = 0;  // kCopy: where to
  uint64_t seed = 0;    // of what is written
};

std::string Format(const DataOperation& operation);
std::optional<DataOperation> ParseDataOperation(std::string_view line);

struct DataGeneration {
  uint64_t seed = 0;
  size_t count = 1000;
  uint64_t max_size = 256 << 10;
  bool remounts = false;  // kRemount and kKill too
  bool map_tail = false;  // kMapTail too
};
// Depends on nothing but its argument.
std::vector<DataOperation> GenerateDataOperations(const DataGeneration& how);

// The bytes that a write with this seed writes: mostly noise, sometimes one byte or zeros.
std::string DataBytes(uint64_t seed, size_t length);

}  // namespace silt::posix
