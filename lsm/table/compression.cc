#include "lsm/table/compression.h"

#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "lsm/types.h"

namespace silt::lsm {
namespace {

constexpr int kZstdLevel = 1;
constexpr uint32_t kFailuresBeforeSkipping = 4;
constexpr uint32_t kMostSkipped = 15;  // so at least one block in 16 is tried

// Neither format can expand more than this; a stream that claims to is damaged, and is not allocated for.
constexpr uint64_t kSnappyMaxRatio = 64;
constexpr uint64_t kZstdMaxRatio = 64 << 10;
// And no block is larger than its target size and one more entry.
constexpr uint64_t kMaxBlockBytes = 4 * uint64_t{kMaxEntryBytes};

// Memory for a block.
struct Memory {
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;
};

// What RecycleBlock left.
thread_local Memory spare;
constexpr size_t kLargestSpare = 256 << 10;

Memory AllocateOrNull(size_t size) {
  if (spare.capacity >= size && spare.capacity <= 2 * size) return std::exchange(spare, {});
  return {std::unique_ptr<char[]>(new (std::nothrow) char[size]), size};
}

BlockRef BlockIn(Memory memory, size_t size) {
  return std::make_shared<BlockData>(std::move(memory.bytes), size, memory.capacity);
}

struct FreeDCtx {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

BlockRef DecompressSnappy(std::string_view stored) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &size)) return nullptr;
  if (size == 0 || size > std::min(stored.size() * kSnappyMaxRatio, kMaxBlockBytes)) return nullptr;
  Memory memory = AllocateOrNull(size);
  if (memory.bytes == nullptr) return nullptr;
  if (!snappy::RawUncompress(stored.data(), stored.size(), memory.bytes.get())) return nullptr;
  return BlockIn(std::move(memory), size);
}

BlockRef DecompressZstd(std::string_view stored) {
  unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return nullptr;
  if (size == 0 || size > std::min(stored.size() * kZstdMaxRatio, kMaxBlockBytes)) return nullptr;
  Memory memory = AllocateOrNull(size);
  thread_local std::unique_ptr<ZSTD_DCtx, FreeDCtx> context(ZSTD_createDCtx());
  if (memory.bytes == nullptr || context == nullptr) return nullptr;
  size_t got = ZSTD_decompressDCtx(context.get(), memory.bytes.get(), size, stored.data(), stored.size());
  if (ZSTD_isError(got) != 0 || got != size) return nullptr;
  return BlockIn(std::move(memory), size);
}

}  // namespace

struct BlockCompressor::ZstdContext {
  struct Free {
    void operator()(ZSTD_CCtx* freed) const { ZSTD_freeCCtx(freed); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
};

BlockCompressor::BlockCompressor(Compression compression) : compression_(compression) {
  if (compression == Compression::kZstd) zstd_ = std::make_unique<ZstdContext>();
}
BlockCompressor::~BlockCompressor() = default;

bool BlockCompressor::TryCompress(std::string_view block) {
  ++blocks_tried_;
  if (compression_ == Compression::kSnappy) {
    output_.resize(snappy::MaxCompressedLength(block.size()));
    size_t size = 0;
    snappy::RawCompress(block.data(), block.size(), output_.data(), &size);
    output_.resize(size);
  } else {
    if (zstd_->context == nullptr) return false;
    output_.resize(ZSTD_compressBound(block.size()));
    size_t size =
        ZSTD_compressCCtx(zstd_->context.get(), output_.data(), output_.size(), block.data(), block.size(), kZstdLevel);
    if (ZSTD_isError(size) != 0) return false;
    output_.resize(size);
  }
  return output_.size() <= block.size() - block.size() / 8;
}

BlockCompressor::Stored BlockCompressor::Compress(std::string_view block) {
  Stored raw{block, Compression::kNone};
  if (compression_ == Compression::kNone || block.size() < 8) return raw;
  if (skip_ > 0) {
    --skip_;
    return raw;
  }
  if (TryCompress(block)) {
    failures_ = 0;
    return {output_, compression_};
  }
  ++failures_;
  if (failures_ > kFailuresBeforeSkipping) {
    skip_ = std::min((1U << std::min(failures_ - kFailuresBeforeSkipping, 5U)) - 1, kMostSkipped);
  }
  return raw;
}

BlockRef DecompressBlock(std::string_view stored, uint8_t compression) {
  switch (static_cast<Compression>(compression)) {
    case Compression::kNone: {
      Memory memory = AllocateOrNull(stored.size());
      if (memory.bytes == nullptr) return nullptr;
      std::copy(stored.begin(), stored.end(), memory.bytes.get());
      return BlockIn(std::move(memory), stored.size());
    }
    case Compression::kSnappy:
      return DecompressSnappy(stored);
    case Compression::kZstd:
      return DecompressZstd(stored);
  }
  return nullptr;
}

void RecycleBlock(const BlockRef& block) {
  if (block->capacity() <= kLargestSpare) spare = {block->TakeMemory(), block->capacity()};
}

}  // namespace silt::lsm
