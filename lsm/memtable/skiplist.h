// The order of a memtable's entries: a skiplist (Pugh 1990) with one writer and readers that take no lock. Nodes carry
// key and value inline; the writer remembers where it inserted last, so that runs of ascending keys cost O(1) each.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "lsm/internal_key.h"
#include "lsm/memtable/arena.h"
#include "lsm/types.h"

namespace silt::lsm {

// What entries are ordered by: family, user key ascending, trailer descending.
struct MemKey {
  FamilyId family = 0;
  std::string_view user_key;
  uint64_t trailer = 0;
};

// In the arena, lowest address first:
//
//   link[height-1] ... link[0] | key_size value_size | family | user key | trailer | value
//                              ^ MemNode*
//
// so that the key is at a fixed place whatever the height, and user key and trailer are an internal key as they lie.
class MemNode {
 public:
  MemNode(uint32_t key_size, uint32_t value_size) : key_size_(key_size), value_size_(value_size) {}

  FamilyId family() const { return static_cast<FamilyId>(*bytes()); }
  std::string_view user_key() const { return {bytes() + 1, key_size_}; }
  std::string_view internal_key() const { return {bytes() + 1, key_size_ + kTrailerSize}; }
  uint64_t trailer() const { return DecodeFixed<uint64_t>(bytes() + 1 + key_size_); }
  std::string_view value() const { return {bytes() + 1 + key_size_ + kTrailerSize, value_size_}; }
  MemKey key() const { return {family(), user_key(), trailer()}; }

  const MemNode* Next(int level) const { return link(level)->load(std::memory_order_acquire); }

 private:
  friend class MemTableIndex;
  using Link = std::atomic<MemNode*>;

  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  Link* link(int level) { return reinterpret_cast<Link*>(this) - 1 - level; }
  const Link* link(int level) const { return reinterpret_cast<const Link*>(this) - 1 - level; }
  MemNode* WriterNext(int level) { return link(level)->load(std::memory_order_relaxed); }

  uint32_t key_size_;  // of the user key
  uint32_t value_size_;
};

// <0, 0, >0 for node before, at, after the key.
inline int CompareNode(const MemNode& node, const MemKey& key) {
  if (node.family() != key.family) return node.family() < key.family ? -1 : 1;
  int order = node.user_key().compare(key.user_key);
  if (order != 0) return order;
  uint64_t trailer = node.trailer();
  return trailer > key.trailer ? -1 : (trailer < key.trailer ? 1 : 0);
}

// Insert: one thread at a time. Everything else: any thread, beside it. A reader sees every entry whose Insert happened
// before (in the memory model's sense), and perhaps later ones, which it tells by their sequence.
class MemTableIndex {
 public:
  explicit MemTableIndex(Arena* arena);  // must outlive the index

  // REQUIRES: no entry with the same key is there; key and value are shorter than 4 GiB.
  void Insert(const MemKey& key, std::string_view value);

  // Null when there is none.
  const MemNode* FindGreaterOrEqual(const MemKey& key) const;
  const MemNode* FindLess(const MemKey& key) const;

  static constexpr int kMaxHeight = 12;  // branching 4: enough for 16 million entries
  // The head of one level's list, for looking at the structure.
  const MemNode* First(int level) const { return head_->Next(level); }

 private:
  static constexpr size_t kFingers = 16;

  // Around some place of the list, at each level, the last node before it and the first behind it. Levels nest:
  // before[l+1] <= before[l] and behind[l] <= behind[l+1], also when later inserts made a pair stale (no longer
  // neighbours). Only the writer looks at it.
  struct Finger {
    std::array<MemNode*, kMaxHeight> before;
    std::array<MemNode*, kMaxHeight> behind;
  };

  int RandomHeight();
  MemNode* NewNode(const MemKey& key, std::string_view value, int height);
  Finger& FingerFor(const MemKey& key);
  // Makes levels [0, height) of the finger tight around the key.
  void MoveFinger(Finger* finger, const MemKey& key, int height);
  // Whether the key belongs exactly between the finger's pair at this level.
  bool IsTightAround(const Finger& finger, const MemKey& key, int level) const;

  Arena* arena_;
  MemNode* head_;
  uint64_t random_ = 0x9e3779b97f4a7c15;
  std::atomic<int> height_{1};
  // A filesystem's batches interleave a few ascending streams (inodes, names, blocks); each finger follows one.
  std::array<Finger, kFingers> fingers_;
};

}  // namespace silt::lsm
