// Knows which live tables some version still holds, and which ones the last holder has let go of.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "lsm/version/version_edit.h"

namespace silt::lsm {

// Thread-safe. Its mutex is a leaf: nothing is called while it is held, so a version may be released under any lock.
class TableTracker : public std::enable_shared_from_this<TableTracker> {
 public:
  // The same file, in a reference that tells the tracker when its last copy dies. Versions hold only such references;
  // the tracker lives as long as any of them.
  FileRef Track(FileRef file);
  // The table is in the current version from now on: when its reference dies it is obsolete. (A reference that dies
  // before, because its edit failed, leaves no trace: the file may be live on disk.)
  void Enter(FileNumber number);

  std::vector<FileNumber> TakeObsolete();
  bool HasObsolete() const;
  std::set<FileNumber> Live() const;
  bool IsLive(FileNumber number) const;

 private:
  void Release(FileNumber number);

  mutable std::mutex mutex_;
  std::set<FileNumber> live_;         // guarded by mutex_
  std::vector<FileNumber> obsolete_;  // guarded by mutex_
};

}  // namespace silt::lsm
