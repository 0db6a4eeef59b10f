// Attributes, extended attributes, and what is asked of the filesystem as a whole.
#include <linux/capability.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <string>
#include <vector>

#include "mount/caller.h"
#include "mount/fuse_reply.h"

namespace silt::mount {
namespace {

fs::Time FromTimespec(const timespec& time) {
  return {.seconds = time.tv_sec, .nanoseconds = static_cast<uint32_t>(time.tv_nsec)};
}

fs::AttributeChange ToChange(const struct stat& attributes, int valid) {
  fs::AttributeChange change;
  if (valid & FUSE_SET_ATTR_MODE) change.mode = attributes.st_mode & 07777;
  if (valid & FUSE_SET_ATTR_UID) change.uid = attributes.st_uid;
  if (valid & FUSE_SET_ATTR_GID) change.gid = attributes.st_gid;
  if (valid & FUSE_SET_ATTR_SIZE) change.size = static_cast<uint64_t>(attributes.st_size);
  change.atime_now = valid & FUSE_SET_ATTR_ATIME_NOW;
  change.mtime_now = valid & FUSE_SET_ATTR_MTIME_NOW;
  if ((valid & FUSE_SET_ATTR_ATIME) && !change.atime_now) change.atime = FromTimespec(attributes.st_atim);
  if ((valid & FUSE_SET_ATTR_MTIME) && !change.mtime_now) change.mtime = FromTimespec(attributes.st_mtim);
  // Sent with the writeback cache, where the kernel keeps the times of regular files.
  if (valid & FUSE_SET_ATTR_CTIME) change.ctime = FromTimespec(attributes.st_ctim);
  change.clear_suid_sgid = valid & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID);
  return change;
}

// A change of nothing: the kernel's word, before fallocate(2), copy_file_range(2) and the like, that the file loses what
// made it privileged (file_remove_privs in Linux, with KILLPRIV_V2). It does not say what: file capabilities, which it
// has removed by now, or suid and sgid too, for callers that may not leave them standing.
bool RemovesSuidSgid(fuse_req_t request, int valid) {
  return valid == 0 && !CallingThread(fuse_req_ctx(request)->pid).HasCapability(CAP_FSETID);
}

// Extended attributes are asked for with a size: 0 asks how much there is.
void ReplySized(fuse_req_t request, const std::string& value, size_t size) {
  if (size == 0) {
    fuse_reply_xattr(request, value.size());
  } else if (value.size() > size) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, value.data(), value.size());
  }
}

}  // namespace

void Getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* /*info*/) {
  ReplyAttributes(request, Begin(request, Request::kGetattr).GetAttributes(ino));
}

void Setattr(fuse_req_t request, fuse_ino_t ino, struct stat* attributes, int valid, fuse_file_info* /*info*/) {
  fs::AttributeChange change = ToChange(*attributes, valid);
  change.clear_suid_sgid = change.clear_suid_sgid || RemovesSuidSgid(request, valid);
  ReplyAttributes(request, Begin(request, Request::kSetattr).SetAttributes(ino, change));
}

// ENOSYS: the kernel checks permissions (default_permissions).
void Access(fuse_req_t request, fuse_ino_t /*ino*/, int /*mask*/) {
  Begin(request, Request::kAccess);
  fuse_reply_err(request, ENOSYS);
}

void Statfs(fuse_req_t request, fuse_ino_t /*ino*/) {
  fs::Result<fs::FilesystemStats> stats = Begin(request, Request::kStatfs).Stat();
  if (!stats) {
    fuse_reply_err(request, stats.error().value());
    return;
  }
  struct statvfs st {};
  st.f_bsize = stats->block_size;
  st.f_frsize = stats->block_size;
  st.f_blocks = stats->total_bytes / stats->block_size;
  st.f_bfree = stats->free_bytes / stats->block_size;
  st.f_bavail = stats->available_bytes / stats->block_size;
  st.f_files = stats->inodes;
  st.f_ffree = stats->free_inodes;
  st.f_favail = stats->free_inodes;
  st.f_namemax = fs::kMaxNameBytes;
  fuse_reply_statfs(request, &st);
}

void Setxattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value, size_t size, int flags) {
  ReplyOutcome(request, Begin(request, Request::kSetxattr).SetXattr(ino, name, {value, size}, flags));
}

void Getxattr(fuse_req_t request, fuse_ino_t ino, const char* name, size_t size) {
  fs::Result<std::string> value = Begin(request, Request::kGetxattr).GetXattr(ino, name);
  if (value) {
    ReplySized(request, *value, size);
  } else {
    fuse_reply_err(request, value.error().value());
  }
}

void Listxattr(fuse_req_t request, fuse_ino_t ino, size_t size) {
  fs::Result<std::vector<std::string>> names = Begin(request, Request::kListxattr).ListXattr(ino);
  if (!names) {
    fuse_reply_err(request, names.error().value());
    return;
  }
  std::string list;
  for (const std::string& name : *names) list.append(name).push_back('\0');
  ReplySized(request, list, size);
}

void Removexattr(fuse_req_t request, fuse_ino_t ino, const char* name) {
  ReplyOutcome(request, Begin(request, Request::kRemovexattr).RemoveXattr(ino, name));
}

void Ioctl(fuse_req_t request, fuse_ino_t /*ino*/, unsigned int /*command*/, void* /*argument*/,
           fuse_file_info* /*info*/, unsigned /*flags*/, const void* /*in*/, size_t /*in_size*/, size_t /*out_size*/) {
  Begin(request, Request::kIoctl);
  fuse_reply_err(request, ENOTTY);
}

}  // namespace silt::mount
