// The lock file of a store on a POSIX filesystem.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "lsm/storage/posix_place.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {

// Storage::LockFile. Among processes an open-file-description lock (fcntl(2)), which dies with its holder and works on
// NFS; within this one a table by device and inode, for filesystems whose locks do nothing inside a process.
Result<std::unique_ptr<FileLock>> LockPosixFile(const PosixRoot& root, const std::string& path,
                                                std::string_view description, mode_t mode);

}  // namespace silt::lsm
