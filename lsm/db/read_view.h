// What a read pins: the memtables and the tables that hold the store at one moment.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "lsm/memtable/memtable.h"
#include "lsm/thread_slot.h"
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
//
// Each slot has a reference of its own to the view, with its own count, so that reading threads do not pass one cache
// line to and fro. Nothing newer is published while some slots still have the old view: only whoever exchanges views
// begins memtables, and not before Exchange has returned.
class ReadViewHolder {
 public:
  ReadViewRef Load() const {
    const Slot& slot = slots_[ThreadSlot()];
    std::lock_guard lock(slot.mutex);
    return slot.view;
  }
  // One call at a time. Returns the old view, to be let go outside of all locks, as every other reference to a view:
  // with it may go memtables and whole versions, and the database is told.
  [[nodiscard]] ReadViewRef Exchange(ReadViewRef view) {
    for (Slot& slot : slots_) {
      ReadViewRef mine(view.get(), [owner = view](const ReadView*) {});
      std::lock_guard lock(slot.mutex);
      slot.view.swap(mine);
    }
    return std::exchange(view_, std::move(view));
  }

 private:
  struct alignas(kCacheLineBytes) Slot {
    mutable std::mutex mutex;  // held for a pointer copy
    ReadViewRef view;
  };
  std::array<Slot, kThreadSlots> slots_;
  ReadViewRef view_;
};

}  // namespace silt::lsm
