// mount -o remount: what is mounted stays, between read-only and read-write.
#pragma once

#include <string>

#include "lsm/status.h"
#include "mount/mount_options.h"

namespace silt::mount {

// For mount(2): MS_REMOUNT, and what the options say of ro and of the flags of mount(8).
unsigned long RemountFlags(const MountOptions& options);

// Takes on `options.read_only` and the flags of mount(8) among the options; the rest stays what it was. When a mount has
// become read-only, everything is on disk on return. kBusy while a file is open for writing, kReadOnly when the store
// was opened read-only and therefore cannot be written without being mounted anew.
lsm::Status Remount(const std::string& mountpoint, const MountOptions& options);

}  // namespace silt::mount
