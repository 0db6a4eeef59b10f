// One mount, from opening the store to closing it.
#pragma once

#include <string>

#include "mount/background.h"
#include "mount/mount_options.h"

namespace silt::mount {

struct SessionConfig {
  std::string store;       // absolute
  std::string mountpoint;  // absolute, a directory
  MountOptions options;
  bool foreground = false;
};

// Opens the store, mounts it, serves until it is unmounted, closes it. `report` is called once: when requests are
// served, or with what failed. Returns the process's exit code.
//
// SIGTERM, SIGINT and SIGHUP unmount while requests are still served, so that nothing that the kernel holds is lost; a
// mount in use is synced and detached, and the process ends when its last user is gone.
int RunSession(const SessionConfig& config, const ReportStart& report);

}  // namespace silt::mount
