#include "mount/raw_request.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "mount/newer_requests.h"

namespace silt::mount {
namespace {

thread_local RawRequest* t_current = nullptr;

// Copied out, as the bytes have no alignment of their own. Zero where the request is too short for it.
template <class Struct>
Struct StructAt(std::span<const char> bytes, size_t offset) {
  Struct out{};
  if (bytes.size() >= offset + sizeof(out)) std::memcpy(&out, bytes.data() + offset, sizeof(out));
  return out;
}

void AddToInitReply(const iovec& body, uint64_t accepted) {
  fuse_init_out init{};
  if (body.iov_len < sizeof(init)) return;
  std::memcpy(&init, body.iov_base, sizeof(init));
  init.flags |= static_cast<uint32_t>(accepted);
  if (auto high = static_cast<uint32_t>(accepted >> 32); high != 0) {
    init.flags |= FUSE_INIT_EXT;
    init.flags2 |= high;
  }
  std::memcpy(body.iov_base, &init, sizeof(init));
}

ssize_t ReadRequest(int fd, void* buffer, size_t size, void* /*userdata*/) {
  return ::read(fd, buffer, size);
}

}  // namespace

// libfuse's own way to send a reply, replaced.
class ReplyRouting {
 public:
  static ssize_t Write(int fd, iovec* parts, int count, void* /*userdata*/) {
    auto header = StructAt<fuse_out_header>({static_cast<const char*>(parts[0].iov_base), parts[0].iov_len}, 0);
    RawRequest* current = RawRequest::Current();
    // Notifications have no request.
    if (current == nullptr || header.unique != current->unique()) return ::writev(fd, parts, count);
    int error = current->SendReply(fd, {parts, static_cast<size_t>(count)});
    if (error == 0) return header.len;
    errno = -error;
    return -1;
  }
};

void RawRequest::Serve(fuse_session* session) {
  t_current = this;
  DisguiseNewerRequest(bytes_);
  fuse_buf buffer{};
  buffer.mem = bytes_.data();
  buffer.size = bytes_.size();
  fuse_session_process_buf(session, &buffer);
  t_current = nullptr;
}

RawRequest* RawRequest::Current() {
  return t_current;
}

RawRequest::RawRequest(std::span<char> bytes, ReplyTarget* target)
    : bytes_(bytes), target_(target), opcode_(StructAt<fuse_in_header>(bytes, 0).opcode) {}

uint64_t RawRequest::unique() const {
  return StructAt<fuse_in_header>(bytes_, 0).unique;
}

uint32_t RawRequest::DataBytes() const {
  if (opcode() == FUSE_READ) return StructAt<fuse_read_in>(bytes_, sizeof(fuse_in_header)).size;
  if (opcode() == FUSE_WRITE) return StructAt<fuse_write_in>(bytes_, sizeof(fuse_in_header)).size;
  return 0;
}

bool RawRequest::WriteKillsSuidSgid() const {
  auto write = StructAt<fuse_write_in>(bytes_, sizeof(fuse_in_header));
  return opcode() == FUSE_WRITE && (write.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
}

uint64_t RawRequest::OfferedByKernel() const {
  auto init = StructAt<fuse_init_in>(bytes_, sizeof(fuse_in_header));
  return (init.flags & FUSE_INIT_EXT) != 0 ? init.flags | static_cast<uint64_t>(init.flags2) << 32 : init.flags;
}

uint64_t RawRequest::ReplyInode() const {
  switch (opcode()) {
    case FUSE_LOOKUP:
    case FUSE_MKNOD:
    case FUSE_MKDIR:
    case FUSE_SYMLINK:
    case FUSE_LINK:
    case FUSE_CREATE:
      static_assert(offsetof(fuse_entry_out, nodeid) == 0);
      return reply_error_ == 0 ? reply_front_ : 0;
    default:
      return 0;
  }
}

int RawRequest::SendReply(int fd, std::span<iovec> parts) {
  auto front = [&](size_t part) { return std::span(static_cast<const char*>(parts[part].iov_base), parts[part].iov_len); };
  reply_error_ = -StructAt<fuse_out_header>(front(0), 0).error;
  if (parts.size() > 1) reply_front_ = StructAt<uint64_t>(front(1), 0);
  if (accepted_ != 0 && parts.size() > 1) AddToInitReply(parts[1], accepted_);
  if (target_ != nullptr) return target_->Reply(parts);
  return ::writev(fd, parts.data(), static_cast<int>(parts.size())) < 0 ? -errno : 0;
}

bool RouteReplies(fuse_session* session) {
  fuse_custom_io io{};
  io.writev = &ReplyRouting::Write;
  io.read = &ReadRequest;
  return fuse_session_custom_io(session, &io, fuse_session_fd(session)) == 0;
}

}  // namespace silt::mount
