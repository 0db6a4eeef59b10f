#include "lsm/storage/posix_util.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

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

}  // namespace silt::lsm
