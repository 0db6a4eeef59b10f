// When suid and sgid bits go: what Linux leaves to a FUSE daemon under KILLPRIV_V2, for which a request alone says too little.
#pragma once

#include "fs/filesystem.h"
#include "mount/fuse_api.h"

namespace silt::mount {

// For a request that takes set-id bits away: which, by the caller's groups.
fs::ClearSetId SetIdToClear(fuse_req_t request, fs::Filesystem& filesystem, fuse_ino_t ino);

// Whether sgid must go with a change of the access ACL, as posix_acl_update_mode in Linux. The kernel tells by a flag of the
// request, which libfuse keeps to itself.
bool MustClearSgid(fuse_req_t request, fs::Filesystem& filesystem, fuse_ino_t ino);

// For a SETATTR that sets nothing. Two things look like that:
// - chown(2) that leaves both owners as they are. It takes set-id bits away, whoever calls; of a file that has some only the
//   owner may call it (EPERM).
// - file_remove_privs in Linux, before fallocate(2), copy_file_range(2) and some writes: the file loses what makes it
//   privileged, in the name of whoever may write to it. Those who may leave set-id bits standing (CAP_FSETID) send it for
//   files with capabilities, which then went before by a REMOVEXATTR.
// Which of the two it is, only the caller's system call tells.
fs::Result<fs::ClearSetId> SetIdOfEmptyChange(fuse_req_t request, fs::Filesystem& filesystem, fuse_ino_t ino);

}  // namespace silt::mount
