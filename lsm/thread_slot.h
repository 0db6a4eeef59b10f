// Spreads threads over a few slots, so that what all of them touch for each operation need not be one cache line.
#pragma once

#include <atomic>
#include <cstddef>

namespace silt::lsm {

inline constexpr size_t kThreadSlots = 8;
inline constexpr size_t kCacheLineBytes = 64;

// The calling thread's slot, below kThreadSlots, the same for its whole life. Threads may share one.
inline size_t ThreadSlot() {
  static std::atomic<size_t> next{0};
  thread_local const size_t slot = next.fetch_add(1, std::memory_order_relaxed) % kThreadSlots;
  return slot;
}

}  // namespace silt::lsm
