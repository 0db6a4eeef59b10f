#include "mount/newer_requests.h"

#include <linux/fuse.h>

#include <cstddef>
#include <cstring>

namespace silt::mount {
namespace {

// fuse_statx_in of linux/fuse.h, for builds with older headers: the first fields are those of fuse_getattr_in.
struct StatxArgument {
  uint32_t getattr_flags;
  uint32_t reserved;
  uint64_t fh;
  uint32_t sx_flags;
  uint32_t sx_mask;
};
static_assert(offsetof(StatxArgument, fh) == offsetof(fuse_getattr_in, fh));
static_assert(sizeof(StatxArgument) > sizeof(fuse_getattr_in));

}  // namespace

void DisguiseNewerRequest(std::span<char> bytes) {
  fuse_in_header header{};
  std::memcpy(&header, bytes.data(), sizeof(header));
  switch (header.opcode) {
    case kTmpfileOpcode:  // fuse_create_in and a name, which means nothing
      header.opcode = FUSE_CREATE;
      break;
    case kStatxOpcode:
      header.opcode = FUSE_GETATTR;
      break;
    default:
      return;
  }
  std::memcpy(bytes.data(), &header, sizeof(header));
}

}  // namespace silt::mount
