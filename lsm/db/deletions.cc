// How much of what is in tables the log deletes.
#include <algorithm>

#include "lsm/db/db_impl.h"

namespace silt::lsm {

uint64_t DbImpl::UnflushedDeletions() {
  ReadViewRef view = view_.Load();
  uint64_t bytes = 0;
  for (size_t i = 0; i < options_.families.size(); ++i) {
    const FamilyVersion& family = view->version->families[i];
    uint64_t tables = 0;
    uint64_t entries = 0;
    for (const auto& level : family.levels) {
      for (const FileRef& file : level) {
        tables += file->size;
        entries += file->properties.entries;
      }
    }
    if (entries == 0) continue;
    bytes += tables / entries * std::min(recovered_deletes_[i], entries);
    const GrowingRangeTombstones& tombstones = view->memtable->range_tombstones(static_cast<FamilyId>(i));
    for (const auto& [begin, end] : CoveredRanges(tombstones.All())) {
      bytes += TableBytesBetween(family, begin, end);
    }
  }
  return bytes;
}

uint64_t DbImpl::TableBytesBetween(const FamilyVersion& family, std::string_view begin, std::string_view end) {
  uint64_t bytes = 0;
  for (int level = 0; level < kNumLevels; ++level) {
    for (const FileRef& file : family.Overlapping(level, &begin, &end, /*end_exclusive=*/true)) {
      if (begin <= file->properties.smallest && EndsBefore(*file, end)) {
        bytes += file->size;
      } else if (auto table = table_cache_.Get(file->number, file->size)) {
        bytes += (*table)->BlockBytesBetween(begin, end);
      }
    }
  }
  return bytes;
}

}  // namespace silt::lsm
