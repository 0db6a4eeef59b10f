// What is in files.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "mount/fuse_reply.h"
#include "mount/raw_request.h"
#include "mount/set_id.h"

namespace silt::mount {
namespace {

// One request copies no more, so that it holds a thread and the file's lock for a bounded time; callers go on by
// themselves after a short copy.
constexpr size_t kMaxCopy = size_t{64} << 20;

// Kept from one request to the next: a fresh megabyte for each would cost page faults.
std::span<char> OwnBuffer(size_t size) {
  thread_local std::vector<char> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return buffer;
}

}  // namespace

// ENOSYS: the kernel opens and closes files by itself from now on and keeps their pages. With -o relatime and its kin
// it is to go on asking: the pages that it has are read without us, so they go where a read would move the atime.
void Open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  Begin(request, Request::kOpen);
  const fs::AtimeRule rule = OptionsOf(request).file_atime;
  if (rule == fs::AtimeRule::kNever) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  RememberNoAtime(info);
  info->keep_cache = !MovesAtime(request, ino, *info, rule);
  fuse_reply_open(request, info);
}

// ENOSYS: close(2) has nothing to report; each write was answered for itself.
void Flush(fuse_req_t request, fuse_ino_t /*ino*/, fuse_file_info* /*info*/) {
  Begin(request, Request::kFlush);
  fuse_reply_err(request, ENOSYS);
}

void Read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  fs::Filesystem& filesystem = Begin(request, Request::kRead);
  std::span<char> buffer = RawRequest::Current()->ReplySpace();
  if (buffer.size() < size) buffer = OwnBuffer(size);
  fs::Result<size_t> read = filesystem.Read(ino, static_cast<uint64_t>(offset), buffer.first(size));
  if (read) {
    MoveAtime(request, ino, *info, OptionsOf(request).file_atime);
    fuse_reply_buf(request, buffer.data(), *read);
  } else {
    fuse_reply_err(request, read.error().value());
  }
}

void Write(fuse_req_t request, fuse_ino_t ino, const char* data, size_t size, off_t offset, fuse_file_info* info) {
  fs::Filesystem& filesystem = Begin(request, Request::kWrite);
  fs::Filesystem::WriteFlags flags{.sync = (info->flags & (O_SYNC | O_DSYNC)) != 0};
  if (RawRequest::Current()->WriteKillsSuidSgid()) flags.clear_set_id = SetIdToClear(request, filesystem, ino);
  fs::Result<size_t> written = filesystem.Write(ino, static_cast<uint64_t>(offset), {data, size}, flags);
  if (written) {
    fuse_reply_write(request, *written);
  } else {
    fuse_reply_err(request, written.error().value());
  }
}

void Fsync(fuse_req_t request, fuse_ino_t /*ino*/, int /*datasync*/, fuse_file_info* /*info*/) {
  ReplySynced(request, Begin(request, Request::kFsync));
}

void Fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info* /*info*/) {
  fs::Outcome allocated = Begin(request, Request::kFallocate)
                              .Allocate(ino, mode, static_cast<uint64_t>(offset), static_cast<uint64_t>(length));
  if (allocated) TakeBackAttributes(request, ino);
  ReplyOutcome(request, allocated);
}

void Lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* /*info*/) {
  fs::Result<uint64_t> found = Begin(request, Request::kLseek).SeekExtent(ino, static_cast<uint64_t>(offset), whence);
  if (found) {
    fuse_reply_lseek(request, static_cast<off_t>(*found));
  } else {
    fuse_reply_err(request, found.error().value());
  }
}

void CopyFileRange(fuse_req_t request, fuse_ino_t from, off_t from_offset, fuse_file_info* /*from_info*/, fuse_ino_t to,
                   off_t to_offset, fuse_file_info* /*to_info*/, size_t length, int flags) {
  fs::Filesystem& filesystem = Begin(request, Request::kCopyFileRange);
  if (flags != 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  fs::Result<size_t> copied = filesystem.CopyRange(from, static_cast<uint64_t>(from_offset), to,
                                                   static_cast<uint64_t>(to_offset), std::min(length, kMaxCopy));
  if (copied) {
    fuse_reply_write(request, *copied);
  } else {
    fuse_reply_err(request, copied.error().value());
  }
}

}  // namespace silt::mount
