#include "lsm/compaction/shape.h"

#include <algorithm>

namespace silt::lsm {
namespace {

// Level 0 is due at this many times `l0_compaction_runs` files, whether they overlap or not: each costs reads a look.
constexpr int kL0FilesPerRun = 4;

bool EndsBefore(const Hull& a, const Hull& b) {
  int order = a.largest.compare(b.smallest);
  return order < 0 || (order == 0 && a.largest_exclusive);
}

// The greatest number of files that share a key. Sweeps over their ends: at equal keys an inclusive start comes before
// an inclusive end (they share the key), an exclusive end before a start.
int Depth(const std::vector<FileRef>& files) {
  struct End {
    std::string_view key;
    int order;  // 0 exclusive end, 1 start, 2 inclusive end
    bool operator<(const End& other) const {
      int keys = key.compare(other.key);
      return keys != 0 ? keys < 0 : order < other.order;
    }
  };
  std::vector<End> ends;
  for (const FileRef& file : files) {
    ends.push_back({file->properties.smallest, 1});
    ends.push_back({file->properties.largest, file->properties.largest_exclusive ? 0 : 2});
  }
  std::sort(ends.begin(), ends.end());
  int depth = 0;
  int deepest = 0;
  for (const End& end : ends) {
    depth += end.order == 1 ? 1 : -1;
    deepest = std::max(deepest, depth);
  }
  return deepest;
}

uint64_t IdleBytes(const std::vector<FileRef>& files) {
  uint64_t bytes = 0;
  for (const FileRef& file : files) bytes += file->being_compacted ? 0 : file->size;
  return bytes;
}

}  // namespace

Hull::Hull(const FileMeta& file)
    : smallest(file.properties.smallest),
      largest(file.properties.largest),
      largest_exclusive(file.properties.largest_exclusive) {}

void Hull::Extend(const FileMeta& file) {
  smallest = std::min<std::string_view>(smallest, file.properties.smallest);
  int order = largest.compare(file.properties.largest);
  if (order == 0) largest_exclusive = largest_exclusive && file.properties.largest_exclusive;
  if (order < 0) {
    largest = file.properties.largest;
    largest_exclusive = file.properties.largest_exclusive;
  }
}

bool Hull::Overlaps(const Hull& other) const {
  return !EndsBefore(*this, other) && !EndsBefore(other, *this);
}

std::vector<L0Component> L0Components(const FamilyVersion& family) {
  const std::vector<FileRef>& files = family.levels[0];
  std::vector<size_t> by_key(files.size());
  for (size_t i = 0; i < by_key.size(); ++i) by_key[i] = i;
  std::sort(by_key.begin(), by_key.end(), [&](size_t a, size_t b) {
    int order = files[a]->properties.smallest.compare(files[b]->properties.smallest);
    return order != 0 ? order < 0 : a < b;
  });

  std::vector<std::vector<size_t>> groups;
  std::vector<Hull> hulls;
  for (size_t index : by_key) {
    Hull hull(*files[index]);
    if (groups.empty() || !hulls.back().Overlaps(hull)) {
      groups.emplace_back();
      hulls.push_back(hull);
    }
    groups.back().push_back(index);
    hulls.back().Extend(*files[index]);
  }

  std::vector<L0Component> components;
  for (std::vector<size_t>& group : groups) {
    std::sort(group.begin(), group.end());
    L0Component component;
    for (size_t index : group) {
      component.files.push_back(files[index]);
      component.bytes += files[index]->size;
      component.busy |= files[index]->being_compacted;
    }
    component.runs = Depth(component.files);
    components.push_back(std::move(component));
  }
  return components;
}

int L0Runs(const FamilyVersion& family) {
  return Depth(family.levels[0]);
}

LevelTargets ComputeLevelTargets(const FamilyVersion& family, const Options& options,
                                 const FamilyOptions& family_options) {
  constexpr int kLast = kNumLevels - 1;
  int first_filled = kLast;
  uint64_t largest = 0;
  for (int level = kLast; level >= 1; --level) {
    if (family.levels[static_cast<size_t>(level)].empty()) continue;
    first_filled = level;
    largest = std::max(largest, family.LevelBytes(level));
  }
  const double multiplier = std::max(2, options.level_multiplier);
  const double least = static_cast<double>(std::max<uint64_t>(1, family_options.base_level_bytes));
  double size = static_cast<double>(largest);
  for (int level = kLast; level > first_filled; --level) size /= multiplier;

  // A new top level is opened while the topmost would otherwise have to aim for more than the base size.
  LevelTargets targets;
  targets.base_level = first_filled;
  while (targets.base_level > 1 && size > least) {
    --targets.base_level;
    size /= multiplier;
  }
  for (int level = targets.base_level; level <= kLast; ++level, size *= multiplier) {
    targets.bytes[static_cast<size_t>(level)] = static_cast<uint64_t>(std::clamp(size, least, 1e18));
  }
  return targets;
}

std::array<double, kNumLevels> LevelScores(const FamilyVersion& family, const Options& options,
                                           const LevelTargets& targets) {
  std::array<double, kNumLevels> scores{};
  std::vector<FileRef> idle;
  for (const FileRef& file : family.levels[0]) {
    if (!file->being_compacted) idle.push_back(file);
  }
  const double runs = std::max(1, options.l0_compaction_runs);
  scores[0] = std::max(Depth(idle) / runs, static_cast<double>(idle.size()) / (kL0FilesPerRun * runs));
  for (int level = targets.base_level; level < kNumLevels - 1; ++level) {
    auto index = static_cast<size_t>(level);
    scores[index] = static_cast<double>(IdleBytes(family.levels[index])) / static_cast<double>(targets.bytes[index]);
  }
  return scores;
}

double CompactionScore(const FamilyVersion& family, const Options& options, const FamilyOptions& family_options) {
  std::array<double, kNumLevels> scores =
      LevelScores(family, options, ComputeLevelTargets(family, options, family_options));
  return *std::max_element(scores.begin(), scores.end());
}

}  // namespace silt::lsm
