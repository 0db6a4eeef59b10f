// statx(2): what stat(2) shows, and when the file was made.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mount/fuse_reply.h"

namespace silt::mount {
namespace {

// As linux/fuse.h has them since protocol 7.39 (Linux 6.6), for builds with older headers.
struct WireTime {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t reserved;
};
struct WireStatx {
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t nlink, uid, gid;
  uint16_t mode, spare0;
  uint64_t ino, size, blocks, attributes_mask;
  WireTime atime, btime, ctime, mtime;
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  uint64_t spare[14];
};
struct WireStatxReply {
  uint64_t valid_seconds;
  uint32_t valid_nanoseconds;
  uint32_t flags;
  uint64_t spare[2];
  WireStatx stat;
};
static_assert(sizeof(WireStatxReply) == 32 + 256);

WireTime ToWire(const fs::Time& time) {
  return {.seconds = time.seconds, .nanoseconds = time.nanoseconds, .reserved = 0};
}

WireStatx ToWire(const fs::Attributes& attributes) {
  WireStatx out{};
  out.mask = STATX_BASIC_STATS | STATX_BTIME;
  out.block_size = attributes.block_size;
  out.nlink = attributes.nlink;
  out.uid = attributes.uid;
  out.gid = attributes.gid;
  out.mode = static_cast<uint16_t>(attributes.mode);
  out.ino = attributes.ino;
  out.size = attributes.size;
  out.blocks = attributes.blocks;
  out.rdev_major = gnu_dev_major(attributes.rdev);
  out.rdev_minor = gnu_dev_minor(attributes.rdev);
  out.atime = ToWire(attributes.atime);
  out.btime = ToWire(attributes.btime);
  out.ctime = ToWire(attributes.ctime);
  out.mtime = ToWire(attributes.mtime);
  return out;
}

}  // namespace

void ReplyStatx(fuse_req_t request, const fs::Attributes& attributes) {
  WireStatxReply reply{};
  reply.valid_seconds = static_cast<uint64_t>(kForever);
  reply.stat = ToWire(attributes);
  fuse_reply_buf(request, reinterpret_cast<const char*>(&reply), sizeof(reply));
}

void Statx(fuse_req_t request, fuse_ino_t ino) {
  fs::Result<fs::Attributes> found = Begin(request, Request::kStatx).GetAttributes(ino);
  if (!found) {
    fuse_reply_err(request, found.error().value());
    return;
  }
  Telling(request, *found);
  ReplyStatx(request, *found);
}

}  // namespace silt::mount
