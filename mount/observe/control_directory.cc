#include "mount/observe/control_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "mount/fuse_adapter.h"

namespace silt::mount {
namespace {

fs::Time Now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {.seconds = now.tv_sec, .nanoseconds = static_cast<uint32_t>(now.tv_nsec)};
}

fs::Attributes Owned(uint32_t mode, uint64_t number, const fs::Time& when) {
  fs::Attributes attributes;
  attributes.ino = number;
  attributes.mode = mode;
  attributes.nlink = S_ISDIR(mode) ? 2 : 1;
  attributes.uid = ::geteuid();
  attributes.gid = ::getegid();
  attributes.atime = attributes.mtime = attributes.ctime = attributes.btime = when;
  return attributes;
}

// Asked for anew each time: contents are those of then, and the user may have made a .siltfs of his own.
fuse_entry_param EntryFor(fuse_ino_t ino, const fs::Attributes& attributes) {
  fuse_entry_param entry{};
  entry.ino = ino;
  entry.generation = 1;
  entry.attr = ToStat(attributes);
  entry.attr_timeout = kForever;
  entry.entry_timeout = 0;
  return entry;
}

}  // namespace

ControlDirectory::ControlDirectory(std::vector<File> files)
    : files_(std::move(files)), made_(Now()), next_(kInode + 1 + files_.size()) {}

fuse_entry_param ControlDirectory::Entry() const {
  return EntryFor(kInode, Owned(S_IFDIR | 0500, kInode, made_));
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

std::optional<fs::Attributes> ControlDirectory::Attributes(fuse_ino_t ino) const {
  if (ino == kInode) return Owned(S_IFDIR | 0500, kInode, made_);
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

fs::Attributes ControlDirectory::AttributesOf(const Contents& contents) {
  fs::Attributes attributes = Owned(S_IFREG | 0400, ShownNumber(contents.file), contents.when);
  attributes.size = contents.text.size();
  attributes.blocks = (contents.text.size() + 511) / 512;
  return attributes;
}

fuse_entry_param ControlDirectory::EntryOf(fuse_ino_t ino, const Contents& contents) {
  return EntryFor(ino, AttributesOf(contents));
}

}  // namespace silt::mount
