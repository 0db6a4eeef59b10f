// The shape of a family's tree, as numbers: runs of level 0, sizes of levels against their targets.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "lsm/compaction/picker.h"

namespace silt::lsm {

// The keys from the smallest to the largest of some files, gaps included. Borrows from the files.
struct Hull {
  std::string_view smallest;
  std::string_view largest;
  bool largest_exclusive = false;

  explicit Hull(const FileMeta& file);
  void Extend(const FileMeta& file);
  bool Overlaps(const Hull& other) const;
};

// Files of level 0 that hang together by overlaps, directly or through others.
struct L0Component {
  std::vector<FileRef> files;  // in the order of the version: newest first
  int runs = 0;                // the greatest number that have one key in common
  bool busy = false;           // some file is being compacted
  uint64_t bytes = 0;
};
// In key order; no two have a key in common.
std::vector<L0Component> L0Components(const FamilyVersion& family);

// For each level, how urgently it should be compacted, not counting files that are being compacted; >= 1 means due.
std::array<double, kNumLevels> LevelScores(const FamilyVersion& family, const Options& options,
                                           const LevelTargets& targets);

}  // namespace silt::lsm
