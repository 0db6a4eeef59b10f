// The snapshots that are held, and since when anything has been held.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <vector>

#include "lsm/snapshot.h"
#include "lsm/types.h"

namespace silt::lsm {

// Remembers when each pin (snapshot, iterator) was taken, to tell the age of the oldest. Thread-safe.
class PinAges {
 public:
  using Token = std::list<uint64_t>::iterator;
  Token Add(uint64_t now_micros) {
    std::lock_guard lock(mutex_);
    return taken_.insert(taken_.end(), now_micros);
  }
  void Remove(Token token) {
    std::lock_guard lock(mutex_);
    taken_.erase(token);
  }
  uint64_t OldestAgeSeconds(uint64_t now_micros) const {
    std::lock_guard lock(mutex_);
    return taken_.empty() || now_micros < taken_.front() ? 0 : (now_micros - taken_.front()) / 1'000'000;
  }

 private:
  mutable std::mutex mutex_;
  std::list<uint64_t> taken_;  // in the order taken, so the oldest is in front
};

// Thread-safe. Snapshots come in the order of their sequence numbers, since published numbers only grow.
class SnapshotList {
 public:
  // `published` is read under the lock, so that All() never misses one that is older than what it returns later.
  template <class Published>
  const Snapshot* Take(const Published& published, PinAges::Token pin) {
    std::lock_guard lock(mutex_);
    held_.emplace_back(published(), pin);
    held_.back().self = std::prev(held_.end());
    return &held_.back();
  }
  // Returns its pin, to be removed by the caller.
  PinAges::Token Release(const Snapshot* snapshot) {
    const auto* held = static_cast<const Held*>(snapshot);
    std::lock_guard lock(mutex_);
    PinAges::Token pin = held->pin;
    held_.erase(held->self);
    return pin;
  }
  std::vector<SequenceNumber> All() const {  // ascending
    std::lock_guard lock(mutex_);
    std::vector<SequenceNumber> all;
    for (const Held& held : held_) all.push_back(held.sequence());
    return all;
  }
  size_t Count() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }

 private:
  struct Held final : Snapshot {
    Held(SequenceNumber sequence, PinAges::Token p) : Snapshot(sequence), pin(p) {}
    PinAges::Token pin;
    std::list<Held>::iterator self;
  };
  mutable std::mutex mutex_;
  std::list<Held> held_;  // guarded by mutex_
};

}  // namespace silt::lsm
