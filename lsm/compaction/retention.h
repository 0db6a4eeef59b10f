// May this version of a key go? The one place that decides it, for flushes and compactions alike.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "lsm/types.h"

namespace silt::lsm {

// Snapshots cut the sequence numbers into stripes: two versions in one stripe are seen by the same snapshots, or rather
// the newer hides the older from all of them. So of each stripe only the newest version of a key is needed; and a
// tombstone is a version like any other, except that it may go as well once there is nothing older that it could hide.
//
//   sequences   1 .. 10 | 11 .. 25 | 26 ..          snapshots 10 and 25: stripes 0, 1, 2
//
// Snapshots taken after the list was made do not matter: they are newer than every entry that the job reads.
class Retention {
 public:
  // `snapshots` ascending. `bottommost`: no older data for these keys exists outside of the job's inputs.
  Retention(std::vector<SequenceNumber> snapshots, bool bottommost)
      : snapshots_(std::move(snapshots)), bottommost_(bottommost) {}

  size_t Stripe(SequenceNumber sequence) const {
    auto first = std::lower_bound(snapshots_.begin(), snapshots_.end(), sequence);
    return static_cast<size_t>(first - snapshots_.begin());
  }
  // The newest sequence number in the same stripe.
  SequenceNumber StripeEnd(SequenceNumber sequence) const {
    size_t stripe = Stripe(sequence);
    return stripe < snapshots_.size() ? snapshots_[stripe] : kMaxSequence;
  }

  // `newer`: sequence of the next newer version of the same key (kept or not), or of a range tombstone that covers this
  // one; 0 if there is none. Asked for each.
  bool Hidden(SequenceNumber sequence, SequenceNumber newer) const {
    return newer > sequence && Stripe(newer) == Stripe(sequence);
  }

  // Whether a tombstone, point or range, hides nothing any more: every snapshot sees it, and all that is older is in
  // the job and goes with it.
  bool TombstoneSpent(SequenceNumber sequence) const { return bottommost_ && Stripe(sequence) == 0; }

  // `newer_version` and `covering` as in Hidden.
  bool MayGo(SequenceNumber sequence, EntryKind kind, SequenceNumber newer_version, SequenceNumber covering) const {
    if (Hidden(sequence, newer_version) || Hidden(sequence, covering)) return true;
    return kind != EntryKind::kPut && TombstoneSpent(sequence);
  }

  bool HasSnapshots() const { return !snapshots_.empty(); }

 private:
  std::vector<SequenceNumber> snapshots_;
  bool bottommost_;
};

}  // namespace silt::lsm
