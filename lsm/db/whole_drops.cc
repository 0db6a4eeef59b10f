#include "lsm/db/whole_drops.h"

#include <string>
#include <utility>

namespace silt::lsm {

void WholeDrops::Learn(const Version& version, TableCache* tables) {
  std::map<FileNumber, Known> before = std::exchange(known_, {});
  for (size_t family = 0; family < version.families.size(); ++family) {
    const FamilyVersion& levels = version.families[family];
    for (int level = 0; level < kNumLevels; ++level) {
      if (!levels.has_range_tombstones[static_cast<size_t>(level)]) continue;
      for (const FileRef& file : levels.levels[static_cast<size_t>(level)]) {
        if (file->properties.range_tombstones == 0) continue;
        if (auto old = before.extract(file->number)) {
          known_.insert(std::move(old));
        } else if (auto table = tables->Get(file->number, file->size)) {
          known_.emplace(file->number, Known{static_cast<FamilyId>(family), (*table)->range_tombstones()});
        }
      }
    }
  }
}

bool WholeDrops::Covers(FamilyId family, const FileMeta& file, SequenceNumber oldest_snapshot) const {
  const TableProperties& properties = file.properties;
  auto past_the_end = [&](std::string_view key) {
    int order = key.compare(properties.largest);
    return order > 0 || (order == 0 && properties.largest_exclusive);
  };
  std::string reached = properties.smallest;  // everything before it is covered
  bool further = true;
  while (further && !past_the_end(reached)) {
    further = false;
    for (const auto& [number, known] : known_) {
      if (number == file.number || known.family != family) continue;
      CoverSpan span = known.tombstones.Cover(reached, oldest_snapshot);
      if (span.sequence <= properties.largest_sequence) continue;
      reached = *span.end;
      further = true;
    }
  }
  return past_the_end(reached);
}

void WholeDrops::Measure(const Version& version, TableCache* tables, SequenceNumber oldest_snapshot) {
  covered_.clear();
  for (const FamilyVersion& family : version.families) {
    for (int level = 1; level < kNumLevels; ++level) {
      for (const FileRef& file : family.levels[static_cast<size_t>(level)]) {
        std::vector<RangeTombstone> above = TombstonesAbove(family, level, *file, oldest_snapshot);
        if (above.empty()) continue;
        auto table = tables->Get(file->number, file->size);
        if (!table) continue;
        uint64_t bytes = 0;
        for (const auto& [begin, end] : CoveredRanges(std::move(above))) {
          bytes += (*table)->BlockBytesBetween(begin, end);
        }
        if (bytes > 0) covered_.emplace(file->number, bytes);
      }
    }
  }
}

std::vector<RangeTombstone> WholeDrops::TombstonesAbove(const FamilyVersion& family, int level, const FileMeta& file,
                                                        SequenceNumber oldest_snapshot) const {
  std::vector<RangeTombstone> above;
  for (const FileRef& cover : family.RangeTombstonesAbove(level, file)) {
    auto known = known_.find(cover->number);
    if (known == known_.end()) continue;
    for (const auto& fragment : known->second.tombstones.fragments()) {
      // Outside of the file there is nothing to cover.
      if (fragment.end <= file.properties.smallest || fragment.begin > file.properties.largest) continue;
      if (fragment.sequences.back() > oldest_snapshot) continue;
      above.push_back({fragment.begin, fragment.end, fragment.sequences.back()});
    }
  }
  return above;
}

}  // namespace silt::lsm
