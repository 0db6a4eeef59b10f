// A sharded cache of decoded blocks, bounded by bytes. Idea: LRU with a protected part for index and filter blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "lsm/types.h"

namespace silt::lsm {

// An immutable block in memory, checksum verified and decompressed.
class BlockData {
 public:
  BlockData(std::unique_ptr<char[]> bytes, size_t size) : BlockData(std::move(bytes), size, size) {}
  // `capacity`: bytes that the memory has.
  BlockData(std::unique_ptr<char[]> bytes, size_t size, size_t capacity)
      : bytes_(std::move(bytes)), size_(size), capacity_(capacity) {}
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  size_t capacity() const { return capacity_; }
  // REQUIRES: nobody looks at the block any more.
  std::unique_ptr<char[]> TakeMemory() const { return std::move(bytes_); }

 private:
  mutable std::unique_ptr<char[]> bytes_;  // moved by TakeMemory only
  size_t size_;
  size_t capacity_;
};
using BlockRef = std::shared_ptr<const BlockData>;

enum class CachePriority : uint8_t { kLow, kHigh };

// Thread-safe. A key is (table number, block offset). What is evicted lives on while somebody holds a BlockRef.
class BlockCache {
 public:
  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();

  BlockRef Lookup(FileNumber file, uint64_t offset);  // null when absent; counts a hit or a miss
  void Insert(FileNumber file, uint64_t offset, BlockRef block, CachePriority priority);
  // The same unless something would have to go for it. False: the block is not in the cache.
  bool InsertIfRoom(FileNumber file, uint64_t offset, const BlockRef& block, CachePriority priority);
  void EraseFile(FileNumber file);  // best effort, for deleted tables

  size_t UsedBytes() const;
  uint64_t hits() const;
  uint64_t misses() const;

 private:
  struct Shard;
  bool Insert(FileNumber file, uint64_t offset, BlockRef block, CachePriority priority, bool only_if_room);

  const size_t shard_count_;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace silt::lsm
