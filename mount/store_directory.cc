#include "mount/store_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "lsm/storage/posix_util.h"

namespace silt::mount {

using lsm::Result;

Result<StoreDirectory> StoreDirectory::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Fail(lsm::ErrnoStatus("open", path, errno));
  auto storage = lsm::Storage::PosixDirectory(fd.get(), path);
  if (!storage) return Fail(storage.error());
  return StoreDirectory(std::move(fd), path, *std::move(storage));
}

std::string StoreDirectory::CurrentPath() const {
  std::array<char, PATH_MAX> buffer;
  ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", fd_.get()).c_str(), buffer.data(), buffer.size());
  if (length <= 0) return path_;
  std::string found(buffer.data(), static_cast<size_t>(length));
  // "... (deleted)" and what is outside of this root directory are no names.
  struct stat ours {};
  struct stat named {};
  const bool same = ::fstat(fd_.get(), &ours) == 0 && ::stat(found.c_str(), &named) == 0 &&
                    ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
  return same ? found : path_;
}

}  // namespace silt::mount
