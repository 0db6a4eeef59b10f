// What a mount was told to be, for people: .siltfs/config.
#pragma once

#include <string>

#include "mount/mount_options.h"

namespace silt::mount {

// "name value" lines.
std::string ConfigText(const std::string& store, const std::string& mountpoint, const MountOptions& options);

}  // namespace silt::mount
