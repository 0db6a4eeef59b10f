// A version: the live tables of every family at one moment, immutable. Readers hold one and need no lock.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "lsm/byte_order.h"
#include "lsm/types.h"
#include "lsm/version/version_edit.h"

namespace silt::lsm {

// Levels of one family. Level 0: newest file first (by largest sequence, then number), ranges may overlap.
// Level 1 and below: sorted by smallest key, ranges disjoint (a largest_exclusive bound may equal the next smallest);
// all versions of a user key are in one file of a level.
struct FamilyVersion {
  std::array<std::vector<FileRef>, kNumLevels> levels;
  std::array<bool, kNumLevels> has_range_tombstones{};  // some file of the level has one

  uint64_t LevelBytes(int level) const;
  // Level >= 1: index of the first file whose range ends at or after `user_key`; levels[level].size() if none.
  size_t FindFile(int level, std::string_view user_key) const;
  // Level >= 1: the file whose range contains the key, or null.
  const FileRef* FileFor(int level, std::string_view user_key) const;
  // Files that overlap [begin, end] (null: unbounded; inclusive unless end_exclusive).
  std::vector<FileRef> Overlapping(int level, const std::string_view* begin, const std::string_view* end,
                                   bool end_exclusive = false) const;
  // Files above `level` that have range tombstones and overlap `file`.
  std::vector<FileRef> RangeTombstonesAbove(int level, const FileMeta& file) const;
  int LastNonEmptyLevel() const;  // -1 when empty
};

// Whether every key of the file is smaller.
inline bool EndsBefore(const FileMeta& file, std::string_view user_key) {
  int order = CompareBytes(file.properties.largest, user_key);
  return order < 0 || (order == 0 && file.properties.largest_exclusive);
}
bool FileContains(const FileMeta& file, std::string_view user_key);
// Whether the ranges of two files have a key in common.
bool FilesOverlap(const FileMeta& a, const FileMeta& b);

struct Version {
  std::vector<FamilyVersion> families;
};
using VersionRef = std::shared_ptr<const Version>;

}  // namespace silt::lsm
