// The directory of a store, held open from the beginning of a mount to its end: the daemon's files are those in this
// directory, whatever it is called meanwhile, and whatever has its old name.
#pragma once

#include <memory>
#include <string>

#include "lsm/storage/storage.h"
#include "mount/unique_fd.h"

namespace silt::mount {

// Thread-safe once it is open.
class StoreDirectory {
 public:
  // `path`: absolute. kNotFound, or kIoError when it cannot be opened.
  static lsm::Result<StoreDirectory> Open(const std::string& path);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }  // when it was opened
  // What it is called now; path() when it has no name any more, or one that cannot be seen from here.
  std::string CurrentPath() const;
  // Its files, by paths that begin with path().
  lsm::Storage* storage() const { return storage_.get(); }

 private:
  StoreDirectory(UniqueFd fd, std::string path, std::shared_ptr<lsm::Storage> storage)
      : fd_(std::move(fd)), path_(std::move(path)), storage_(std::move(storage)) {}

  UniqueFd fd_;
  std::string path_;
  std::shared_ptr<lsm::Storage> storage_;
};

}  // namespace silt::mount
