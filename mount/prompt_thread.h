// Threads that serve requests have little to do at a time, and clients wait for it.
#pragma once

#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace silt::mount {

// Asks the scheduler for short turns of the calling thread: what runs longer turns (compactions, who copies megabytes)
// makes way for it when it wakes. Its share of the processor stays what it was. A comfort that Linux has since 6.12
// (sched_attr::sched_runtime of ordinary threads); elsewhere nothing changes.
inline void TakeShortTurns() {
  constexpr auto kTurn = std::chrono::nanoseconds(std::chrono::microseconds(100));
  sched_attr attributes{};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
  attributes.size = sizeof(attributes);
  attributes.sched_runtime = static_cast<uint64_t>(kTurn.count());
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace silt::mount
