#include "mount/observe/request_kind.h"

#include <linux/fuse.h>

#include <array>

namespace silt::mount {
namespace {

struct Kinds {
  static constexpr size_t kOpcodes = 64;
  std::array<std::optional<Request>, kOpcodes> by_opcode;
};

// Headers of older kernels lack a few names, so numbers that are younger than protocol 7.38 are written out.
constexpr uint32_t kOpcodeTmpfile = 51;
constexpr uint32_t kOpcodeStatx = 52;

constexpr Kinds MakeKinds() {
  Kinds kinds;
  auto set = [&](uint32_t opcode, Request kind) { kinds.by_opcode[opcode] = kind; };
  set(FUSE_LOOKUP, Request::kLookup);
  set(FUSE_FORGET, Request::kForget);
  set(FUSE_BATCH_FORGET, Request::kForget);
  set(FUSE_GETATTR, Request::kGetattr);
  set(FUSE_SETATTR, Request::kSetattr);
  set(FUSE_READLINK, Request::kReadlink);
  set(FUSE_SYMLINK, Request::kSymlink);
  set(FUSE_MKNOD, Request::kMknod);
  set(FUSE_MKDIR, Request::kMkdir);
  set(FUSE_UNLINK, Request::kUnlink);
  set(FUSE_RMDIR, Request::kRmdir);
  set(FUSE_RENAME, Request::kRename);
  set(FUSE_RENAME2, Request::kRename);
  set(FUSE_LINK, Request::kLink);
  set(FUSE_OPEN, Request::kOpen);
  set(FUSE_READ, Request::kRead);
  set(FUSE_WRITE, Request::kWrite);
  set(FUSE_STATFS, Request::kStatfs);
  set(FUSE_FSYNC, Request::kFsync);
  set(FUSE_SETXATTR, Request::kSetxattr);
  set(FUSE_GETXATTR, Request::kGetxattr);
  set(FUSE_LISTXATTR, Request::kListxattr);
  set(FUSE_REMOVEXATTR, Request::kRemovexattr);
  set(FUSE_FLUSH, Request::kFlush);
  set(FUSE_OPENDIR, Request::kOpendir);
  set(FUSE_READDIR, Request::kReaddir);
  set(FUSE_READDIRPLUS, Request::kReaddirplus);
  set(FUSE_FSYNCDIR, Request::kFsyncdir);
  set(FUSE_ACCESS, Request::kAccess);
  set(FUSE_CREATE, Request::kCreate);
  set(kOpcodeTmpfile, Request::kTmpfile);
  set(FUSE_FALLOCATE, Request::kFallocate);
  set(FUSE_COPY_FILE_RANGE, Request::kCopyFileRange);
  set(FUSE_LSEEK, Request::kLseek);
  set(FUSE_IOCTL, Request::kIoctl);
  set(kOpcodeStatx, Request::kStatx);
  return kinds;
}

constexpr Kinds kKinds = MakeKinds();

}  // namespace

std::optional<Request> KindOf(uint32_t opcode) {
  return opcode < Kinds::kOpcodes ? kKinds.by_opcode[opcode] : std::nullopt;
}

}  // namespace silt::mount
