// Puts .siltfs between the kernel and the filesystem's operations.
#pragma once

#include "mount/fuse_api.h"

namespace silt::mount {

// Replaces entries of the adapter's table: what is about .siltfs is answered here, everything else goes on to the
// adapter's own operation. Nothing below .siltfs can be changed: EPERM. The adapter's options say whether there is one.
void AddControlDirectory(fuse_lowlevel_ops* operations);

}  // namespace silt::mount
