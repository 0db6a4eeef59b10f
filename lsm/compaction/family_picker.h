// Chooses compactions within one family. PickCompaction and PickManual ask it; see picker.h for the contracts.
#pragma once

#include <optional>
#include <vector>

#include "lsm/compaction/picker.h"
#include "lsm/compaction/shape.h"

namespace silt::lsm {

class FamilyPicker {
 public:
  FamilyPicker(VersionRef version, const Options& options, FamilyId family, SequenceNumber oldest_snapshot,
               uint64_t now_seconds, uint64_t room_bytes);

  // By level, >= 1: due.
  const std::array<double, kNumLevels>& scores() const { return scores_; }

  std::optional<Compaction> PickWholeDrops(const CoveredWhole& covered_whole) const;
  // The table of which most is covered, to be rewritten without that.
  std::optional<Compaction> PickCovered(const CoveredBytes& covered_bytes) const;
  // Table moves out of level 0 that rewrite nothing, when it has gathered a few.
  std::optional<Compaction> PickL0Moves() const;
  // To bring down the score of a level.
  std::optional<Compaction> PickForScore(int level) const;
  std::optional<Compaction> PickForTombstones() const;
  std::optional<Compaction> PickForSeeks() const;
  std::optional<Compaction> PickManual(int level, const std::string* begin, const std::string* end,
                                       bool* conflict) const;

 private:
  enum class Moves : uint8_t { kAllowed, kForbidden };

  const std::vector<FileRef>& Level(int level) const { return family_.levels[static_cast<size_t>(level)]; }
  int OutputLevel(int level) const { return level == 0 ? targets_.base_level : level + 1; }
  bool DropsTombstones(const FileMeta& file) const;
  double TombstoneDensity(const FileMeta& file) const;
  bool WorthItsTombstones(const FileMeta& file) const;
  bool BytesBelowAllowMove(const FileMeta& file, int output_level) const;
  bool MovableAlone(const FileRef& file, int output_level) const;
  bool CollidesWithRunning(const Hull& outputs, int level, int output_level) const;
  bool OverlapsBelow(const Hull& hull, int level) const;

  std::optional<Compaction> PickL0() const;
  std::optional<Compaction> PickLevel(int level) const;
  std::optional<Compaction> PickMoves(int level, uint64_t bytes) const;
  std::optional<Compaction> PickFile(int level, const FileRef& file, CompactionReason reason) const;
  std::optional<Compaction> RewriteInPlace(const FileRef& file) const;
  void Widen(Compaction* compaction) const;
  std::optional<Compaction> SetUp(int level, int output_level, std::vector<FileRef> inputs, CompactionReason reason,
                                  Moves moves) const;
  Compaction Blank(int level, int output_level, CompactionReason reason) const;

  const VersionRef version_;
  const Options& options_;
  const FamilyOptions& family_options_;
  const FamilyId id_;
  const FamilyVersion& family_;
  const SequenceNumber oldest_snapshot_;
  const uint64_t now_seconds_;
  const uint64_t room_bytes_;
  const LevelTargets targets_;
  const std::array<double, kNumLevels> scores_;
  std::array<std::vector<FileRef>, kNumLevels> busy_;  // files being compacted
};

}  // namespace silt::lsm
