#include "mount/observe/path_names.h"

#include <fmt/format.h>

#include "fs/schema.h"

namespace silt::mount {
namespace {

namespace schema = fs::schema;

constexpr int kDeepest = 256;            // directories; deeper ones are shown from there on
constexpr int kMostNamesSearched = 4096;  // for a directory that was renamed: its entry's number says nothing then

}  // namespace

void PathNames::Learn(fs::InodeNumber inode, fs::InodeNumber directory, const std::string& name) {
  std::lock_guard lock(mutex_);
  if (young_.size() >= kGeneration) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.insert_or_assign(inode, Place{directory, name});
}

std::string PathNames::PathOf(fs::InodeNumber inode) const {
  if (inode == fs::kRootInode) return "/";
  std::string below;
  for (int depth = 0; depth < kDeepest && inode != fs::kRootInode; ++depth) {
    std::optional<Place> place = PlaceOf(inode);
    if (!place) break;
    below = "/" + place->second + below;
    inode = place->first;
  }
  return inode == fs::kRootInode ? below : fmt::format("inode {}{}", inode, below);
}

std::optional<PathNames::Place> PathNames::PlaceOf(fs::InodeNumber inode) const {
  if (auto learned = Learned(inode); learned && IsThere(inode, *learned)) return learned;
  auto parent = filesystem_->Parent(inode);
  if (!parent) return std::nullopt;  // no directory
  auto name = NameIn(*parent, inode);
  return name ? std::optional(Place{*parent, *std::move(name)}) : std::nullopt;
}

std::optional<PathNames::Place> PathNames::Learned(fs::InodeNumber inode) const {
  std::lock_guard lock(mutex_);
  for (const auto* generation : {&young_, &old_}) {
    if (auto found = generation->find(inode); found != generation->end()) return found->second;
  }
  return std::nullopt;
}

bool PathNames::IsThere(fs::InodeNumber inode, const Place& place) const {
  lsm::PinnedValue value;
  auto status = filesystem_->db().Get({}, schema::kMeta, schema::NameKey(place.first, place.second), &value);
  auto record = status.ok() ? schema::NameRecord::Decode(value.view()) : std::nullopt;
  return record && record->ino == inode;
}

std::optional<std::string> PathNames::NameIn(fs::InodeNumber directory, fs::InodeNumber inode) const {
  // A new entry has its inode's number.
  lsm::PinnedValue value;
  auto status = filesystem_->db().Get({}, schema::kMeta, schema::EntryKey(directory, inode), &value);
  auto entry = status.ok() ? schema::EntryRecord::Decode(value.view()) : std::nullopt;
  if (entry && entry->ino == inode) return std::string(entry->name);

  std::optional<std::string> found;
  int left = kMostNamesSearched;
  (void)filesystem_->ReadDirectory(directory, 0, [&](const fs::DirectoryEntry& candidate) {
    if (candidate.ino == inode) found = std::string(candidate.name);
    return !found && --left > 0;
  });
  return found;
}

}  // namespace silt::mount
