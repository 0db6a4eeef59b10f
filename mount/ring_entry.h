// One request of a FUSE ring at a time: the memory that the kernel fills with it, and takes the reply from.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "mount/fuse_ring_abi.h"
#include "mount/raw_request.h"

namespace silt::mount {

// Used by one thread at a time.
class RingEntry final : public ReplyTarget {
 public:
  // nullptr: no memory. Pages are taken as they are used.
  static std::unique_ptr<RingEntry> Create();
  ~RingEntry() override;
  static size_t Bytes();

  // Header and payload, as kRegister wants them.
  const iovec* Buffers() const { return buffers_; }
  uint64_t commit_id() const { return commit_id_; }

  // A request has arrived. Returns it in one piece, as from /dev/fuse; empty when it makes no sense.
  std::span<char> TakeRequest();
  // 0 or -errno. Also when the request is not served: a reply there must be, or the kernel waits for ever.
  int Reply(std::span<const iovec> parts) override;
  std::span<char> Space() override;
  void ReplyError(int error);

 private:
  explicit RingEntry(char* memory);
  ring_abi::RequestHeader* header() const { return reinterpret_cast<ring_abi::RequestHeader*>(memory_); }

  // One page for the header and, at its end, for what comes before the payload when a request is put in one piece;
  // then the payload.
  char* const memory_;
  char* const payload_;
  iovec buffers_[2];
  uint64_t commit_id_ = 0;
  uint64_t unique_ = 0;
};

}  // namespace silt::mount
