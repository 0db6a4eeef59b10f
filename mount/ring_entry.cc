#include "mount/ring_entry.h"

#include <linux/fuse.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "mount/fuse_adapter.h"

namespace silt::mount {
namespace {

using ring_abi::RequestHeader;

constexpr size_t kFront = 4096;
static_assert(sizeof(RequestHeader) + sizeof(fuse_in_header) + sizeof(RequestHeader::argument) <= kFront);

}  // namespace

size_t RingEntry::Bytes() {
  return kFront + kMaxWrite;
}

std::unique_ptr<RingEntry> RingEntry::Create() {
  void* memory = ::mmap(nullptr, Bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  return std::unique_ptr<RingEntry>(new RingEntry(static_cast<char*>(memory)));
}

RingEntry::RingEntry(char* memory) : memory_(memory), payload_(memory + kFront) {
  buffers_[0] = {memory_, sizeof(RequestHeader)};
  buffers_[1] = {payload_, kMaxWrite};
}

RingEntry::~RingEntry() {
  ::munmap(memory_, Bytes());
}

std::span<char> RingEntry::TakeRequest() {
  commit_id_ = header()->entry.commit_id;
  fuse_in_header in{};
  std::memcpy(&in, header()->in_out, sizeof(in));
  unique_ = in.unique;
  const size_t payload = header()->entry.payload_size;
  if (payload > kMaxWrite || in.len < sizeof(in) + payload) return {};
  const size_t argument = in.len - sizeof(in) - payload;
  if (argument > sizeof(header()->argument)) return {};
  char* begin = payload_ - argument - sizeof(in);
  std::memcpy(begin, &in, sizeof(in));
  std::memcpy(begin + sizeof(in), header()->argument, argument);
  return {begin, in.len};
}

int RingEntry::Reply(std::span<const iovec> parts) {
  fuse_out_header out{};
  std::memcpy(&out, parts[0].iov_base, sizeof(out));
  size_t used = 0;
  for (const iovec& part : parts.subspan(1)) {
    if (part.iov_len > kMaxWrite - used) {
      ReplyError(EIO);
      return -E2BIG;
    }
    // Answers may have been made in their place.
    if (part.iov_base != payload_ + used) std::memcpy(payload_ + used, part.iov_base, part.iov_len);
    used += part.iov_len;
  }
  std::memcpy(header()->in_out, &out, sizeof(out));
  header()->entry.payload_size = static_cast<uint32_t>(used);
  return 0;
}

std::span<char> RingEntry::Space() {
  return {payload_, kMaxWrite};
}

void RingEntry::ReplyError(int error) {
  fuse_out_header out{.len = sizeof(fuse_out_header), .error = -error, .unique = unique_};
  std::memcpy(header()->in_out, &out, sizeof(out));
  header()->entry.payload_size = 0;
}

}  // namespace silt::mount
