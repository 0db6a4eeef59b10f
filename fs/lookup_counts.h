// How often the kernel was told of each inode and has not yet forgotten it: what keeps an unlinked inode alive. And
// whether it holds the inode's attributes as they are: what a listing need not tell again.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "fs/filesystem.h"

namespace silt::fs {

// A map from inode to count in 16-byte slots: open addressing, linear probing, no tombstones. At most 80% full, so an
// inode costs 20 to 40 bytes. Not thread-safe.
class CountMap {
 public:
  // Adds to the count, which is 0 for an inode not yet there. Returns the new count.
  uint64_t Add(InodeNumber ino, uint64_t count);
  // Takes off, no further than to 0, where the inode goes. Returns what is left.
  uint64_t Subtract(InodeNumber ino, uint64_t count);
  uint64_t Find(InodeNumber ino) const;
  // A mark of an inode that is there; false for others, and until it is set.
  void Mark(InodeNumber ino, bool mark);
  bool Marked(InodeNumber ino) const;
  size_t size() const { return size_; }

 private:
  struct Slot {
    InodeNumber ino = 0;  // 0: free
    uint64_t count : 63 = 0;
    uint64_t mark : 1 = 0;
  };
  size_t Home(InodeNumber ino) const;
  size_t SlotOf(InodeNumber ino) const;  // its slot or the free one where it would go. REQUIRES: slots_ not empty
  void Resize(size_t capacity);
  void Remove(size_t slot);

  std::vector<Slot> slots_;  // a power of two, or empty
  size_t size_ = 0;
};

// Thread-safe. An inode whose last link goes while it is referenced is an orphan; whoever of Unlink and the last Forget
// comes second deletes it, which the one shard mutex for count and orphan mark decides.
class LookupCounts {
 public:
  // With the inode's attributes.
  void Add(InodeNumber ino);
  // True if these were the last references and the inode is marked as an orphan: the caller reaps it.
  [[nodiscard]] bool Remove(InodeNumber ino, uint64_t count);
  // Marks and returns true if the inode is referenced now.
  [[nodiscard]] bool MarkOrphan(InodeNumber ino);
  void UnmarkOrphan(InodeNumber ino);
  uint64_t size() const;

  // Where told and changed meet, one is noted late: the kernel then asks once more, or is told once more.
  void AttributesTold(InodeNumber ino);
  // Changed, or the kernel has dropped them.
  void AttributesStale(InodeNumber ino);
  bool HasAttributes(InodeNumber ino) const;

 private:
  static constexpr size_t kShards = 64;
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    CountMap counts;                          // guarded by mutex
    std::unordered_set<InodeNumber> orphans;  // guarded by mutex
  };
  Shard& ShardOf(InodeNumber ino) { return shards_[ino % kShards]; }
  const Shard& ShardOf(InodeNumber ino) const { return shards_[ino % kShards]; }

  std::array<Shard, kShards> shards_;
};

}  // namespace silt::fs
