// The record format that WALs and MANIFESTs share; byte by byte in lsm/FORMAT.md "Log records". Idea: LevelDB's log
// (32 KiB blocks, split records), the log number in each fragment so that files can be recycled (RocksDB), a promise
// "durable up to here" in each fragment so that recovery tells a torn tail from damage (Pebble), and a salt so that
// bytes left over from elsewhere, user data included, cannot pass for a fragment (SQLite's WAL).
//
// Fragment header, 23 bytes, little-endian:
//   checksum   8  XXH3-64 of everything that follows in the header and the payload
//   log number 4  low 32 bits of the file's number
//   salt       4  drawn at random by each writer, the same in all of its fragments
//   durable    4  the file is known to be durable below this offset
//   length     2  of the payload
//   type       1  1 FULL, 2 FIRST, 3 MIDDLE, 4 LAST
// A block's tail too short for a header is zeros. A fragment never crosses a block boundary; FIRST and MIDDLE end at
// one.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>

#include "lsm/coding.h"

namespace silt::lsm {

inline constexpr size_t kLogBlockSize = 32 << 10;
inline constexpr size_t kLogHeaderSize = 8 + 4 + 4 + 4 + 2 + 1;
inline constexpr uint64_t kMaxLogFileSize = uint64_t{1} << 32;  // offsets in headers have 32 bits

enum class FragmentType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

struct FragmentHeader {
  uint64_t checksum = 0;
  uint32_t log_number = 0;
  uint32_t salt = 0;
  uint32_t durable = 0;
  uint16_t length = 0;
  FragmentType type = FragmentType::kFull;  // as stored: of a damaged fragment it may be no known type
};

// `fragment` is the header with `length` bytes of payload behind it.
inline uint64_t FragmentChecksum(const char* fragment, size_t length) {
  return XXH3_64bits(fragment + 8, kLogHeaderSize - 8 + length);
}

// Writes everything but the checksum.
inline void EncodeFragmentHeader(char* out, const FragmentHeader& header) {
  EncodeFixed<uint32_t>(out + 8, header.log_number);
  EncodeFixed<uint32_t>(out + 12, header.salt);
  EncodeFixed<uint32_t>(out + 16, header.durable);
  EncodeFixed<uint16_t>(out + 20, header.length);
  out[22] = static_cast<char>(header.type);
}

inline FragmentHeader DecodeFragmentHeader(const char* in) {
  return {.checksum = DecodeFixed<uint64_t>(in),
          .log_number = DecodeFixed<uint32_t>(in + 8),
          .salt = DecodeFixed<uint32_t>(in + 12),
          .durable = DecodeFixed<uint32_t>(in + 16),
          .length = DecodeFixed<uint16_t>(in + 20),
          .type = static_cast<FragmentType>(in[22])};
}

}  // namespace silt::lsm
