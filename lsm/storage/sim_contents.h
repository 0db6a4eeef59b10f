// The bytes of a file of the simulated disk, in their volatile and durable states. Part of SimStorage.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/storage/sim_storage.h"

namespace silt::lsm {

inline constexpr uint64_t kSimBlockSize = 4096;
inline constexpr uint64_t kSimSectorSize = 512;

// How likely something unsynced survives a power cut; drawn anew for each file and directory, so that all-or-nothing
// and odd survivors both occur.
double DrawKeepProbability(std::mt19937_64& random, SimCrashOptions::Keep keep);

// Blocks of 4 KiB, holes being null. A copy shares its blocks with the original.
class SimImage {
 public:
  uint64_t size() const { return size_; }
  uint64_t allocated() const { return allocated_; }  // blocks with data or reserved
  bool IsAllocated(uint64_t block) const;

  // Fewer bytes only at the end.
  size_t Read(uint64_t offset, std::span<char> out) const;
  void Write(uint64_t offset, std::string_view data);
  // Also grows, by a hole.
  void Truncate(uint64_t size);
  void Reserve(uint64_t size);

  // Makes this image's block that of `other`. Neither may write it in place from then on.
  void ShareBlock(uint64_t block, SimImage* other);
  // The same for all blocks, and the size.
  void ShareAll(SimImage* other);

 private:
  using Block = std::array<char, kSimBlockSize>;
  struct Slot {
    std::shared_ptr<Block> block;
    bool own = false;  // no other image refers to the block: it may be written in place
    bool reserved = false;
    bool IsAllocated() const { return block != nullptr || reserved; }
  };
  void Grow(uint64_t blocks);
  Block& Writable(uint64_t block);

  std::vector<Slot> slots_;
  uint64_t size_ = 0;
  uint64_t allocated_ = 0;
};

// Not thread-safe: guarded by the disk.
class SimContents {
 public:
  const SimImage& live() const { return live_; }
  // How many of these bytes can be written with so many free blocks.
  uint64_t BytesThatFit(uint64_t offset, uint64_t length, uint64_t free_blocks) const;
  uint64_t BlocksToReserve(uint64_t size) const;

  void Write(uint64_t offset, std::string_view data);
  void Truncate(uint64_t size);
  void Reserve(uint64_t size);
  void Sync();
  // Forgets what is dirty without making it durable (SimFault::Effect::kDropped).
  void DropDirty() { changes_.clear(); }

  // In both states at once. REQUIRES: within the file.
  void Damage(uint64_t offset, std::string_view data);
  void Cut(uint64_t size);

  // What a power cut leaves, as durable contents.
  SimContents AfterCrash(std::mt19937_64& random, const SimCrashOptions& options);

 private:
  // One call since the last sync. A block's state is a point in this history, which makes every state possible that
  // it went through; the size is another point.
  struct Change {
    enum class Kind : uint8_t { kWrite, kTruncate, kReserve } kind;
    uint64_t offset;  // for kTruncate and kReserve: the size
    std::string data;
  };
  using History = std::vector<size_t>;  // indices into changes_

  std::map<uint64_t, History> HistoryByBlock() const;
  std::string ReplayBlock(uint64_t block, const History& history, size_t sizes_kept, uint64_t unit, double keep,
                          std::mt19937_64& random) const;
  void ReplaySizes(size_t kept, SimImage* image) const;

  SimImage live_;
  SimImage durable_;
  std::vector<Change> changes_;
};

}  // namespace silt::lsm
