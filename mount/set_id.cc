#include "mount/set_id.h"

#include <linux/capability.h>
#include <sys/stat.h>

#include <cerrno>

#include "mount/caller.h"

namespace silt::mount {
namespace {

bool SgidMustGo(const fuse_ctx& caller, const fs::Attributes& file) {
  if ((file.mode & S_ISGID) == 0 || caller.gid == file.gid) return false;
  CallingThread thread(caller.pid);
  return !thread.InGroup(file.gid) && !thread.HasCapability(CAP_FSETID);
}

fs::ClearSetId WhatToClear(const fuse_ctx& caller, const fs::Attributes& file) {
  return SgidMustGo(caller, file) ? fs::ClearSetId::kSuidAndSgid : fs::ClearSetId::kSuidAndExecutableSgid;
}

bool HasSetId(const fs::Attributes& file) {
  return !S_ISDIR(file.mode) && (file.mode & (S_ISUID | S_ISGID)) != 0;
}

bool TakesAway(fs::ClearSetId clear, const fs::Attributes& file) {
  return (file.mode & (S_ISUID | S_IXGRP)) != 0 || clear == fs::ClearSetId::kSuidAndSgid;
}

bool MayChangeMode(const fuse_ctx& caller, const fs::Attributes& file) {
  return caller.uid == 0 || caller.uid == file.uid || CallingThread(caller.pid).HasCapability(CAP_FOWNER);
}

// Of callers that are hidden from us: those who could not write to the file are not about to.
bool MayBeWriting(const fuse_ctx& caller, const fs::Attributes& file) {
  if (caller.uid == 0 || caller.uid == file.uid) return true;
  return (file.mode & S_IWOTH) != 0 || ((file.mode & S_IWGRP) != 0 && caller.gid == file.gid);
}

}  // namespace

fs::ClearSetId SetIdToClear(fuse_req_t request, fs::Filesystem& filesystem, fuse_ino_t ino) {
  fs::Result<fs::Attributes> file = filesystem.GetAttributes(ino);
  return file ? WhatToClear(*fuse_req_ctx(request), *file) : fs::ClearSetId::kSuidAndExecutableSgid;
}

bool MustClearSgid(fuse_req_t request, fs::Filesystem& filesystem, fuse_ino_t ino) {
  fs::Result<fs::Attributes> file = filesystem.GetAttributes(ino);
  return file && SgidMustGo(*fuse_req_ctx(request), *file);
}

fs::Result<fs::ClearSetId> SetIdOfEmptyChange(fuse_req_t request, fs::Filesystem& filesystem, fuse_ino_t ino) {
  fs::Result<fs::Attributes> file = filesystem.GetAttributes(ino);
  if (!file) return tl::unexpected(file.error());
  if (!HasSetId(*file)) return fs::ClearSetId::kNo;
  const fuse_ctx& caller = *fuse_req_ctx(request);
  const fs::ClearSetId clear = WhatToClear(caller, *file);
  CallingThread thread(caller.pid);
  const bool writes = !thread.IsChangingOwner().value_or(!MayBeWriting(caller, *file));
  if (writes) return thread.HasCapability(CAP_FSETID) ? fs::ClearSetId::kNo : clear;
  if (TakesAway(clear, *file) && !MayChangeMode(caller, *file)) return fs::Fail(EPERM);
  return clear;
}

}  // namespace silt::mount
