// The engine's running counts, bumped from any thread. DbStats (stats.h) is what they are read into.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "lsm/thread_slot.h"
#include "lsm/types.h"

namespace silt::lsm {

// A statistic: exact in the end, of no use for synchronisation.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  // Without a locked instruction. REQUIRES: no other Add of any kind at the same time.
  void AddAlone(uint64_t n = 1) { value_.store(Get() + n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// One that every reader bumps for every read.
class SpreadCounter {
 public:
  void Add(uint64_t n = 1) { slots_[ThreadSlot()].counter.Add(n); }
  uint64_t Get() const {
    uint64_t sum = 0;
    for (const Slot& slot : slots_) sum += slot.counter.Get();
    return sum;
  }

 private:
  struct alignas(kCacheLineBytes) Slot {
    Counter counter;
  };
  std::array<Slot, kThreadSlots> slots_;
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
  Counter merged_bytes;
  SpreadCounter gets;
  SpreadCounter filter_negatives;
  Counter corruptions;
  Counter files_deleted_whole;
};

}  // namespace silt::lsm
