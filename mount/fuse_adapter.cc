#include "mount/fuse_adapter.h"

#include "mount/fuse_reply.h"
#include "mount/newer_requests.h"
#include "mount/observe/control_operations.h"
#include "mount/raw_request.h"

namespace silt::mount {
namespace {

timespec ToTimespec(const fs::Time& time) {
  return {.tv_sec = time.seconds, .tv_nsec = static_cast<long>(time.nanoseconds)};
}

fuse_lowlevel_ops MakeOperations() {
  fuse_lowlevel_ops ops{};
  ops.init = &InitConnection;
  ops.lookup = &Lookup;
  ops.forget = &Forget;
  ops.forget_multi = &ForgetMulti;
  ops.getattr = &Getattr;
  ops.setattr = &Setattr;
  ops.readlink = &Readlink;
  ops.mknod = &Mknod;
  ops.mkdir = &Mkdir;
  ops.unlink = &Unlink;
  ops.rmdir = &Rmdir;
  ops.symlink = &Symlink;
  ops.rename = &Rename;
  ops.link = &Link;
  ops.create = &Create;
  ops.open = &Open;
  ops.flush = &Flush;
  ops.read = &Read;
  ops.write = &Write;
  ops.fsync = &Fsync;
  ops.fallocate = &Fallocate;
  ops.lseek = &Lseek;
  ops.copy_file_range = &CopyFileRange;
  ops.opendir = &Opendir;
  ops.readdir = &Readdir;
  ops.readdirplus = &Readdirplus;
  ops.fsyncdir = &Fsyncdir;
  ops.statfs = &Statfs;
  ops.setxattr = &Setxattr;
  ops.getxattr = &Getxattr;
  ops.listxattr = &Listxattr;
  ops.removexattr = &Removexattr;
  ops.access = &Access;
  ops.ioctl = &Ioctl;
  // TMPFILE and STATX come as CREATE and GETATTR (newer_requests.h).
  AddControlDirectory(&ops);
  // Left out on purpose: release and releasedir (not sent where open is not; nothing is kept for an open file, and
  // libfuse says so), poll and bmap (libfuse answers ENOSYS, and the kernel then never asks again), getlk, setlk and
  // flock (the kernel keeps locks itself).
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& AdapterOperations() {
  static const fuse_lowlevel_ops kOperations = MakeOperations();
  return kOperations;
}

struct stat ToStat(const fs::Attributes& attributes) {
  struct stat st {};
  st.st_ino = attributes.ino;
  st.st_mode = attributes.mode;
  st.st_nlink = attributes.nlink;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_rdev = attributes.rdev;
  st.st_size = static_cast<off_t>(attributes.size);
  st.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  st.st_blksize = static_cast<blksize_t>(attributes.block_size);
  st.st_atim = ToTimespec(attributes.atime);
  st.st_mtim = ToTimespec(attributes.mtime);
  st.st_ctim = ToTimespec(attributes.ctime);
  return st;
}

fuse_entry_param ToEntry(const fs::Attributes& attributes) {
  fuse_entry_param entry{};
  entry.ino = attributes.ino;
  entry.generation = 1;  // inode numbers are never used again
  entry.attr = ToStat(attributes);
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  return entry;
}

void ReplyOutcome(fuse_req_t request, const fs::Outcome& outcome) {
  fuse_reply_err(request, outcome ? 0 : outcome.error().value());
}

void ReplySynced(fuse_req_t request, fs::Filesystem& filesystem) {
  if (std::optional<int> error = RawRequest::Current()->synced()) {
    fuse_reply_err(request, *error);
  } else {
    ReplyOutcome(request, filesystem.SyncAll());
  }
}

void ReplyAttributes(fuse_req_t request, const fs::Result<fs::Attributes>& result) {
  if (!result) {
    fuse_reply_err(request, result.error().value());
    return;
  }
  if (RawRequest::Current()->opcode() == kStatxOpcode) {  // which comes as a GETATTR (newer_requests.h)
    ReplyStatx(request, *result);
    return;
  }
  struct stat st = ToStat(*result);
  fuse_reply_attr(request, &st, kForever);
}

void ReplyEntry(fuse_req_t request, fs::Filesystem& filesystem, const fs::Result<fs::Attributes>& result) {
  if (!result) {
    fuse_reply_err(request, result.error().value());
    return;
  }
  fuse_entry_param entry = ToEntry(*result);
  if (fuse_reply_entry(request, &entry) != 0) filesystem.Forget(result->ino, 1);
}

}  // namespace silt::mount
