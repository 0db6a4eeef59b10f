// Chooses what to compact next. Pure functions of a version and the options: no I/O, no clock of its own.
#pragma once

#include <array>
#include <functional>
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
  int level = 0;  // the inputs' upper level
  // == level: a table is rewritten in place, or (drop_whole) nothing is written.
  int output_level = 0;
  CompactionReason reason = CompactionReason::kLevelSize;
  VersionRef version;                  // holds the inputs
  std::vector<FileRef> inputs;         // from `level`
  std::vector<FileRef> output_inputs;  // from `output_level`, overlapping
  std::vector<FileRef> covers;         // above `level`; stay. What their range tombstones cover goes
  std::vector<FileRef> grandparents;   // from `output_level` + 1, overlapping: where outputs should be cut
  bool trivial_move = false;           // move the inputs without rewriting them
  bool drop_whole = false;             // delete the inputs without reading them (a range tombstone covers them)
  // No level below output_level overlaps the inputs. The job must then drop every tombstone, point or range, whose
  // sequence no snapshot needs: a table is picked for its tombstones until they are gone.
  bool bottommost = false;
  uint64_t InputBytes() const;
};

// Sets or clears FileMeta::being_compacted of all inputs, and notes where they go. REQUIRES: as PickCompaction.
void SetBeingCompacted(const Compaction& compaction, bool running);
// Keeps the inputs out of every later compaction, as if they were being compacted to nowhere: they are damaged.
void Quarantine(const Compaction& compaction);

// Bytes that each level aims for, computed from the last filled level upwards (RocksDB's dynamic level sizes); the
// levels above base_level are empty and L0 compacts straight into base_level.
struct LevelTargets {
  int base_level = 1;
  std::array<uint64_t, kNumLevels> bytes{};
};
LevelTargets ComputeLevelTargets(const FamilyVersion& family, const Options& options,
                                 const FamilyOptions& family_options);

// The greatest number of tables of level 0 that have one key in common: what a read has to look into there, and what
// writers are slowed down by. Any number of tables side by side is one run.
int L0Runs(const FamilyVersion& family);

// How urgently a family needs compaction for its shape (runs in level 0, sizes of the others); >= 1 means due.
double CompactionScore(const FamilyVersion& family, const Options& options, const FamilyOptions& family_options);

// Whether a range tombstone covers the file's whole range that is newer than every entry of the file, not newer than
// the oldest snapshot, and in another TABLE of the version, above the file or newer in level 0 (in a memtable is not
// enough: after a power cut the tombstone could be gone, and the file too). Called under the caller's lock.
using CoveredWhole = std::function<bool(const FileMeta&)>;

// How many bytes of the file range tombstones of tables above it cover, which every snapshot sees; none once it was
// rewritten with Compaction::covers. Called under the caller's lock.
using CoveredBytes = std::function<uint64_t(const FileMeta&)>;

// A table that holds only few range tombstones is compacted on account of them once it has this age.
inline constexpr uint64_t kRangeTombstoneAgeSeconds = 600;

inline constexpr uint64_t kUnlimitedRoom = UINT64_MAX;

// The most urgent compaction whose inputs are not being compacted and whose outputs cannot overlap those of running
// ones, or nullopt when nothing is due. Every pick makes progress: tables sink, or tombstones go.
// REQUIRES: the caller holds the lock that guards FileMeta::being_compacted, has read VersionSet::current() while
// holding it, marks the inputs before it lets go, and clears the marks only after the edit has been applied.
// `oldest_snapshot`: no reader sees anything older; a tombstone newer than it is not worth compacting for yet.
// `covered_whole`: asked only of files that overlap a table with range tombstones. Empty: no file is dropped whole.
// `now_seconds`: Unix time; 0 when not known: then a single range tombstone is reason enough at once.
// `room_bytes`: what has more to rewrite is passed over for smaller ones. Moves and drops need no room.
// `covered_bytes`: asked only when there is a limit to the room: then tables are rewritten in place, one at a time, rid
// of what is deleted, while compacting the tombstones would take more room than there is. Empty: they are not.
std::optional<Compaction> PickCompaction(const VersionRef& version, const Options& options,
                                         SequenceNumber oldest_snapshot, const CoveredWhole& covered_whole = {},
                                         uint64_t now_seconds = 0, uint64_t room_bytes = kUnlimitedRoom,
                                         const CoveredBytes& covered_bytes = {});

// All files of one level that overlap [begin, end) (null: unbounded), with those of the next, for CompactRange: level 0
// goes to base_level, the others one down; call it for levels 0 .. kNumLevels - 2 in turn. Never a trivial move.
// nullopt when the level has none in range, or, with *conflict, when a running compaction is in the way: try later.
std::optional<Compaction> PickManual(const VersionRef& version, const Options& options, FamilyId family, int level,
                                     const std::string* begin, const std::string* end, bool* conflict = nullptr);

}  // namespace silt::lsm
