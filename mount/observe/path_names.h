// From inode numbers to paths, for people: by what the store says of directories and by what requests have told.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "fs/filesystem.h"

namespace silt::mount {

// Thread-safe. The store knows the parent of a directory, but not of a file: a file has a path here when a request was
// seen that named it, and it still has that name.
class PathNames {
 public:
  explicit PathNames(fs::Filesystem* filesystem) : filesystem_(filesystem) {}

  // `name` in `directory` is `inode`. Of what was learned longest ago some is forgotten when there is much.
  void Learn(fs::InodeNumber inode, fs::InodeNumber directory, const std::string& name);
  // "/a/b", or "inode 17" where it is not known, or "inode 17/b" for what lies below. Reads the store.
  std::string PathOf(fs::InodeNumber inode) const;

 private:
  using Place = std::pair<fs::InodeNumber, std::string>;  // directory and name
  static constexpr size_t kGeneration = 8192;

  std::optional<Place> PlaceOf(fs::InodeNumber inode) const;
  std::optional<Place> Learned(fs::InodeNumber inode) const;
  bool IsThere(fs::InodeNumber inode, const Place& place) const;
  std::optional<std::string> NameIn(fs::InodeNumber directory, fs::InodeNumber inode) const;

  fs::Filesystem* const filesystem_;
  mutable std::mutex mutex_;
  std::unordered_map<fs::InodeNumber, Place> young_;  // guarded by mutex_, as the other
  std::unordered_map<fs::InodeNumber, Place> old_;
};

}  // namespace silt::mount
