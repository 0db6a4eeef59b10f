// What the parts of the POSIX storage share: descriptors, whole writes, errors as Status.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "lsm/status.h"

namespace silt::lsm {

class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// "pwrite: /store/000012.wal: No space left on device". ENOSPC and EDQUOT are kNoSpace, ENOENT kNotFound, else
// kIoError.
Status ErrnoStatus(std::string_view call, const std::string& path, int error);

// open(2) with O_CLOEXEC, again when interrupted. False with errno set when it failed.
UniqueFd OpenRetry(const std::string& path, int flags, mode_t mode = 0);

// Writes all of `data` at `offset` however many calls it takes; part of it may have been written when it fails.
Status WriteFully(int fd, const std::string& path, uint64_t offset, std::string_view data);
// The same for pieces that follow each other in the file. No call goes beyond a multiple of `step`.
Status WritePieces(int fd, const std::string& path, uint64_t offset, std::span<const std::string_view> pieces,
                   uint64_t step);

}  // namespace silt::lsm
