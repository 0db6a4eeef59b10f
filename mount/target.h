// What a verb's argument names: a store, or a mountpoint and thereby its store.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "mount/control_socket.h"

namespace silt::mount {

struct Target {
  std::string store;       // absolute
  std::string mountpoint;  // absolute; empty when the store itself was named
};

// kNotFound when there is no such path or it is neither.
lsm::Result<Target> ResolveTarget(const std::string& path);

// Why no store is to be seen at `directory`: it may not be looked into, or else as `otherwise` says.
std::string WhyNoStore(const std::string& directory, std::string_view otherwise);

}  // namespace silt::mount
