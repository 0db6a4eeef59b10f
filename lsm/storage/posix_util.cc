#include "lsm/storage/posix_util.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace silt::lsm {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

Status ErrnoStatus(std::string_view call, const std::string& path, int error) {
  std::string message = fmt::format("{}: {}: {}", call, path, std::generic_category().message(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Status::NoSpace(std::move(message));
    case ENOENT:
      return Status::NotFound(std::move(message));
    default:
      return Status::IoError(std::move(message));
  }
}

UniqueFd OpenRetry(const std::string& path, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return UniqueFd(fd);
}

Status WriteFully(int fd, const std::string& path, uint64_t offset, std::string_view data) {
  while (!data.empty()) {
    ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus("pwrite", path, errno);
    }
    if (n == 0) return ErrnoStatus("pwrite", path, EIO);  // POSIX allows it; it would loop for ever
    data.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return Status::Ok();
}

Status WritePieces(int fd, const std::string& path, uint64_t offset, std::span<const std::string_view> pieces,
                   uint64_t step) {
  size_t taken = 0;  // of the first piece
  for (;;) {
    std::array<iovec, 64> vectors;
    size_t count = 0;
    uint64_t room = step - offset % step;
    for (size_t i = 0; i < pieces.size() && count < vectors.size() && room > 0; ++i) {
      std::string_view piece = pieces[i].substr(i == 0 ? taken : 0, room);
      if (piece.empty()) continue;
      vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
      room -= piece.size();
    }
    if (count == 0) return Status::Ok();
    ssize_t n = ::pwritev(fd, vectors.data(), static_cast<int>(count), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return ErrnoStatus("pwritev", path, n < 0 ? errno : EIO);
    offset += static_cast<uint64_t>(n);
    taken += static_cast<size_t>(n);
    while (!pieces.empty() && taken >= pieces.front().size()) {
      taken -= pieces.front().size();
      pieces = pieces.subspan(1);
    }
  }
}

}  // namespace silt::lsm
