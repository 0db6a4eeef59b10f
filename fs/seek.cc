// SEEK_DATA and SEEK_HOLE.
#include <algorithm>

#include "fs/file_data.h"

namespace silt::fs {

using schema::InodeRecord;

Result<uint64_t> FileData::SeekData(InodeNumber ino, const InodeRecord& record, uint64_t offset) {
  if (offset >= record.size || record.blocks == 0) return Fail(ENXIO);
  if (IsWhole(record)) return offset;
  std::optional<uint64_t> found;
  auto scanned =
      ForEachBlock(ino, offset / block_size_, BlocksFor(record.size), [&](uint64_t block, std::string_view value) {
        if (value.empty()) return true;
        found = std::max(offset, block * block_size_);
        return false;
      });
  if (!scanned) return tl::unexpected(scanned.error());
  if (!found) return Fail(ENXIO);
  return *found;
}

Result<uint64_t> FileData::SeekHole(InodeNumber ino, const InodeRecord& record, uint64_t offset, uint64_t limit) {
  if (offset >= record.size) return Fail(ENXIO);
  if (record.blocks == 0) return offset;
  if (IsWhole(record)) return record.size;
  uint64_t next = offset / block_size_;  // the first block that is not known to be data
  auto scanned =
      ForEachBlock(ino, next, BlocksFor(std::min(record.size, limit)), [&](uint64_t block, std::string_view value) {
        if (block != next || value.empty()) return false;
        ++next;
        return true;
      });
  if (!scanned) return tl::unexpected(scanned.error());
  return std::min(record.size, std::max(offset, next * block_size_));
}

}  // namespace silt::fs
