// Taking a mount away.
#pragma once

#include <string>

#include "lsm/status.h"

namespace silt::mount {

// As root by umount2(2), otherwise through fusermount3. `lazy` detaches the mount at once and lets those who still use
// it finish. `force`, for root alone, ends what waits for the daemon with an error. kBusy when somebody uses it, kIoError otherwise; the message has no path.
lsm::Status Unmount(const std::string& mountpoint, bool lazy, bool force = false);

}  // namespace silt::mount
