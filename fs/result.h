// How operations of the filesystem report: a value, or an errno with a line for the log.
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "lsm/status.h"

namespace silt::fs {

// An errno as POSIX and the Linux man pages name them for the call. Not thread-safe to mutate.
class Errno {
 public:
  explicit Errno(int value) : value_(value) {}
  int value() const { return value_; }
  friend bool operator==(Errno, Errno) = default;

 private:
  int value_;
};

template <class T>
using Result = tl::expected<T, Errno>;
using Outcome = tl::expected<void, Errno>;

inline tl::unexpected<Errno> Fail(int error) { return tl::unexpected<Errno>(Errno(error)); }

// The one place where engine failures become errnos: corruption and I/O errors EIO, no space ENOSPC, read-only EROFS.
int ErrnoOf(const lsm::Status& status);

}  // namespace silt::fs
