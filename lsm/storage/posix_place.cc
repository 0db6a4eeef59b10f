#include "lsm/storage/posix_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace silt::lsm {
namespace {

int RetryOpen(int directory, const char* name, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = ::openat(directory, name, flags, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// For kernels before 5.6, and where a sandbox forbids openat2(2).
UniqueFd OpenAtAndCompare(const Place& place, int flags, mode_t mode) {
  UniqueFd fd(RetryOpen(place.directory(), place.name(), flags, mode));
  struct stat file {};
  struct stat directory {};
  if (!fd || ::fstat(fd.get(), &file) != 0 || ::fstat(place.directory(), &directory) != 0) return UniqueFd();
  if (file.st_dev == directory.st_dev) return fd;
  errno = EXDEV;
  return UniqueFd();
}

std::string_view KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFLNK:
      return "a symbolic link";
    default:
      return "a device";
  }
}

Status OpenError(const Place& place, const std::string& path, int error) {
  struct stat info {};
  switch (error) {
    case EXDEV:
      return Status::IoError(fmt::format("{}: is on another filesystem than the store's directory", path));
    case ELOOP:   // a symbolic link
    case ENXIO:   // a socket
    case EISDIR:  // for writing
    case ENOTDIR:
      if (::fstatat(place.directory(), place.name(), &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(info.st_mode)) {
        return NotRegular(path, info.st_mode);
      }
      return ErrnoStatus("open", path, error);
    default:
      return ErrnoStatus("open", path, error);
  }
}

}  // namespace

Status NotRegular(const std::string& path, mode_t mode) {
  return Status::IoError(
      fmt::format("{}: is {}, not a regular file as the files of a store are; move it away", path, KindOf(mode)));
}

UniqueFd OpenAt(const Place& place, int flags, mode_t mode) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  if ((flags & O_PATH) == 0) flags |= O_NONBLOCK | O_NOCTTY;
  open_how how{};
  how.flags = static_cast<uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, place.directory(), place.name(), &how, sizeof(how));
  } while (fd < 0 && errno == EINTR);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return OpenAtAndCompare(place, flags, mode);
  return UniqueFd(static_cast<int>(fd));
}

Result<UniqueFd> OpenRegularFile(const Place& place, const std::string& path, int flags, mode_t mode,
                                 struct stat* info) {
  if (!place) return Fail(ErrnoStatus("open", path, errno));
  UniqueFd fd = OpenAt(place, flags, mode);
  if (!fd) {
    const int error = errno;
    Status status = OpenError(place, path, error);
    errno = error;
    return Fail(std::move(status));
  }
  struct stat own {};
  if (info == nullptr) info = &own;
  if (::fstat(fd.get(), info) != 0) return Fail(ErrnoStatus("fstat", path, errno));
  if (S_ISREG(info->st_mode)) return fd;
  errno = 0;
  return Fail(NotRegular(path, info->st_mode));
}

Place Place::Owned() const {
  UniqueFd copy(directory_ < 0 ? -1 : ::fcntl(directory_, F_DUPFD_CLOEXEC, 0));
  return copy ? Place(std::move(copy), name_) : Place();
}

std::optional<std::string> PosixRoot::Below(const std::string& path) const {
  if (!directory_ || !path.starts_with(path_)) return std::nullopt;
  if (path.size() > path_.size() && path[path_.size()] != '/' && !path_.ends_with('/')) return std::nullopt;
  size_t begin = path.find_first_not_of('/', path_.size());
  if (begin == std::string::npos) return "";
  size_t end = path.find_last_not_of('/') + 1;
  return path.substr(begin, end - begin);
}

UniqueFd PosixRoot::Walk(const std::string& below, int flags) const {
  UniqueFd at;
  for (size_t begin = 0; begin < below.size();) {
    size_t end = std::min(below.find('/', begin), below.size());
    const bool last = end == below.size();
    UniqueFd next = OpenAt(Place(at ? at.get() : directory_.get(), below.substr(begin, end - begin)),
                           O_DIRECTORY | (last ? flags : O_PATH));
    if (!next) return next;
    at = std::move(next);
    begin = end + 1;
  }
  return at;
}

UniqueFd PosixRoot::OpenDirectory(const std::string& path, int flags) const {
  auto below = Below(path);
  if (!below) return OpenRetry(path, flags | O_DIRECTORY);
  if (!below->empty()) return Walk(*below, flags);
  return UniqueFd(RetryOpen(directory_.get(), ".", flags | O_DIRECTORY | O_CLOEXEC, 0));
}

Place PosixRoot::Find(const std::string& path) const {
  if (auto below = Below(path)) {
    size_t slash = below->rfind('/');
    if (slash == std::string::npos) return {directory_.get(), below->empty() ? "." : *below};
    UniqueFd directory = Walk(below->substr(0, slash), O_PATH);
    return directory ? Place(std::move(directory), below->substr(slash + 1)) : Place();
  }
  size_t end = path.find_last_not_of('/') + 1;  // 0 for "/" and ""
  size_t slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
  std::string parent = slash == std::string::npos ? (path.starts_with('/') ? "/" : ".") : path.substr(0, slash + 1);
  UniqueFd directory = OpenRetry(parent, O_PATH | O_DIRECTORY);
  if (!directory) return {};
  size_t begin = slash == std::string::npos ? 0 : slash + 1;
  std::string name = path.substr(begin, end > begin ? end - begin : 0);
  return {std::move(directory), name.empty() ? "." : std::move(name)};
}

bool PosixRoot::WasDeleted() const {
  struct stat info {};
  return directory_ && ::fstat(directory_.get(), &info) == 0 && info.st_nlink == 0;
}

}  // namespace silt::lsm
