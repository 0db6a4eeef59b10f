// Range tombstones, cut into fragments that do not overlap, so that one binary search answers "is this key covered?".
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/types.h"
#include "lsm/writer_first_mutex.h"

namespace silt::lsm {

// begin <= user key < end, written at `sequence`: covers versions of those keys with a smaller sequence.
struct RangeTombstone {
  std::string begin;
  std::string end;
  SequenceNumber sequence = 0;
};

struct KeyRange {
  std::string begin;
  std::string end;  // exclusive
};
// What the tombstones cover together, in key order; ranges that touch are one.
std::vector<KeyRange> CoveredRanges(std::vector<RangeTombstone> tombstones);

// What a list of tombstones says of one key: the stretch around the key in which the answer is the same.
// begin/end empty optional: the stretch reaches to the first / past the last key. `sequence` 0: nothing covers it.
struct CoverSpan {
  std::optional<std::string> begin;  // inclusive
  std::optional<std::string> end;    // exclusive
  SequenceNumber sequence = 0;       // of the newest covering tombstone that the snapshot sees
  bool Contains(std::string_view key) const { return (!begin || *begin <= key) && (!end || key < *end); }
};

// Common face of the two lists below. Reading is thread-safe.
class RangeTombstoneSource {
 public:
  virtual ~RangeTombstoneSource() = default;
  virtual bool Empty() const = 0;
  // Sequence of the newest tombstone that covers `key` with sequence <= snapshot; 0 if none. No allocation.
  virtual SequenceNumber CoveringSequence(std::string_view key, SequenceNumber snapshot) const = 0;
  // The same with the stretch for which it holds (a fragment or a gap; neighbours may have equal answers).
  virtual CoverSpan Cover(std::string_view key, SequenceNumber snapshot) const = 0;
};

// Fixed list, built once (table open, compaction).
class FragmentedRangeTombstones final : public RangeTombstoneSource {
 public:
  FragmentedRangeTombstones() = default;
  explicit FragmentedRangeTombstones(std::vector<RangeTombstone> tombstones);

  bool Empty() const override { return fragments_.empty(); }
  SequenceNumber CoveringSequence(std::string_view key, SequenceNumber snapshot) const override;
  CoverSpan Cover(std::string_view key, SequenceNumber snapshot) const override;

  struct Fragment {
    std::string begin;
    std::string end;
    std::vector<SequenceNumber> sequences;  // descending, never empty
  };
  // In key order; they do not overlap.
  const std::vector<Fragment>& fragments() const { return fragments_; }

 private:
  std::vector<Fragment> fragments_;
};

// Grows while it is read (memtables). A new tombstone splits only the fragments it overlaps. One writer at a time is
// the caller's business; readers may run beside it and never see a fragment half split.
class GrowingRangeTombstones final : public RangeTombstoneSource {
 public:
  void Add(std::string_view begin, std::string_view end, SequenceNumber sequence);

  bool Empty() const override;
  SequenceNumber CoveringSequence(std::string_view key, SequenceNumber snapshot) const override;
  CoverSpan Cover(std::string_view key, SequenceNumber snapshot) const override;
  // A copy of everything, one tombstone for each (fragment, sequence).
  std::vector<RangeTombstone> All() const;
  uint64_t Count() const;        // tombstones added
  size_t MemoryUsage() const;

 private:
  struct Fragment {
    std::string end;
    std::vector<SequenceNumber> sequences;  // ascending, so that the newest is appended; never empty
  };
  mutable WriterFirstMutex mutex_;
  std::map<std::string, Fragment, std::less<>> fragments_;  // by begin; guarded by mutex_
  std::atomic<uint64_t> count_{0};
  std::atomic<size_t> memory_{0};
};

}  // namespace silt::lsm
