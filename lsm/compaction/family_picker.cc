#include "lsm/compaction/family_picker.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace silt::lsm {
namespace {

constexpr int kLastLevel = kNumLevels - 1;
// A table is not moved under this many times the target size of tables below its new level: compacting it further
// down would cost too much at once.
constexpr uint64_t kGrandparentTables = 10;
// Inputs grow at no cost in the output level up to this many times the target size.
constexpr uint64_t kWidenTables = 25;
// A share of tombstone-dense blocks that slows scans, however few tombstones the whole table has (Pebble's figure).
constexpr double kDenseBlockShare = 0.10;
// A table is rewritten for what is deleted by tombstones elsewhere if it is at least this part of it.
constexpr uint64_t kCoveredPart = 8;
// What one range tombstone counts for among point tombstones: it hides more than one key, no one knows how many.
constexpr double kRangeTombstoneWeight = 16;

uint64_t TotalBytes(const std::vector<FileRef>& files) {
  uint64_t bytes = 0;
  for (const FileRef& file : files) bytes += file->size;
  return bytes;
}

bool AnyBusy(const std::vector<FileRef>& files) {
  return std::any_of(files.begin(), files.end(), [](const FileRef& file) { return file->being_compacted; });
}

Hull HullOf(const std::vector<FileRef>& files) {
  Hull hull(*files.front());
  for (const FileRef& file : files) hull.Extend(*file);
  return hull;
}

std::vector<FileRef> Overlapping(const FamilyVersion& family, int level, const Hull& hull) {
  return family.Overlapping(level, &hull.smallest, &hull.largest, hull.largest_exclusive);
}

}  // namespace

FamilyPicker::FamilyPicker(VersionRef version, const Options& options, FamilyId family, SequenceNumber oldest_snapshot,
                           uint64_t now_seconds, uint64_t room_bytes)
    : version_(std::move(version)),
      options_(options),
      family_options_(options.families[family]),
      id_(family),
      family_(version_->families[family]),
      oldest_snapshot_(oldest_snapshot),
      now_seconds_(now_seconds),
      room_bytes_(room_bytes),
      targets_(ComputeLevelTargets(family_, options_, family_options_)),
      scores_(LevelScores(family_, options_, targets_)) {
  for (size_t level = 0; level < kNumLevels; ++level) {
    std::copy_if(family_.levels[level].begin(), family_.levels[level].end(), std::back_inserter(busy_[level]),
                 [](const FileRef& file) { return file->being_compacted; });
  }
}

// --- what is known of a file ---

// Nothing that is visible to anybody would stay behind if the file were rewritten with nothing below it.
bool FamilyPicker::DropsTombstones(const FileMeta& file) const {
  return file.properties.largest_sequence <= oldest_snapshot_;
}

// 1 and more: worth a compaction of its own.
double FamilyPicker::TombstoneDensity(const FileMeta& file) const {
  const TableProperties& p = file.properties;
  const double ranges = kRangeTombstoneWeight * static_cast<double>(p.range_tombstones);
  const double all = static_cast<double>(p.entries) + ranges;
  const double share = all > 0 ? (static_cast<double>(p.tombstones) + ranges) / all : 0;
  const double blocks =
      p.data_blocks > 0 ? static_cast<double>(p.tombstone_dense_blocks) / static_cast<double>(p.data_blocks) : 0;
  return std::max(share / std::max(options_.tombstone_ratio, 1e-3), blocks / kDenseBlockShare);
}

bool FamilyPicker::WorthItsTombstones(const FileMeta& file) const {
  const TableProperties& p = file.properties;
  if ((p.tombstones == 0 && p.range_tombstones == 0) || !DropsTombstones(file)) return false;
  bool aged = now_seconds_ == 0 || p.creation_seconds + kRangeTombstoneAgeSeconds <= now_seconds_;
  return TombstoneDensity(file) >= 1 || (p.range_tombstones > 0 && aged);
}

bool FamilyPicker::BytesBelowAllowMove(const FileMeta& file, int output_level) const {
  if (output_level >= kLastLevel) return true;
  return TotalBytes(Overlapping(family_, output_level + 1, Hull(file))) <=
         kGrandparentTables * family_options_.target_file_bytes;
}

// Whether the file can go to `output_level` as it is. Not when rewriting it there would rid the tree of its tombstones.
bool FamilyPicker::MovableAlone(const FileRef& file, int output_level) const {
  Hull hull(*file);
  if (!Overlapping(family_, output_level, hull).empty() || !BytesBelowAllowMove(*file, output_level)) return false;
  return !WorthItsTombstones(*file) || OverlapsBelow(hull, output_level);
}

bool FamilyPicker::OverlapsBelow(const Hull& hull, int level) const {
  for (int below = level + 1; below < kNumLevels; ++below) {
    if (!Overlapping(family_, below, hull).empty()) return true;
  }
  return false;
}

// A running compaction may put a table anywhere between the first and the last key of its inputs, also where none of
// them is. Its inputs are told by their marks; which of those belong together is not, so all with one target count as
// one.
bool FamilyPicker::CollidesWithRunning(const Hull& outputs, int level, int output_level) const {
  std::optional<Hull> running;
  for (int from : {0, level, output_level - 1, output_level}) {
    if (from < 0) continue;
    for (const FileRef& file : busy_[static_cast<size_t>(from)]) {
      if (file->compaction_output_level >= 0 && file->compaction_output_level != output_level) continue;
      running ? running->Extend(*file) : static_cast<void>(running.emplace(*file));
    }
  }
  return running && running->Overlaps(outputs);
}

// --- setting up ---

Compaction FamilyPicker::Blank(int level, int output_level, CompactionReason reason) const {
  Compaction compaction;
  compaction.family = id_;
  compaction.level = level;
  compaction.output_level = output_level;
  compaction.reason = reason;
  compaction.version = version_;
  return compaction;
}

// REQUIRES: for level 0, `inputs` has every older file that overlaps one of them; else it is a stretch of the level.
std::optional<Compaction> FamilyPicker::SetUp(int level, int output_level, std::vector<FileRef> inputs,
                                              CompactionReason reason, Moves moves) const {
  Compaction compaction = Blank(level, output_level, reason);
  compaction.inputs = std::move(inputs);
  compaction.output_inputs = Overlapping(family_, output_level, HullOf(compaction.inputs));
  if (level > 0 && reason != CompactionReason::kManual) Widen(&compaction);

  Hull hull = HullOf(compaction.inputs);
  for (const FileRef& file : compaction.output_inputs) hull.Extend(*file);
  if (AnyBusy(compaction.inputs) || AnyBusy(compaction.output_inputs)) return std::nullopt;
  if (CollidesWithRunning(hull, level, output_level)) return std::nullopt;

  if (output_level < kLastLevel) compaction.grandparents = Overlapping(family_, output_level + 1, hull);
  compaction.bottommost = !OverlapsBelow(hull, output_level);
  compaction.trivial_move = moves == Moves::kAllowed && compaction.inputs.size() == 1 &&
                            MovableAlone(compaction.inputs.front(), output_level);
  if (!compaction.trivial_move && compaction.InputBytes() > room_bytes_) return std::nullopt;
  return compaction;
}

// Takes in the neighbours of the inputs that the output level's files cover anyway.
void FamilyPicker::Widen(Compaction* compaction) const {
  if (compaction->output_inputs.empty()) return;
  Hull hull = HullOf(compaction->inputs);
  for (const FileRef& file : compaction->output_inputs) hull.Extend(*file);
  std::vector<FileRef> wider = Overlapping(family_, compaction->level, hull);
  if (wider.size() == compaction->inputs.size() || AnyBusy(wider)) return;
  std::vector<FileRef> below = Overlapping(family_, compaction->output_level, HullOf(wider));
  if (below.size() != compaction->output_inputs.size()) return;
  const uint64_t most = std::min(room_bytes_, kWidenTables * family_options_.target_file_bytes);
  if (TotalBytes(wider) + TotalBytes(below) > most) return;
  compaction->inputs = std::move(wider);
}

std::optional<Compaction> FamilyPicker::PickFile(int level, const FileRef& file, CompactionReason reason) const {
  if (level > 0) return SetUp(level, level + 1, {file}, reason, Moves::kAllowed);
  for (L0Component& component : L0Components(family_)) {
    if (std::find(component.files.begin(), component.files.end(), file) == component.files.end()) continue;
    if (component.busy) return std::nullopt;
    return SetUp(0, targets_.base_level, std::move(component.files), reason, Moves::kAllowed);
  }
  return std::nullopt;
}

std::optional<Compaction> FamilyPicker::RewriteInPlace(const FileRef& file) const {
  if (file->being_compacted || file->size > room_bytes_) return std::nullopt;
  if (CollidesWithRunning(Hull(*file), kLastLevel, kLastLevel)) return std::nullopt;
  Compaction compaction = Blank(kLastLevel, kLastLevel, CompactionReason::kTombstones);
  compaction.inputs = {file};
  compaction.bottommost = true;
  return compaction;
}

// --- choosing ---

std::optional<Compaction> FamilyPicker::PickWholeDrops(const CoveredWhole& covered_whole) const {
  if (!covered_whole) return std::nullopt;
  bool tombstones_above = false;
  for (int level = 0; level < kNumLevels; ++level) {
    tombstones_above |= family_.has_range_tombstones[static_cast<size_t>(level)];
    if (!tombstones_above) continue;
    Compaction compaction = Blank(level, level, CompactionReason::kDropWhole);
    for (const FileRef& file : Level(level)) {
      if (file->being_compacted || file->properties.largest_sequence >= oldest_snapshot_) continue;
      bool may_be_covered = false;
      for (int above = 0; above <= (level == 0 ? 0 : level - 1) && !may_be_covered; ++above) {
        if (!family_.has_range_tombstones[static_cast<size_t>(above)]) continue;
        for (const FileRef& cover : Overlapping(family_, above, Hull(*file))) {
          may_be_covered |= cover->properties.range_tombstones > 0 &&
                            cover->properties.largest_sequence > file->properties.largest_sequence;
        }
      }
      if (may_be_covered && covered_whole(*file)) compaction.inputs.push_back(file);
    }
    if (compaction.inputs.empty()) continue;
    compaction.drop_whole = true;
    return compaction;
  }
  return std::nullopt;
}

std::optional<Compaction> FamilyPicker::PickCovered(const CoveredBytes& covered_bytes) const {
  if (!covered_bytes) return std::nullopt;
  std::optional<Compaction> best;
  uint64_t most = 0;
  for (int level = 1; level < kNumLevels; ++level) {
    for (const FileRef& file : Level(level)) {
      const uint64_t covered = file->being_compacted ? 0 : std::min(covered_bytes(*file), file->size);
      if (covered <= most || covered < file->size / kCoveredPart || file->size - covered > room_bytes_) continue;
      if (CollidesWithRunning(Hull(*file), level, level)) continue;
      most = covered;
      best = Blank(level, level, CompactionReason::kTombstones);
      best->inputs = {file};
      best->covers = family_.RangeTombstonesAbove(level, *file);
      best->bottommost = !OverlapsBelow(Hull(*file), level);
    }
  }
  return best;
}

std::optional<Compaction> FamilyPicker::PickL0Moves() const {
  if (static_cast<int>(Level(0).size()) < std::max(1, options_.l0_compaction_runs)) return std::nullopt;
  const int output_level = targets_.base_level;
  Compaction compaction = Blank(0, output_level, CompactionReason::kL0Runs);
  for (const L0Component& component : L0Components(family_)) {
    if (component.files.size() != 1 || component.busy || !MovableAlone(component.files[0], output_level)) continue;
    if (CollidesWithRunning(Hull(*component.files[0]), 0, output_level)) continue;
    compaction.inputs.push_back(component.files[0]);
  }
  if (compaction.inputs.empty()) return std::nullopt;
  compaction.trivial_move = true;
  return compaction;
}

std::optional<Compaction> FamilyPicker::PickForScore(int level) const {
  return level == 0 ? PickL0() : PickLevel(level);
}

std::optional<Compaction> FamilyPicker::PickL0() const {
  std::vector<L0Component> components = L0Components(family_);
  std::erase_if(components, [](const L0Component& component) { return component.busy; });
  std::stable_sort(components.begin(), components.end(), [](const L0Component& a, const L0Component& b) {
    return a.runs != b.runs ? a.runs > b.runs : a.bytes > b.bytes;
  });
  if (components.empty()) return std::nullopt;

  // Many files side by side go down together, so that each file of the base level is rewritten once.
  if (components.front().runs < options_.l0_compaction_runs) {
    std::vector<FileRef> all;
    for (const L0Component& component : components) {
      all.insert(all.end(), component.files.begin(), component.files.end());
    }
    auto compaction = SetUp(0, targets_.base_level, std::move(all), CompactionReason::kL0Runs, Moves::kAllowed);
    if (compaction) return compaction;
  }
  for (L0Component& component : components) {
    auto compaction =
        SetUp(0, targets_.base_level, std::move(component.files), CompactionReason::kL0Runs, Moves::kAllowed);
    if (compaction) return compaction;
  }
  return std::nullopt;
}

std::optional<Compaction> FamilyPicker::PickLevel(int level) const {
  const uint64_t bytes = family_.LevelBytes(level);
  const uint64_t target = targets_.bytes[static_cast<size_t>(level)];
  if (auto moves = PickMoves(level, bytes > target ? bytes - target : 0)) return moves;

  // The file that costs the least rewriting below for each of its own bytes, tombstones at half the price.
  std::vector<std::pair<double, FileRef>> candidates;
  for (const FileRef& file : Level(level)) {
    if (file->being_compacted) continue;
    double ratio = static_cast<double>(TotalBytes(Overlapping(family_, level + 1, Hull(*file)))) /
                   static_cast<double>(std::max<uint64_t>(1, file->size));
    candidates.emplace_back(WorthItsTombstones(*file) ? ratio / 2 : ratio, file);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [ratio, file] : candidates) {
    if (auto compaction = PickFile(level, file, CompactionReason::kLevelSize)) return compaction;
  }
  return std::nullopt;
}

// As many files as can go down unread, until about `bytes` are gone.
std::optional<Compaction> FamilyPicker::PickMoves(int level, uint64_t bytes) const {
  Compaction compaction = Blank(level, level + 1, CompactionReason::kLevelSize);
  uint64_t moved = 0;
  for (const FileRef& file : Level(level)) {
    if (moved > 0 && moved >= bytes) break;
    if (file->being_compacted || !MovableAlone(file, level + 1)) continue;
    if (CollidesWithRunning(Hull(*file), level, level + 1)) continue;
    compaction.inputs.push_back(file);
    moved += file->size;
  }
  if (compaction.inputs.empty()) return std::nullopt;
  compaction.trivial_move = true;
  return compaction;
}

std::optional<Compaction> FamilyPicker::PickForTombstones() const {
  std::vector<std::tuple<double, int, FileRef>> candidates;
  for (int level = 0; level < kNumLevels; ++level) {
    for (const FileRef& file : Level(level)) {
      if (file->being_compacted || !WorthItsTombstones(*file)) continue;
      candidates.emplace_back(TombstoneDensity(*file), level, file);
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return std::get<0>(a) > std::get<0>(b); });
  for (const auto& [density, level, file] : candidates) {
    auto compaction = level == kLastLevel ? RewriteInPlace(file) : PickFile(level, file, CompactionReason::kTombstones);
    if (compaction) return compaction;
  }
  return std::nullopt;
}

std::optional<Compaction> FamilyPicker::PickForSeeks() const {
  for (int level = 0; level < kLastLevel; ++level) {
    for (const FileRef& file : Level(level)) {
      if (file->being_compacted || file->allowed_seeks.load(std::memory_order_relaxed) > 0) continue;
      if (auto compaction = PickFile(level, file, CompactionReason::kSeeks)) return compaction;
    }
  }
  return std::nullopt;
}

std::optional<Compaction> FamilyPicker::PickManual(int level, const std::string* begin, const std::string* end,
                                                   bool* conflict) const {
  if (conflict != nullptr) *conflict = false;
  std::string_view begin_view = begin != nullptr ? std::string_view(*begin) : std::string_view();
  std::string_view end_view = end != nullptr ? std::string_view(*end) : std::string_view();
  std::vector<FileRef> inputs = family_.Overlapping(level, begin != nullptr ? &begin_view : nullptr,
                                                    end != nullptr ? &end_view : nullptr, /*end_exclusive=*/true);
  if (level == 0 && !inputs.empty()) {
    std::vector<FileRef> whole;
    for (L0Component& component : L0Components(family_)) {
      bool wanted = std::any_of(component.files.begin(), component.files.end(), [&](const FileRef& file) {
        return std::find(inputs.begin(), inputs.end(), file) != inputs.end();
      });
      if (wanted) whole.insert(whole.end(), component.files.begin(), component.files.end());
    }
    inputs = std::move(whole);
  }
  if (inputs.empty() || level >= kLastLevel) return std::nullopt;
  auto compaction = SetUp(level, OutputLevel(level), std::move(inputs), CompactionReason::kManual, Moves::kForbidden);
  if (!compaction && conflict != nullptr) *conflict = true;
  return compaction;
}

}  // namespace silt::lsm
