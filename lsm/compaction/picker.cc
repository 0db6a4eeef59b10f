#include "lsm/compaction/picker.h"

#include <algorithm>

#include "lsm/compaction/family_picker.h"

namespace silt::lsm {

const char* CompactionReasonName(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kL0Runs:
      return "L0 runs";
    case CompactionReason::kLevelSize:
      return "level size";
    case CompactionReason::kTombstones:
      return "tombstones";
    case CompactionReason::kSeeks:
      return "seeks";
    case CompactionReason::kManual:
      return "manual";
    case CompactionReason::kDropWhole:
      return "covered by a range tombstone";
  }
  return "?";
}

uint64_t Compaction::InputBytes() const {
  uint64_t bytes = 0;
  for (const FileRef& file : inputs) bytes += file->size;
  for (const FileRef& file : output_inputs) bytes += file->size;
  return bytes;
}

namespace {

void Mark(const Compaction& compaction, bool busy, int output_level) {
  for (const std::vector<FileRef>* files : {&compaction.inputs, &compaction.output_inputs}) {
    for (const FileRef& file : *files) {
      file->being_compacted = busy;
      file->compaction_output_level = output_level;
    }
  }
}

}  // namespace

void SetBeingCompacted(const Compaction& compaction, bool running) {
  Mark(compaction, running, running ? compaction.output_level : -1);
}

void Quarantine(const Compaction& compaction) {
  Mark(compaction, true, kNumLevels);
}

// What is free or nearly so comes first, then what the tree's shape needs, then what is only good to have.
std::optional<Compaction> PickCompaction(const VersionRef& version, const Options& options,
                                         SequenceNumber oldest_snapshot, const CoveredWhole& covered_whole,
                                         uint64_t now_seconds, uint64_t room_bytes, const CoveredBytes& covered_bytes) {
  std::vector<FamilyPicker> families;
  struct Due {
    double score;
    size_t family;
    int level;
  };
  std::vector<Due> due;
  for (size_t family = 0; family < version->families.size(); ++family) {
    families.emplace_back(version, options, static_cast<FamilyId>(family), oldest_snapshot, now_seconds, room_bytes);
    for (int level = 0; level < kNumLevels; ++level) {
      double score = families.back().scores()[static_cast<size_t>(level)];
      if (score >= 1) due.push_back({score, family, level});
    }
  }
  std::stable_sort(due.begin(), due.end(), [](const Due& a, const Due& b) { return a.score > b.score; });

  for (const FamilyPicker& family : families) {
    if (auto compaction = family.PickWholeDrops(covered_whole)) return compaction;
  }
  for (const FamilyPicker& family : families) {
    if (auto compaction = family.PickL0Moves()) return compaction;
  }
  if (room_bytes != kUnlimitedRoom) {
    for (const FamilyPicker& family : families) {
      if (auto compaction = family.PickCovered(covered_bytes)) return compaction;
    }
  }
  for (const Due& level : due) {
    if (auto compaction = families[level.family].PickForScore(level.level)) return compaction;
  }
  for (const FamilyPicker& family : families) {
    if (auto compaction = family.PickForTombstones()) return compaction;
  }
  for (const FamilyPicker& family : families) {
    if (auto compaction = family.PickForSeeks()) return compaction;
  }
  return std::nullopt;
}

std::optional<Compaction> PickManual(const VersionRef& version, const Options& options, FamilyId family, int level,
                                     const std::string* begin, const std::string* end, bool* conflict) {
  return FamilyPicker(version, options, family, kMaxSequence, 0, kUnlimitedRoom).PickManual(level, begin, end, conflict);
}

}  // namespace silt::lsm
