// What can be seen of a directory tree, and in what two of them differ.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>

#include "tests/posix/side.h"

namespace silt::posix {

struct Node {
  struct stat st {};
  std::string same_as;   // the first path with the same inode: which names are links of one file
  std::string contents;  // of a regular file, target of a symlink
  std::map<std::string, std::string> xattrs;
};

// By path within the side, and "fd N" for what is open.
using Snapshot = std::map<std::string, Node>;

// REQUIRES: entered, root. Contents of files whose times and sizes are those of `before` are taken from there; nullptr:
// every byte is read.
Snapshot TakeSnapshot(const Side& side, const Snapshot* before);

struct Span {  // when a call ran, by the clock of file times
  timespec begin, end;
};

struct SnapshotChange {
  const Snapshot& before;
  const Snapshot& after;
};
struct CompareOptions {
  bool sets_atime = false;  // the call was about times
  bool blocks = true;
  bool times = true;
};
// The first difference between what one call did on the mount and natively. Times must have changed or stayed alike; a
// changed one is the same on both sides, or is the time of the call.
std::optional<std::string> Difference(const SnapshotChange& mounted, const SnapshotChange& native, const Span& span,
                                      const CompareOptions& options);

}  // namespace silt::posix
