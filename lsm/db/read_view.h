// What a read pins: the memtables and the tables that hold the store at one moment.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "lsm/memtable/memtable.h"
#include "lsm/version/version.h"

namespace silt::lsm {

// Immutable but for the active memtable's growth. For each key, an older source's entries and tombstones all have
// smaller sequence numbers than a newer source's: memtable, immutables, L0 files newest first, L1, L2, ...
struct ReadView {
  std::shared_ptr<MemTable> memtable;
  std::vector<std::shared_ptr<MemTable>> immutables;  // newest first
  VersionRef version;
};
using ReadViewRef = std::shared_ptr<const ReadView>;

// Where readers find the current view. A reader loads the view before it reads the published sequence number: then the
// view holds everything that the number promises, or a newer memtable does that this read may do without.
class ReadViewHolder {
 public:
  ReadViewRef Load() const {
    std::lock_guard lock(mutex_);
    return view_;
  }
  // Returns the old view, to be let go outside of all locks: with it may go memtables and whole versions.
  [[nodiscard]] ReadViewRef Exchange(ReadViewRef view) {
    std::lock_guard lock(mutex_);
    return std::exchange(view_, std::move(view));
  }

 private:
  mutable std::mutex mutex_;  // held for a pointer copy
  ReadViewRef view_;
};

}  // namespace silt::lsm
