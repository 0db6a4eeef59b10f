// Gets blocks of one table: from the cache, from a read-ahead buffer or from the file; checked and decompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/storage/storage.h"
#include "lsm/table/block_cache.h"
#include "lsm/table/format.h"

namespace silt::lsm {

// What reading a block needs to know of its table. Immutable while in use.
struct BlockSource {
  const RandomAccessFile* file = nullptr;
  std::string name;
  FileNumber number = 0;
  BlockCache* cache = nullptr;
  uint64_t salt = 0;
  uint64_t limit = 0;  // blocks end here at the latest

  // Corruption that names the table.
  Status Damage(uint64_t offset, std::string_view what) const { return TableCorruption(name, offset, what); }
  // All of out.size() bytes; Corruption when the file ends before.
  Status ReadExactly(uint64_t offset, std::span<char> out) const;
};

// Serves block reads of one iterator out of larger reads of the file. Not thread-safe.
//
// Adaptive: after two block reads in a row, forwards or backwards, the third fetches 16 KiB, and each further one twice as
// much, up to 512 KiB; a read elsewhere starts over. With a fixed size every read fetches that much.
class ReadAhead {
 public:
  explicit ReadAhead(size_t fixed_bytes) : fixed_bytes_(fixed_bytes) {}

  // The bytes, valid until the next call; nullopt when the caller had better read just these itself.
  Result<std::optional<std::string_view>> Read(const BlockSource& source, uint64_t offset, size_t size);
  // Whether the reads of late were neighbours, in one direction.
  bool InSequence() const { return in_a_row_ >= kSequentialReads; }
  // The block came from the cache: the sequence goes on behind it.
  void Skipped(uint64_t offset, size_t size) { Track(offset, size); }

 private:
  static constexpr size_t kFirstWindow = 16 << 10;
  static constexpr size_t kLargestWindow = 512 << 10;
  static constexpr int kSequentialReads = 2;
  static constexpr size_t kPrefetchFrom = 128 << 10;

  void Track(uint64_t offset, size_t size);
  Status Fill(const BlockSource& source, uint64_t offset, size_t wanted);
  Status FillAround(const BlockSource& source, uint64_t offset, size_t size, size_t window);

  size_t fixed_bytes_;
  size_t window_ = 0;  // of the next read, when adaptive
  int in_a_row_ = 0;
  bool backwards_ = false;
  uint64_t last_begin_ = 0;  // of the last block
  uint64_t last_end_ = 0;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  uint64_t begin_ = 0;  // of the buffer's bytes in the file
  size_t length_ = 0;
};

// How a block is fetched.
struct FetchOptions {
  bool fill_cache = true;
  CachePriority priority = CachePriority::kLow;
  ReadAhead* read_ahead = nullptr;
  bool* shared = nullptr;  // set: whether the cache has the block, too
};

Result<BlockRef> FetchBlock(const BlockSource& source, const BlockHandle& handle, const FetchOptions& options);

// Past cache and buffers.
Result<BlockRef> ReadBlock(const BlockSource& source, const BlockHandle& handle);

// Checks and decompresses a block given with its trailer.
Result<BlockRef> DecodeStoredBlock(const BlockSource& source, uint64_t offset, std::string_view stored);

}  // namespace silt::lsm
