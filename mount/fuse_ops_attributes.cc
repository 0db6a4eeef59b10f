// Attributes, extended attributes, and what is asked of the filesystem as a whole.
#include <linux/capability.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "fs/acl.h"
#include "mount/caller.h"
#include "mount/fuse_reply.h"
#include "mount/newer_requests.h"
#include "mount/raw_request.h"
#include "mount/set_id.h"

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
  return change;
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

constexpr std::string_view kCapabilityXattr = "security.capability";

// Without ACLs the kernel passes their names on as if they were any others.
bool IsRefused(fuse_req_t request, std::string_view name) {
  return !OptionsOf(request).acl && fs::IsAclName(name);
}

// A SETATTR that sets nothing; with the writeback cache chown(2) sends a ctime along.
bool SetsNothing(int valid) {
  return (valid & ~FUSE_SET_ATTR_CTIME) == 0;
}

// What listxattr(2) shows to whom: trusted.* is for administrators, as on other filesystems.
void HideXattrs(fuse_req_t request, std::vector<std::string>* names) {
  std::erase_if(*names, [&](const std::string& name) { return IsRefused(request, name); });
  auto trusted = [](const std::string& name) { return name.starts_with("trusted."); };
  if (std::any_of(names->begin(), names->end(), trusted) && !CallingThread(fuse_req_ctx(request)->pid).HasCapability(CAP_SYS_ADMIN)) {
    std::erase_if(*names, trusted);
  }
}

}  // namespace

void Getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* /*info*/) {
  AttributeAnswers::Answering answering(&AnswersOf(request));
  if (RawRequest::Current()->opcode() == kStatxOpcode) {
    Statx(request, ino);
    return;
  }
  fs::Result<fs::Attributes> attributes = Begin(request, Request::kGetattr).GetAttributes(ino);
  if (attributes) Telling(request, *attributes);
  ReplyAttributes(request, attributes);
}

void Setattr(fuse_req_t request, fuse_ino_t ino, struct stat* attributes, int valid, fuse_file_info* /*info*/) {
  fs::AttributeChange change = ToChange(*attributes, valid);
  fs::Filesystem& filesystem = Begin(request, Request::kSetattr);
  if (SetsNothing(valid)) {
    fs::Result<fs::ClearSetId> clear = SetIdOfEmptyChange(request, filesystem, ino);
    if (!clear) {
      fuse_reply_err(request, clear.error().value());
      return;
    }
    change.clear_set_id = *clear;
  } else if (valid & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID)) {
    change.clear_set_id = SetIdToClear(request, filesystem, ino);
  }
  ReplyAttributes(request, filesystem.SetAttributes(ino, change));
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
  fs::Filesystem& filesystem = Begin(request, Request::kSetxattr);
  if (IsRefused(request, name)) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  if (name == fs::kAccessAclName && MustClearSgid(request, filesystem, ino)) flags |= fs::kXattrClearSgid;
  fs::Outcome set = filesystem.SetXattr(ino, name, {value, size}, flags);
  if (set) TakeBackAttributes(request, ino);
  ReplyOutcome(request, set);
}

void Getxattr(fuse_req_t request, fuse_ino_t ino, const char* name, size_t size) {
  fs::Filesystem& filesystem = Begin(request, Request::kGetxattr);
  fs::Result<std::string> value = IsRefused(request, name) ? fs::Fail(EOPNOTSUPP) : filesystem.GetXattr(ino, name);
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
  HideXattrs(request, &*names);
  std::string list;
  for (const std::string& name : *names) list.append(name).push_back('\0');
  ReplySized(request, list, size);
}

void Removexattr(fuse_req_t request, fuse_ino_t ino, const char* name) {
  fs::Filesystem& filesystem = Begin(request, Request::kRemovexattr);
  // The kernel takes file capabilities away before it asks for the chown(2) that may be refused.
  if (name == kCapabilityXattr) {
    if (fs::Result<fs::ClearSetId> clear = SetIdOfEmptyChange(request, filesystem, ino); !clear) {
      fuse_reply_err(request, clear.error().value());
      return;
    }
  }
  fs::Outcome removed = IsRefused(request, name) ? fs::Fail(EOPNOTSUPP) : filesystem.RemoveXattr(ino, name);
  if (removed) TakeBackAttributes(request, ino);
  ReplyOutcome(request, removed);
}

void Ioctl(fuse_req_t request, fuse_ino_t /*ino*/, unsigned int /*command*/, void* /*argument*/,
           fuse_file_info* /*info*/, unsigned /*flags*/, const void* /*in*/, size_t /*in_size*/, size_t /*out_size*/) {
  Begin(request, Request::kIoctl);
  fuse_reply_err(request, ENOTTY);
}

}  // namespace silt::mount
