// Blocks made smaller and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/options.h"
#include "lsm/table/block_cache.h"

namespace silt::lsm {

// Compresses the blocks of one table in turn. A block is worth storing compressed when that saves an eighth. Where
// blocks turn out not to be, fewer and fewer of those that follow are tried, until one shrinks again.
class BlockCompressor {
 public:
  explicit BlockCompressor(Compression compression);
  ~BlockCompressor();

  // The bytes to store, valid until the next call, and how they are stored: kNone gives back `block` itself.
  struct Stored {
    std::string_view bytes;
    Compression compression;
  };
  Stored Compress(std::string_view block);

  uint64_t blocks_tried() const { return blocks_tried_; }

 private:
  bool TryCompress(std::string_view block);  // into output_

  struct ZstdContext;
  Compression compression_;
  std::unique_ptr<ZstdContext> zstd_;
  std::string output_;
  uint64_t blocks_tried_ = 0;
  uint32_t failures_ = 0;  // in a row
  uint32_t skip_ = 0;      // blocks still to be stored raw untried
};

// The block that `stored` was made from; null when that cannot be (malformed, or of an unknown compression type).
BlockRef DecompressBlock(std::string_view stored, uint8_t compression);

// Leaves a block's memory to the next DecompressBlock of this thread: a scan then works in memory that its processor
// still has in its caches. REQUIRES: nobody else ever had the block.
void RecycleBlock(const BlockRef& block);

}  // namespace silt::lsm
