// Where the files of a POSIX storage are: the descriptor of a directory and a name in it. Files are opened by name only
// relative to such a descriptor, and no symbolic link, FIFO or mount point in the name's place is followed.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "lsm/status.h"
#include "lsm/storage/posix_util.h"

namespace silt::lsm {

// A name in a directory. Keeps the directory's descriptor open if it has opened it, else borrows that of PosixRoot.
class Place {
 public:
  Place() = default;
  Place(int directory, std::string name) : directory_(directory), name_(std::move(name)) {}
  Place(UniqueFd directory, std::string name)
      : owned_(std::move(directory)), directory_(owned_.get()), name_(std::move(name)) {}

  // With a descriptor of its own, for who outlives the root.
  Place Owned() const;

  explicit operator bool() const { return directory_ >= 0; }
  int directory() const { return directory_; }
  const char* name() const { return name_.c_str(); }

 private:
  UniqueFd owned_;
  int directory_ = -1;
  std::string name_;
};

// The directory that a storage is bound to, if it is bound to one. Thread-safe.
class PosixRoot {
 public:
  PosixRoot() = default;  // bound to none: every path is the host's
  PosixRoot(UniqueFd directory, std::string path) : directory_(std::move(directory)), path_(std::move(path)) {}

  // The place of `path`. Paths that are the root's path or continue it are looked up from its descriptor, whatever that
  // path names by now. False with errno set when a directory on the way cannot be opened.
  Place Find(const std::string& path) const;
  // Opens `path` as a directory; symbolic links are followed only on the way to a directory outside of the root.
  UniqueFd OpenDirectory(const std::string& path, int flags) const;

  const std::string& path() const { return path_; }
  int descriptor() const { return directory_.get(); }
  bool IsBound() const { return static_cast<bool>(directory_); }
  bool WasDeleted() const;  // somebody removed the directory

 private:
  // What follows the root's path: "" for the root itself.
  std::optional<std::string> Below(const std::string& path) const;
  UniqueFd Walk(const std::string& below, int flags) const;

  UniqueFd directory_;
  std::string path_;
};

// openat(2) of a name in a directory, never through a symbolic link, never onto another mount, and without waiting for
// the other end of a FIFO. False with errno set: ELOOP for a symbolic link, EXDEV for another filesystem.
UniqueFd OpenAt(const Place& place, int flags, mode_t mode = 0);

// "PATH: is a FIFO, not a regular file ..."
Status NotRegular(const std::string& path, mode_t mode);

// Opens a regular file in that way. The error says what else is in its place; errno is set, 0 for
// that. `info` may be null.
Result<UniqueFd> OpenRegularFile(const Place& place, const std::string& path, int flags, mode_t mode = 0,
                                 struct stat* info = nullptr);

}  // namespace silt::lsm
