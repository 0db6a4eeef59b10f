// What a verb's argument names: a store, or a mountpoint and thereby its store.
#pragma once

#include <optional>
#include <string>

#include "lsm/status.h"
#include "mount/control_socket.h"

namespace silt::mount {

struct Target {
  std::string store;       // absolute
  std::string mountpoint;  // absolute; empty when the store itself was named
};

// kNotFound when there is no such path or it is neither.
lsm::Result<Target> ResolveTarget(const std::string& path);

}  // namespace silt::mount
