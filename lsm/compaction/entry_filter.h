// Applies retention.h to a merged stream of entries and to a list of range tombstones.
#pragma once

#include <string>
#include <vector>

#include "lsm/compaction/retention.h"
#include "lsm/internal_key.h"
#include "lsm/range_tombstone.h"

namespace silt::lsm {

// Not thread-safe. Both arguments must outlive it.
class EntryFilter {
 public:
  EntryFilter(const Retention& retention, const FragmentedRangeTombstones& tombstones)
      : retention_(retention), tombstones_(tombstones) {}

  // Whether the entry must be kept. REQUIRES: called for every entry of the merge, in CompareInternal order.
  bool Keep(const ParsedInternalKey& entry) {
    SequenceNumber newer = newer_;
    if (!started_ || entry.user_key != user_key_) {
      user_key_.assign(entry.user_key);
      started_ = true;
      newer = 0;
    }
    newer_ = entry.sequence;
    if (newer == entry.sequence) return false;  // the same entry from two inputs
    SequenceNumber covering = 0;
    if (!tombstones_.Empty()) {
      covering = tombstones_.CoveringSequence(entry.user_key, retention_.StripeEnd(entry.sequence));
    }
    return !retention_.MayGo(entry.sequence, entry.kind, newer, covering);
  }

 private:
  const Retention& retention_;
  const FragmentedRangeTombstones& tombstones_;
  std::string user_key_;
  bool started_ = false;
  SequenceNumber newer_ = 0;  // sequence of the version seen last, of user_key_
};

// The tombstones that must be kept, in key order; pieces with one sequence each.
inline std::vector<RangeTombstone> RetainedTombstones(const Retention& retention,
                                                      const FragmentedRangeTombstones& tombstones) {
  std::vector<RangeTombstone> kept;
  for (const auto& fragment : tombstones.fragments()) {
    SequenceNumber newer = 0;
    for (SequenceNumber sequence : fragment.sequences) {
      if (!retention.MayGo(sequence, EntryKind::kRangeDelete, newer, 0)) {
        kept.push_back({fragment.begin, fragment.end, sequence});
      }
      newer = sequence;
    }
  }
  return kept;
}

}  // namespace silt::lsm
