// The record format that WALs and MANIFESTs share. Idea: LevelDB's log (32 KiB blocks, split records), the log number
// in each fragment so that files can be recycled (RocksDB), and a promise "durable up to here" in each fragment so that
// recovery tells a torn tail from damage (Pebble).
//
// Fragment header, 19 bytes, little-endian:
//   checksum   8  XXH3-64 of everything that follows in the header and the payload
//   log number 4  low 32 bits of the file's number
//   durable    4  the file is known to be durable below this offset
//   length     2  of the payload
//   type       1  1 FULL, 2 FIRST, 3 MIDDLE, 4 LAST
// A block's tail too short for a header is zeros. A fragment never crosses a block boundary.
#pragma once

#include <cstddef>
#include <cstdint>

namespace silt::lsm {

inline constexpr size_t kLogBlockSize = 32 << 10;
inline constexpr size_t kLogHeaderSize = 8 + 4 + 4 + 2 + 1;
inline constexpr uint64_t kMaxLogFileSize = uint64_t{1} << 32;  // offsets in headers have 32 bits

enum class FragmentType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

}  // namespace silt::lsm
