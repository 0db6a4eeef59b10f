// FUSE over io_uring as the kernel defines it (include/uapi/linux/fuse.h, protocol 7.42, Linux 6.14), for builds with
// older headers.
#pragma once

#include <cstdint>

namespace silt::mount::ring_abi {

inline constexpr uint64_t kOverIoUring = uint64_t{1} << 41;  // of INIT's flags and flags2

inline constexpr uint32_t kRegister = 1;  // gives the kernel a request's buffers; completes with a request in them
inline constexpr uint32_t kCommitAndFetch = 2;  // the reply is in the buffers; completes with the next request

// What the kernel fills in for a request (fuse_in_header, the operation's argument), and reads of a reply
// (fuse_out_header). The rest of either is in the payload.
struct RequestHeader {
  char in_out[128];
  char argument[128];
  struct {
    uint64_t flags;
    uint64_t commit_id;
    uint32_t payload_size;
    uint32_t padding;
    uint64_t reserved;
  } entry;
};
static_assert(sizeof(RequestHeader) == 288);

// In the command area of a submission.
struct Command {
  uint64_t flags;
  uint64_t commit_id;
  uint16_t queue;
  uint8_t padding[6];
};
static_assert(sizeof(Command) == 24);

}  // namespace silt::mount::ring_abi
