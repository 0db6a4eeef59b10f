// Chooses what to compact next. Pure functions of a version and the options: no I/O, no clock of its own.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "lsm/types.h"
#include "lsm/version/version.h"

namespace silt::lsm {

enum class CompactionReason : uint8_t { kL0Runs, kLevelSize, kTombstones, kSeeks, kManual, kDropWhole };
const char* CompactionReasonName(CompactionReason reason);

struct Compaction {
  FamilyId family = 0;
  int level = 0;         // the inputs' upper level
  int output_level = 0;
  CompactionReason reason = CompactionReason::kLevelSize;
  VersionRef version;    // holds the inputs
  std::vector<FileRef> inputs;         // from `level`
  std::vector<FileRef> output_inputs;  // from `output_level`, overlapping
  std::vector<FileRef> grandparents;   // from `output_level` + 1, overlapping: where outputs should be cut
  bool trivial_move = false;           // move the inputs without rewriting them
  bool drop_whole = false;             // delete the inputs without reading them (a range tombstone covers them)
  bool bottommost = false;             // no level below output_level overlaps: tombstones may go
  uint64_t InputBytes() const;
};

// Bytes that each level aims for, computed from the last filled level upwards (RocksDB's dynamic level sizes); the
// levels above base_level are empty and L0 compacts straight into base_level.
struct LevelTargets {
  int base_level = 1;
  std::array<uint64_t, kNumLevels> bytes{};
};
LevelTargets ComputeLevelTargets(const FamilyVersion& family, const Options& options, const FamilyOptions& family_options);

// How urgently each family needs compaction; >= 1 means due.
double CompactionScore(const FamilyVersion& family, const Options& options, const FamilyOptions& family_options);

// The most urgent compaction whose inputs are not being compacted, or nullopt when nothing is due.
// REQUIRES: the caller holds the lock that guards FileMeta::being_compacted.
// `oldest_snapshot`: no reader sees anything older; a tombstone newer than it is not worth compacting for yet.
std::optional<Compaction> PickCompaction(const VersionRef& version, const Options& options,
                                         SequenceNumber oldest_snapshot);
// All overlapping files of one level with the next, for CompactRange. nullopt when the level has none in range.
std::optional<Compaction> PickManual(const VersionRef& version, const Options& options, FamilyId family, int level,
                                     const std::string* begin, const std::string* end);

}  // namespace silt::lsm
