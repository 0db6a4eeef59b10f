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
  BlockData(std::unique_ptr<char[]> bytes, size_t size) : bytes_(std::move(bytes)), size_(size) {}
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
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
  void EraseFile(FileNumber file);  // best effort, for deleted tables

  size_t UsedBytes() const;
  uint64_t hits() const;
  uint64_t misses() const;

 private:
  struct Shard;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace silt::lsm
