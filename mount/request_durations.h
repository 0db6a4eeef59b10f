// How long requests of each kind took lately: whether the next one is likely to make others wait. A kind is an
// operation, and for READ and WRITE also whether there is much data: a stream of large ones says nothing about small ones.
#pragma once

#include <linux/fuse.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "mount/raw_request.h"

namespace silt::mount {

// Those that wait for the disk by their nature start out as long. Thread-safe; updates that meet may lose one another,
// as a guess needs no better.
class RequestDurations {
 public:
  using Duration = std::chrono::nanoseconds;
  // Others are let in before a request that is likely to take longer than this: more than waking a thread costs.
  static constexpr Duration kLong = std::chrono::microseconds(100);
  static constexpr uint32_t kMuchData = 64 << 10;

  using Kind = uint32_t;
  static Kind KindOf(uint32_t opcode, uint32_t data_bytes = 0) {
    return opcode % kOpcodes + (data_bytes >= kMuchData ? kOpcodes : 0);
  }
  static Kind KindOf(const RawRequest& request) { return KindOf(request.opcode(), request.DataBytes()); }

  RequestDurations() {
    for (uint32_t opcode : {FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE, FUSE_SYNCFS}) {
      means_[KindOf(opcode)].store(10 * kLong.count(), std::memory_order_relaxed);
    }
  }

  bool IsLong(Kind kind) const { return means_[kind].load(std::memory_order_relaxed) > kLong.count(); }

  // A smoothed mean: an eighth of the new, seven of the old; so what takes a millisecond counts at once.
  void Record(Kind kind, Duration took) {
    std::atomic<int64_t>& mean = means_[kind];
    int64_t old = mean.load(std::memory_order_relaxed);
    mean.store(old + (took.count() - old) / 8, std::memory_order_relaxed);
  }

 private:
  static constexpr uint32_t kOpcodes = 64;  // those of FUSE, with room; CUSE's are beyond

  std::array<std::atomic<int64_t>, size_t{2} * kOpcodes> means_{};
};

}  // namespace silt::mount
