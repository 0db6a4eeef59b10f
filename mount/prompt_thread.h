// Threads that serve requests have little to do at a time, and clients wait for it.
#pragma once

namespace silt::mount {

// Asks the scheduler for short turns of the calling thread: what runs longer turns (compactions, who copies megabytes)
// makes way for it when it wakes. Its share of the processor stays what it was. A comfort that Linux has since 6.12
// (sched_attr::sched_runtime of ordinary threads); elsewhere nothing changes.
void TakeShortTurns();

}  // namespace silt::mount
