// Tells most lookups of keys that a memtable does not hold so, for one cache miss instead of a way down its tree.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "lsm/lookup_key.h"
#include "lsm/thread_slot.h"
#include "lsm/types.h"

namespace silt::lsm {

// A Bloom filter in blocks of one cache line, of fixed size. One thread adds; readers beside it see every key whose Add
// happened before.
class MemTableFilter {
 public:
  // Sized for a memtable of so many bytes: some ten bits an entry, where entries are as small as siltfs makes them.
  explicit MemTableFilter(size_t memtable_bytes)
      : blocks_(memtable_bytes / kMemTableBytesPerBlock + 1), bits_(std::make_unique<Block[]>(blocks_)) {}

  void Add(FamilyId family, const LookupKey& key) {
    uint64_t hash = Mix(family, key);
    Block& block = BlockOf(hash);
    for (int probe = 0; probe < kProbes; ++probe) {
      std::atomic<uint64_t>& word = block.words[WordOf(hash, probe)];
      uint64_t bits = word.load(std::memory_order_relaxed);
      uint64_t wanted = bits | BitOf(hash, probe);
      if (wanted != bits) word.store(wanted, std::memory_order_relaxed);
    }
  }
  // False: no entry of the key is there.
  bool MayContain(FamilyId family, const LookupKey& key) const {
    uint64_t hash = Mix(family, key);
    const Block& block = BlockOf(hash);
    bool there = true;
    for (int probe = 0; probe < kProbes; ++probe) {
      there &= (block.words[WordOf(hash, probe)].load(std::memory_order_relaxed) & BitOf(hash, probe)) != 0;
    }
    return there;
  }
  size_t MemoryUsage() const { return blocks_ * sizeof(Block); }

 private:
  static constexpr size_t kMemTableBytesPerBlock = 8 << 10;
  static constexpr int kProbes = 4;
  static constexpr int kBitsPerProbe = 9;  // three choose the word, six the bit
  struct alignas(kCacheLineBytes) Block {
    std::array<std::atomic<uint64_t>, 8> words{};
  };

  static uint64_t Mix(FamilyId family, const LookupKey& key) { return (key.hash + family) * 0x9fb21c651e98df25ULL; }
  // The top half of the hash chooses the block (Lemire's fast range), the bottom half the bits.
  Block& BlockOf(uint64_t hash) const { return bits_[(hash >> 32) * blocks_ >> 32]; }
  static size_t WordOf(uint64_t hash, int probe) { return hash >> (kBitsPerProbe * probe) & 7; }
  static uint64_t BitOf(uint64_t hash, int probe) { return uint64_t{1} << (hash >> (kBitsPerProbe * probe + 3) & 63); }

  size_t blocks_;
  std::unique_ptr<Block[]> bits_;
};

}  // namespace silt::lsm
