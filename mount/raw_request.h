// The request that a thread is serving, as the kernel sent it: what libfuse does not pass on is read here, and here its
// reply is led to where the request came from.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "mount/fuse_api.h"

namespace silt::mount {

// Where a request came from, when that is not the session's own /dev/fuse. Called by the thread that serves it.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;
  // parts[0] holds the fuse_out_header. 0 or -errno.
  virtual int Reply(std::span<const iovec> parts) = 0;
  // Where a reply's payload may be made in its place, if the request has none of its own.
  virtual std::span<char> Space() { return {}; }
};

class RawRequest {
 public:
  // `bytes`: header, the operation's argument and its payload, in one piece, as read from /dev/fuse. REQUIRES: at least
  // a header. `target`: nullptr for /dev/fuse.
  explicit RawRequest(std::span<char> bytes, ReplyTarget* target = nullptr);

  // Has libfuse decode it and call the operation, whose reply has been sent when this returns.
  void Serve(fuse_session* session);

  // As the kernel sent it, whatever libfuse is told (newer_requests.h).
  uint32_t opcode() const { return opcode_; }
  std::span<const char> bytes() const { return bytes_; }

  // Of the reply that was sent: errno, 0 for success. nullopt before, for a request without one, and where replies are
  // not routed.
  std::optional<int> reply_error() const { return reply_error_; }
  // The inode of a reply that tells of one (LOOKUP, CREATE, MKDIR, ...); 0 where there is none.
  uint64_t ReplyInode() const;

  // How much data a READ or WRITE is about; 0 for all others.
  uint32_t DataBytes() const;

  // Of a write: the caller may not leave suid and sgid standing (KILLPRIV_V2).
  bool WriteKillsSuidSgid() const;

  // Of INIT: what the kernel offers (FUSE_... of linux/fuse.h), and what the reply then takes of it beyond what libfuse
  // has a name for.
  uint64_t OfferedByKernel() const;
  void AcceptAlso(uint64_t flags) { accepted_ |= flags; }

  // See ReplyTarget::Space; empty where there is none. REQUIRES: a request without payload.
  std::span<char> ReplySpace() const { return target_ != nullptr ? target_->Space() : std::span<char>(); }

  // Of FSYNC and FSYNCDIR: what they ask for was done before they are served (SyncQueue), with this errno, 0 for
  // success. `begun`: when the request came.
  void SetSynced(int error, std::chrono::steady_clock::time_point begun) {
    synced_ = error;
    begun_ = begun;
  }
  std::optional<int> synced() const { return synced_; }
  // nullopt: it came now.
  std::optional<std::chrono::steady_clock::time_point> begun() const { return begun_; }

  // Being served by this thread; nullptr outside of Serve.
  static RawRequest* Current();

 private:
  friend class ReplyRouting;
  uint64_t unique() const;
  int SendReply(int fd, std::span<iovec> parts);

  std::span<char> bytes_;
  ReplyTarget* target_;
  uint32_t opcode_;
  uint64_t accepted_ = 0;
  std::optional<int> reply_error_;
  std::optional<int> synced_;
  std::optional<std::chrono::steady_clock::time_point> begun_;
  uint64_t reply_front_ = 0;  // the first bytes of its body, where it has so many
};

// Leads the replies of a mounted session through SendReply. False where libfuse was built without
// fuse_session_custom_io: then replies go to /dev/fuse, and nothing can be accepted that libfuse has no name for.
bool RouteReplies(fuse_session* session);

}  // namespace silt::mount
