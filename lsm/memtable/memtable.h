// The newest writes, in memory and in order: a tree in an arena, shared by all families (the family id is the
// first byte of the stored key), with each family's range tombstones beside it.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string_view>

#include "lsm/internal_iterator.h"
#include "lsm/lookup_key.h"
#include "lsm/memtable/memtable_filter.h"
#include "lsm/range_tombstone.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"

namespace silt::lsm {

class Arena;
class MemTableIndex;

// One writer at a time (the caller's business); readers may run beside it without locks. Entries are never removed.
class MemTable {
 public:
  // `capacity`: bytes of entries after which it will be replaced.
  explicit MemTable(size_t capacity = kDefaultCapacity);
  ~MemTable();
  MemTable(const MemTable&) = delete;
  MemTable& operator=(const MemTable&) = delete;

  // `value` is the exclusive end for kRangeDelete. Readers at an older sequence do not see it.
  void Add(SequenceNumber sequence, EntryKind kind, FamilyId family, std::string_view key, std::string_view value);
  // Every operation of an encoded batch, numbered as the batch says, or from `first` on. Corruption for a malformed one.
  Status AddBatch(std::string_view batch);
  Status AddBatch(std::string_view batch, SequenceNumber first);

  enum class Lookup { kAbsent, kFound, kDeleted };
  // The newest version of `key` with sequence <= snapshot, range tombstones of this memtable considered.
  // kFound: *value points into the memtable (alive as long as it). *sequence: of the entry or tombstone found.
  Lookup Get(FamilyId family, const LookupKey& key, SequenceNumber snapshot, std::string_view* value,
             SequenceNumber* sequence) const;

  // Internal keys of one family without the family byte. The memtable must outlive it.
  std::unique_ptr<InternalIterator> NewIterator(FamilyId family) const;
  const GrowingRangeTombstones& range_tombstones(FamilyId family) const { return range_tombstones_[family]; }

  size_t MemoryUsage() const;  // safe from any thread
  bool Empty() const { return entries_.load(std::memory_order_acquire) == 0; }
  uint64_t Entries() const { return entries_.load(std::memory_order_acquire); }
  SequenceNumber SmallestSequence() const { return smallest_sequence_.load(std::memory_order_acquire); }
  SequenceNumber LargestSequence() const { return largest_sequence_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kDefaultCapacity = 1 << 20;

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<MemTableIndex> index_;
  MemTableFilter filter_;
  std::array<GrowingRangeTombstones, kMaxFamilies> range_tombstones_;
  std::atomic<size_t> tombstone_bytes_{0};
  std::atomic<uint64_t> entries_{0};
  std::atomic<SequenceNumber> smallest_sequence_{0};
  std::atomic<SequenceNumber> largest_sequence_{0};
};

}  // namespace silt::lsm
