// A named moment of the store: reads through it see every batch up to its sequence number and none after.
#pragma once

#include "lsm/types.h"

namespace silt::lsm {

// Got from Db::GetSnapshot, given back with Db::ReleaseSnapshot. Holds back compaction from dropping what it sees.
class Snapshot {
 public:
  SequenceNumber sequence() const { return sequence_; }

 protected:
  explicit Snapshot(SequenceNumber sequence) : sequence_(sequence) {}
  ~Snapshot() = default;

 private:
  SequenceNumber sequence_;
};

}  // namespace silt::lsm
