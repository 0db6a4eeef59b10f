// How long requests of each kind took lately: whether the next one is likely to make others wait.
#pragma once

#include <linux/fuse.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace silt::mount {

// Those that wait for the disk by their nature start out as long. Thread-safe; updates that meet may lose one another,
// as a guess needs no better.
class RequestDurations {
 public:
  using Duration = std::chrono::nanoseconds;
  // Others are let in before a request that is likely to take longer than this: more than waking a thread costs.
  static constexpr Duration kLong = std::chrono::microseconds(100);

  RequestDurations() {
    for (uint32_t opcode : {FUSE_FSYNC, FUSE_FSYNCDIR, FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE, FUSE_SYNCFS}) {
      Of(opcode).store(10 * kLong.count(), std::memory_order_relaxed);
    }
  }

  bool IsLong(uint32_t opcode) const { return Of(opcode).load(std::memory_order_relaxed) > kLong.count(); }

  // A smoothed mean: an eighth of the new, seven of the old; so what takes a millisecond counts at once.
  void Record(uint32_t opcode, Duration took) {
    std::atomic<int64_t>& mean = Of(opcode);
    int64_t old = mean.load(std::memory_order_relaxed);
    mean.store(old + (took.count() - old) / 8, std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kOpcodes = 64;  // those of FUSE, with room; CUSE's are beyond
  std::atomic<int64_t>& Of(uint32_t opcode) { return means_[opcode % kOpcodes]; }
  const std::atomic<int64_t>& Of(uint32_t opcode) const { return means_[opcode % kOpcodes]; }

  std::array<std::atomic<int64_t>, kOpcodes> means_{};
};

}  // namespace silt::mount
