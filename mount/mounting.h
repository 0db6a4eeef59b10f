// Mounting and unmounting as a whole: what the verbs share with the helpers of mount(8) and umount(8).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lsm/status.h"
#include "mount/session.h"

namespace silt::mount {

// Each list as behind one -o.
lsm::Status ParseOptionLists(const std::vector<std::string>& lists, MountOptions* options);

// Who has a store mounted. Waits for one that is closing it, after an unmount by other means than `siltfs umount`, which
// waits itself.
struct StoreUser {
  int pid = 0;
  std::string mountpoint;
};
std::optional<StoreUser> UserOfStore(const std::string& store);

// Everything that can be known to be wrong before a process is started. Makes both paths absolute, and detaches a dead
// siltfs mount that is in the way.
lsm::Status ValidateMount(SessionConfig* config);

// Mounts, in the foreground if the configuration says so. Complains, and returns the process's exit code.
int MountAndServe(SessionConfig config);

struct UnmountRequest {
  bool lazy = false;   // detach it at once, and do not wait
  bool force = false;  // end what waits for the daemon with an error
};

// Returns when the store is closed: everything is on disk, and it can be mounted again. kBusy while it is in use. Where
// it stays mounted elsewhere (a bind mount, another mount namespace) it says so, and does not wait for that to end.
lsm::Status UnmountAndWait(const std::string& path, UnmountRequest request);

}  // namespace silt::mount
