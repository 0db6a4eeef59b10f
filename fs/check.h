// fsck: walks a whole store and checks every invariant of the schema (listed in fs/FORMAT.md "Invariants").
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fs/filesystem.h"
#include "lsm/status.h"

namespace silt::fs {

struct CheckProblem {
  std::string what;  // one line: path or inode, what is wrong, what repair does or did
  bool repaired = false;
};

struct CheckReport {
  uint64_t inodes = 0, directories = 0, files = 0, symlinks = 0, others = 0, orphans = 0, xattrs = 0;
  uint64_t data_blocks = 0;
  std::vector<CheckProblem> problems;
  uint64_t unlisted = 0;  // beyond those listed, and mended like them
  bool clean() const { return problems.empty(); }
};

struct CheckOptions {
  bool repair = false;
  std::function<void(uint64_t done, uint64_t total)> progress;  // may be empty
  OpenOptions open;  // storage, clock, log
};

// REQUIRES: the store is not mounted (kBusy otherwise). Without repair nothing is written. Damage of the engine's files
// (checksums) is a problem in the report; a MANIFEST that cannot be read is a status (repair then rebuilds it first).
lsm::Result<CheckReport> Check(const CheckOptions& options, const std::string& path);

}  // namespace silt::fs
