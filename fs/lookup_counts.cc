#include "fs/lookup_counts.h"

#include <algorithm>

namespace silt::fs {

// Inode numbers are dense and a shard holds every 64th: a multiplicative hash (Knuth) spreads them.
size_t CountMap::Home(InodeNumber ino) const {
  return (ino * 0x9E3779B97F4A7C15ull >> 20) & (slots_.size() - 1);
}

size_t CountMap::SlotOf(InodeNumber ino) const {
  size_t slot = Home(ino);
  while (slots_[slot].ino != 0 && slots_[slot].ino != ino) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

uint64_t CountMap::Find(InodeNumber ino) const {
  if (slots_.empty()) return 0;
  const Slot& slot = slots_[SlotOf(ino)];
  return slot.ino == ino ? slot.count : 0;
}

void CountMap::Mark(InodeNumber ino, bool mark) {
  if (slots_.empty()) return;
  Slot& slot = slots_[SlotOf(ino)];
  if (slot.ino == ino) slot.mark = mark;
}

bool CountMap::Marked(InodeNumber ino) const {
  if (slots_.empty()) return false;
  const Slot& slot = slots_[SlotOf(ino)];
  return slot.ino == ino && slot.mark;
}

uint64_t CountMap::Add(InodeNumber ino, uint64_t count) {
  if ((size_ + 1) * 5 > slots_.size() * 4) Resize(std::max<size_t>(16, slots_.size() * 2));
  Slot& slot = slots_[SlotOf(ino)];
  if (slot.ino == 0) {
    slot.ino = ino;
    ++size_;
  }
  slot.count += count;
  return slot.count;
}

uint64_t CountMap::Subtract(InodeNumber ino, uint64_t count) {
  if (slots_.empty()) return 0;
  size_t at = SlotOf(ino);
  if (slots_[at].ino != ino) return 0;
  slots_[at].count -= std::min<uint64_t>(count, slots_[at].count);
  uint64_t left = slots_[at].count;
  if (left == 0) {
    Remove(at);
    if (slots_.size() > 16 && size_ * 5 < slots_.size()) Resize(slots_.size() / 2);
  }
  return left;
}

void CountMap::Resize(size_t capacity) {
  std::vector<Slot> old(capacity);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.ino != 0) slots_[SlotOf(slot.ino)] = slot;
  }
}

// Moves later members of the probe chain back over the hole (Knuth 6.4, algorithm R).
void CountMap::Remove(size_t slot) {
  size_t mask = slots_.size() - 1;
  size_t hole = slot;
  for (size_t next = (hole + 1) & mask; slots_[next].ino != 0; next = (next + 1) & mask) {
    size_t home = Home(slots_[next].ino);
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      slots_[hole] = slots_[next];
      hole = next;
    }
  }
  slots_[hole] = {};
  --size_;
}

void LookupCounts::Add(InodeNumber ino) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  shard.counts.Add(ino, 1);
  shard.counts.Mark(ino, true);
}

bool LookupCounts::Remove(InodeNumber ino, uint64_t count) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  if (shard.counts.Find(ino) == 0 || shard.counts.Subtract(ino, count) > 0) return false;
  return shard.orphans.erase(ino) > 0;
}

bool LookupCounts::MarkOrphan(InodeNumber ino) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  if (shard.counts.Find(ino) == 0) return false;
  shard.orphans.insert(ino);
  return true;
}

void LookupCounts::UnmarkOrphan(InodeNumber ino) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  shard.orphans.erase(ino);
}

uint64_t LookupCounts::size() const {
  uint64_t total = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    total += shard.counts.size();
  }
  return total;
}

void LookupCounts::AttributesTold(InodeNumber ino) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  shard.counts.Mark(ino, true);
}

void LookupCounts::AttributesStale(InodeNumber ino) {
  Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  shard.counts.Mark(ino, false);
}

bool LookupCounts::HasAttributes(InodeNumber ino) const {
  const Shard& shard = ShardOf(ino);
  std::lock_guard lock(shard.mutex);
  return shard.counts.Marked(ino);
}

}  // namespace silt::fs
