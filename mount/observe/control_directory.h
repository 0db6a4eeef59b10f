// .siltfs: a directory at the mount's root, found by name and not listed, whose files say what the daemon is doing.
//
// open(2) is never asked of this daemon (it answers ENOSYS once), so a file cannot be told to bypass the page cache, and
// the size that stat(2) shows must be true. So each lookup of a file takes its contents then and there, and gives them as
// an inode of their own, whose size is known and which never changes: who opens the file again looks it up again. The
// number that stat(2) shows stays the same, as programs compare it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fs/filesystem.h"
#include "mount/fuse_api.h"
#include "mount/observe/control_inode.h"

namespace silt::mount {

// Thread-safe.
class ControlDirectory {
 public:
  static constexpr std::string_view kName = ".siltfs";
  static constexpr fuse_ino_t kInode = kControlInodes;

  struct File {
    std::string name;
    std::function<std::string()> contents;
  };
  // The directory and its files belong to the user of this process, and nobody else may read them.
  explicit ControlDirectory(std::vector<File> files);

  // The directory itself.
  fuse_entry_param Entry() const;
  // A file, with its contents of now; counts one reference. nullopt: no such file.
  std::optional<fuse_entry_param> Lookup(std::string_view name);
  // An inode that is still referenced, by its number, for handles; counts one reference.
  std::optional<fuse_entry_param> Find(fuse_ino_t ino);
  void Forget(fuse_ino_t ino, uint64_t lookups);

  std::optional<fs::Attributes> Attributes(fuse_ino_t ino) const;
  // Of a file, from there on; empty at the end and for what is no file.
  std::string Read(fuse_ino_t ino, uint64_t offset, size_t size) const;
  const std::vector<File>& files() const { return files_; }
  // As stat(2) shows it.
  static uint64_t ShownNumber(size_t file) { return kControlInodes + 1 + file; }

 private:
  struct Contents {
    size_t file;
    std::string text;
    fs::Time when;
    uint64_t lookups;
  };
  static fs::Attributes AttributesOf(const Contents& contents);
  static fuse_entry_param EntryOf(fuse_ino_t ino, const Contents& contents);

  const std::vector<File> files_;
  const fs::Time made_;
  mutable std::mutex mutex_;
  uint64_t next_;                                     // guarded by mutex_, as the other
  std::unordered_map<fuse_ino_t, Contents> looked_up_;
};

}  // namespace silt::mount
