#include "mount/observe/control_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "mount/fuse_adapter.h"

namespace silt::mount {
namespace {

timespec Now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

struct stat Owned(mode_t mode, uint64_t number, const timespec& when) {
  struct stat st {};
  st.st_ino = number;
  st.st_mode = mode;
  st.st_nlink = S_ISDIR(mode) ? 2 : 1;
  st.st_uid = ::geteuid();
  st.st_gid = ::getegid();
  st.st_blksize = 4096;
  st.st_atim = st.st_mtim = st.st_ctim = when;
  return st;
}

}  // namespace

ControlDirectory::ControlDirectory(std::vector<File> files)
    : files_(std::move(files)), made_(Now()), next_(kInode + 1 + files_.size()) {}

fuse_entry_param ControlDirectory::Entry() const {
  fuse_entry_param entry{};
  entry.ino = kInode;
  entry.generation = 1;
  entry.attr = Owned(S_IFDIR | 0500, kInode, made_);
  // Neither is changed by the kernel's own doing, but the user may make a .siltfs when the mount has none: each time it
  // is asked for anew.
  entry.attr_timeout = kForever;
  entry.entry_timeout = 0;
  return entry;
}

std::optional<fuse_entry_param> ControlDirectory::Lookup(std::string_view name) {
  auto found = std::find_if(files_.begin(), files_.end(), [&](const File& file) { return file.name == name; });
  if (found == files_.end()) return std::nullopt;
  Contents contents{.file = static_cast<size_t>(found - files_.begin()),
                    .text = found->contents(),  // without the lock: it may take a while
                    .when = Now(),
                    .lookups = 1};
  std::lock_guard lock(mutex_);
  const fuse_ino_t ino = next_++;
  return EntryOf(ino, looked_up_.emplace(ino, std::move(contents)).first->second);
}

std::optional<fuse_entry_param> ControlDirectory::Find(fuse_ino_t ino) {
  if (ino == kInode) return Entry();
  std::lock_guard lock(mutex_);
  auto found = looked_up_.find(ino);
  if (found == looked_up_.end()) return std::nullopt;
  ++found->second.lookups;
  return EntryOf(ino, found->second);
}

void ControlDirectory::Forget(fuse_ino_t ino, uint64_t lookups) {
  std::lock_guard lock(mutex_);
  auto found = looked_up_.find(ino);
  if (found == looked_up_.end()) return;
  found->second.lookups -= std::min(lookups, found->second.lookups);
  if (found->second.lookups == 0) looked_up_.erase(found);
}

std::optional<struct stat> ControlDirectory::Attributes(fuse_ino_t ino) const {
  if (ino == kInode) return Entry().attr;
  std::lock_guard lock(mutex_);
  auto found = looked_up_.find(ino);
  if (found == looked_up_.end()) return std::nullopt;
  return AttributesOf(found->second);
}

std::string ControlDirectory::Read(fuse_ino_t ino, uint64_t offset, size_t size) const {
  std::lock_guard lock(mutex_);
  auto found = looked_up_.find(ino);
  if (found == looked_up_.end() || offset >= found->second.text.size()) return {};
  return found->second.text.substr(offset, size);
}

struct stat ControlDirectory::AttributesOf(const Contents& contents) const {
  struct stat st = Owned(S_IFREG | 0400, ShownNumber(contents.file), contents.when);
  st.st_size = static_cast<off_t>(contents.text.size());
  st.st_blocks = static_cast<blkcnt_t>((contents.text.size() + 511) / 512);
  return st;
}

fuse_entry_param ControlDirectory::EntryOf(fuse_ino_t ino, const Contents& contents) const {
  fuse_entry_param entry{};
  entry.ino = ino;
  entry.generation = 1;
  entry.attr = AttributesOf(contents);
  entry.attr_timeout = kForever;
  entry.entry_timeout = 0;  // whoever opens it again gets what is so then
  return entry;
}

}  // namespace silt::mount
