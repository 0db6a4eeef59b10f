// What the tests of this room share: files to put into edits, random histories of edits, and versions as text.
#pragma once

#include <random>
#include <set>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "lsm/version/version_set.h"

namespace silt::lsm::testing {

inline constexpr const char* kDir = "store";

Options TwoFamilies();

FileRef MakeFile(FileNumber number, FamilyId family, const std::string& smallest, const std::string& largest,
                 SequenceNumber smallest_sequence, SequenceNumber largest_sequence);

// Files by family, level and number, and the numbers that the MANIFEST keeps.
std::string Describe(const VersionSet& versions);

// Makes up edits that fit on each other: flushes, compactions, moves, drops.
class EditMaker {
 public:
  explicit EditMaker(uint32_t seed) : random_(seed) {}
  // The next edit; numbers come from `versions`. It counts as applied when Applied() is called.
  VersionEdit Next(VersionSet* versions);
  void Applied(const VersionEdit& edit);
  // What Describe says of a store to which everything was applied.
  std::string Expected() const;

 private:
  struct Live {
    FamilyId family;
    int level;
    int slot;  // of the key space: files of different slots do not overlap
    FileRef file;
  };
  bool Free(FamilyId family, int level, int slot) const;
  uint32_t Random(uint32_t below) { return std::uniform_int_distribution<uint32_t>(0, below - 1)(random_); }

  std::mt19937 random_;
  std::vector<Live> live_;
  SequenceNumber sequence_ = 0;
  FileNumber wal_ = 0;
  SequenceNumber applied_sequence_ = 0;
  FileNumber applied_wal_ = 0;
};

}  // namespace silt::lsm::testing
