// Several inodes locked exclusively for one operation, in the lock order.
#pragma once

#include <vector>

#include "fs/inode_table.h"

namespace silt::fs {

// Not thread-safe.
class LockSet {
 public:
  struct Want {
    InodeNumber ino;
    bool directory;
  };
  // Duplicates are locked once. Absent inodes are locked too: ask present().
  // REQUIRES: nothing is held by this set, and nothing later in the order by this thread.
  Outcome Acquire(InodeTable* table, std::vector<Want> wanted);
  void Release() { locked_.clear(); }
  // REQUIRES: it was wanted.
  LockedInode& operator[](InodeNumber ino);

 private:
  std::vector<LockedInode> locked_;
};

}  // namespace silt::fs
