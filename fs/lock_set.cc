#include "fs/lock_set.h"

#include <algorithm>

namespace silt::fs {

Outcome LockSet::Acquire(InodeTable* table, std::vector<Want> wanted) {
  std::sort(wanted.begin(), wanted.end(),
            [](const Want& a, const Want& b) { return a.directory != b.directory ? a.directory : a.ino < b.ino; });
  wanted.erase(std::unique(wanted.begin(), wanted.end(), [](const Want& a, const Want& b) { return a.ino == b.ino; }),
               wanted.end());
  for (const Want& want : wanted) {
    auto locked = table->Lock(want.ino, LockMode::kExclusive, want.directory);
    if (!locked) {
      Release();
      return tl::unexpected(locked.error());
    }
    // What claims to be a directory and is not would make the order of what follows meaningless.
    if (want.directory && locked->present() && !locked->record().IsDirectory()) {
      Release();
      return Fail(ENOTDIR);
    }
    locked_.push_back(std::move(*locked));
  }
  return {};
}

LockedInode& LockSet::operator[](InodeNumber ino) {
  return *std::find_if(locked_.begin(), locked_.end(), [ino](const LockedInode& held) { return held.ino() == ino; });
}

}  // namespace silt::fs
