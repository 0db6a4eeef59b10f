// A small benchmark of any directory, so that a user can compare a mount with the disk below it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lsm/status.h"

namespace silt::mount {

struct BenchOptions {
  std::string directory;  // its own subdirectory is made in it, and removed
  uint64_t files = 5000;
  uint64_t bytes = uint64_t{256} << 20;
  uint64_t syncs = 200;
};

// One line of the result: operations of one kind, and how long each took.
struct BenchRow {
  std::string name;
  uint64_t operations = 0;
  uint64_t bytes = 0;  // moved in all; 0 where that says nothing
  double seconds = 0;
  double median_micros = 0;
  double p99_micros = 0;
};

// Calls `row` after each phase. The status names the call that failed.
lsm::Status RunBenchmark(const BenchOptions& options, const std::function<void(const BenchRow&)>& row);

}  // namespace silt::mount
