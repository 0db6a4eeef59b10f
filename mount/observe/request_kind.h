// The kind under which a request of the kernel is counted and timed.
#pragma once

#include <optional>

#include "mount/request_counters.h"

namespace silt::mount {

// `opcode`: FUSE_... of linux/fuse.h. nullopt for what is no operation on files (INIT, INTERRUPT, ...) or is answered by
// libfuse itself.
std::optional<Request> KindOf(uint32_t opcode);

}  // namespace silt::mount
