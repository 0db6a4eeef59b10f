#include "lsm/version/version.h"

#include <algorithm>

namespace silt::lsm {
namespace {

bool StartsAfter(const FileMeta& file, std::string_view end, bool end_exclusive) {
  int order = file.properties.smallest.compare(end);
  return order > 0 || (order == 0 && end_exclusive);
}

}  // namespace

uint64_t FamilyVersion::LevelBytes(int level) const {
  uint64_t bytes = 0;
  for (const FileRef& file : levels[static_cast<size_t>(level)]) bytes += file->size;
  return bytes;
}

size_t FamilyVersion::FindFile(int level, std::string_view user_key) const {
  const std::vector<FileRef>& files = levels[static_cast<size_t>(level)];
  auto it = std::partition_point(files.begin(), files.end(),
                                 [&](const FileRef& file) { return EndsBefore(*file, user_key); });
  return static_cast<size_t>(it - files.begin());
}

const FileRef* FamilyVersion::FileFor(int level, std::string_view user_key) const {
  const std::vector<FileRef>& files = levels[static_cast<size_t>(level)];
  size_t index = FindFile(level, user_key);
  if (index == files.size() || files[index]->properties.smallest > user_key) return nullptr;
  return &files[index];
}

std::vector<FileRef> FamilyVersion::Overlapping(int level, const std::string_view* begin, const std::string_view* end,
                                                bool end_exclusive) const {
  const std::vector<FileRef>& files = levels[static_cast<size_t>(level)];
  std::vector<FileRef> found;
  size_t index = level > 0 && begin != nullptr ? FindFile(level, *begin) : 0;
  for (; index < files.size(); ++index) {
    const FileRef& file = files[index];
    bool before = begin != nullptr && EndsBefore(*file, *begin);
    bool after = end != nullptr && StartsAfter(*file, *end, end_exclusive);
    if (after && level > 0) break;
    if (!before && !after) found.push_back(file);
  }
  return found;
}

std::vector<FileRef> FamilyVersion::RangeTombstonesAbove(int level, const FileMeta& file) const {
  const std::string_view smallest = file.properties.smallest;
  const std::string_view largest = file.properties.largest;
  std::vector<FileRef> found;
  for (int above = 0; above < level; ++above) {
    if (!has_range_tombstones[static_cast<size_t>(above)]) continue;
    for (FileRef& cover : Overlapping(above, &smallest, &largest, file.properties.largest_exclusive)) {
      if (cover->properties.range_tombstones > 0) found.push_back(std::move(cover));
    }
  }
  return found;
}

int FamilyVersion::LastNonEmptyLevel() const {
  for (int level = kNumLevels - 1; level >= 0; --level) {
    if (!levels[static_cast<size_t>(level)].empty()) return level;
  }
  return -1;
}

bool FileContains(const FileMeta& file, std::string_view user_key) {
  return CompareBytes(file.properties.smallest, user_key) <= 0 && !EndsBefore(file, user_key);
}

bool FilesOverlap(const FileMeta& a, const FileMeta& b) {
  return !StartsAfter(b, a.properties.largest, a.properties.largest_exclusive) &&
         !StartsAfter(a, b.properties.largest, b.properties.largest_exclusive);
}

}  // namespace silt::lsm
