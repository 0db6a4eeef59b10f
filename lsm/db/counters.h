// The engine's running counts, bumped from any thread. DbStats (stats.h) is what they are read into.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "lsm/types.h"

namespace silt::lsm {

// A statistic: exact in the end, of no use for synchronisation.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Work that wrote into one level.
struct LevelCounters {
  Counter compactions;
  Counter trivial_moves;
  Counter bytes_read;
  Counter bytes_written;
  Counter micros;
};

struct DbCounters {
  std::array<std::array<LevelCounters, kNumLevels>, kMaxFamilies> levels;
  Counter wal_bytes;
  Counter wal_syncs;
  Counter sync_requests;
  Counter batches;
  Counter write_groups;
  Counter user_bytes;
  Counter write_delay_count;
  Counter write_delay_micros;
  Counter stall_count;
  Counter stall_micros;
  Counter flushes;
  Counter gets;
  Counter filter_negatives;
  Counter corruptions;
  Counter files_deleted_whole;
};

}  // namespace silt::lsm
