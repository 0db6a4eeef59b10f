#include "mount/prompt_thread.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace silt::mount {
namespace {

constexpr uint64_t kTurnNanos = 100'000;

// struct sched_attr of sched_setattr(2) in its first size; its header cannot be included beside <sched.h>.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

}  // namespace

void TakeShortTurns() {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
  attributes.runtime = kTurnNanos;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace silt::mount
