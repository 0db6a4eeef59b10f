// Adds up what a repair has gone through.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lsm/repair.h"

namespace silt::lsm {

// Not thread-safe. The total is a forecast, so that `done` is held back one short of it until the end.
class RepairMeter {
 public:
  explicit RepairMeter(const RepairProgress& progress) : progress_(progress) {}

  // Before the first Add.
  void Expect(uint64_t bytes) { total_ += bytes; }
  void Add(uint64_t bytes) {
    done_ = std::min(done_ + bytes, total_ - 1);
    if (progress_) progress_(done_, total_);
  }
  void Finish() {
    if (progress_) progress_(total_, total_);
  }

 private:
  const RepairProgress& progress_;
  uint64_t done_ = 0;
  uint64_t total_ = 1;
};

}  // namespace silt::lsm
