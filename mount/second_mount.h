// mount(8) of a store that is mounted already.
#pragma once

#include <optional>
#include <string>

#include "lsm/status.h"
#include "mount/session.h"

namespace silt::mount {

// A mountpoint of the store that this process sees, and whose daemon lives.
std::optional<std::string> LiveMountpointOf(const std::string& store);

// Mounts at config.mountpoint what is mounted at `first`, as other filesystems do when their device is mounted a second
// time: it is the same filesystem, served by the same daemon until the last of its mounts has gone. Flags of mount(8)
// are this mount's own, as is ro; what else the options say is as it was for the first. kBusy when the first is
// read-only and this is not to be, or for somebody who may not make bind mounts; kNotFound when the first was unmounted
// meanwhile.
lsm::Status MountAgain(const std::string& first, const SessionConfig& config);

}  // namespace silt::mount
