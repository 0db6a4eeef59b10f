// A small benchmark of a directory, and of another beside it, so that a user can compare a mount with the disk below.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lsm/status.h"

namespace silt::mount {

struct BenchOptions {
  // Each gets a subdirectory of its own, that is removed again. Every phase runs in one after the other.
  std::vector<std::string> directories;
  uint64_t files = 5000;
  uint64_t bytes = uint64_t{256} << 20;
  uint64_t syncs = 200;
  double seconds = 120;  // for everything: a phase that would take longer than its share ends early
};

// What one phase did in one directory, and how long each operation took.
struct BenchRow {
  std::string name;
  size_t directory = 0;  // index in BenchOptions::directories
  uint64_t operations = 0;
  uint64_t bytes = 0;  // moved in all; 0 where that says nothing
  double seconds = 0;
  double median_micros = 0;
  double p99_micros = 0;
};

// Calls `row` after each phase. The status names the call that failed; kAborted when `*stop` was set, which may be done
// by a signal's handler. What was made is removed whatever happens.
lsm::Status RunBenchmark(const BenchOptions& options, const std::atomic<bool>& stop,
                         const std::function<void(const BenchRow&)>& row);

}  // namespace silt::mount
