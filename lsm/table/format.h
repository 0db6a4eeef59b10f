// The frame of a table file: handles, block trailers, the footer. Bytes: lsm/FORMAT.md "Table".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lsm/options.h"
#include "lsm/status.h"

namespace silt::lsm {

// Where a block lies; `size` leaves out the trailer. A size of 0 in the footer: there is no such block.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;

  bool empty() const { return size == 0; }
  uint64_t end() const;  // one past the trailer
  friend bool operator==(const BlockHandle&, const BlockHandle&) = default;
};

inline constexpr size_t kBlockTrailerSize = 1 + 8;  // compression type, checksum
inline uint64_t BlockHandle::end() const {
  return offset + size + kBlockTrailerSize;
}

// As index values.
void PutBlockHandle(std::string* out, const BlockHandle& handle);
[[nodiscard]] bool GetBlockHandle(std::string_view* in, BlockHandle* handle);

// XXH3-64 of the stored bytes and the type byte behind them, seeded with salt + offset: a block found at another place
// of its table, or in another table, does not match. `bytes` includes the type byte.
uint64_t BlockChecksum(std::string_view bytes, uint64_t salt, uint64_t offset);
// The salt of a table that is written under this name.
uint64_t TableSalt(std::string_view name);

// Appends the trailer to a block whose stored bytes are the last `size` bytes of *out.
void AppendBlockTrailer(std::string* out, size_t size, Compression compression, uint64_t salt, uint64_t offset);

// "NAME at offset N: WHAT".
Status TableCorruption(std::string_view name, uint64_t offset, std::string_view what);

inline constexpr uint32_t kTableFormatVersion = 1;
inline constexpr uint64_t kTableMagic = 0x31545353746c6973;  // "siltSST1" on disk

// The last bytes of a table.
struct Footer {
  BlockHandle filter;
  BlockHandle range_tombstones;
  BlockHandle index;
  BlockHandle properties;
  uint64_t salt = 0;
  uint64_t file_size = 0;
  bool two_level_index = false;

  // The blocks from the filter on lie side by side up to the footer; what is before are data blocks and index
  // partitions.
  uint64_t MetadataBegin() const;

  static constexpr size_t kSize = 4 * 16 + 8 + 8 + 4 + 4 + 4 + 8 + 8;
  std::string Encode() const;
  // `tail` are the last bytes of the file (at least kSize where the file is that long). kNotSupported for a newer
  // format. With `lenient` handles are given back even where the checksum fails, for looking into damaged tables.
  static Status Decode(std::string_view tail, uint64_t file_size, std::string_view name, Footer* footer,
                       bool lenient = false);

 private:
  Status CheckHandles(std::string_view name) const;
};

}  // namespace silt::lsm
