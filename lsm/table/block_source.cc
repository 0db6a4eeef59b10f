#include "lsm/table/block_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "lsm/coding.h"
#include "lsm/table/compression.h"

namespace silt::lsm {
namespace {

Status CheckHandle(const BlockSource& source, const BlockHandle& handle) {
  bool inside = handle.size > 0 && handle.size <= source.limit && handle.offset <= source.limit &&
                source.limit - handle.offset >= handle.size + kBlockTrailerSize;
  if (inside) return Status::Ok();
  return source.Damage(handle.offset, fmt::format("a block of {} bytes does not fit the file", handle.size));
}

Status CheckTrailer(const BlockSource& source, uint64_t offset, std::string_view stored) {
  uint64_t computed = BlockChecksum(stored.substr(0, stored.size() - sizeof(uint64_t)), source.salt, offset);
  auto expected = DecodeFixed<uint64_t>(stored.data() + stored.size() - sizeof(uint64_t));
  if (computed == expected) return Status::Ok();
  return source.Damage(offset, fmt::format("block checksum mismatch (stored {:016x}, computed {:016x}, {} bytes)",
                                           expected, computed, stored.size()));
}

Result<BlockRef> Decompress(const BlockSource& source, uint64_t offset, std::string_view stored) {
  auto type = static_cast<uint8_t>(stored[stored.size() - kBlockTrailerSize]);
  BlockRef block = DecompressBlock(stored.substr(0, stored.size() - kBlockTrailerSize), type);
  if (block == nullptr) return Fail(source.Damage(offset, fmt::format("block does not decompress (type {})", type)));
  return block;
}

}  // namespace

Status BlockSource::ReadExactly(uint64_t offset, std::span<char> out) const {
  auto got = file->Read(offset, out);
  if (!got) return got.error();
  if (*got == out.size()) return Status::Ok();
  return Damage(offset, fmt::format("file ends after {} of {} bytes", *got, out.size()));
}

Result<BlockRef> DecodeStoredBlock(const BlockSource& source, uint64_t offset, std::string_view stored) {
  if (stored.size() <= kBlockTrailerSize) return Fail(source.Damage(offset, "block is shorter than its trailer"));
  if (Status status = CheckTrailer(source, offset, stored); !status.ok()) return Fail(status);
  return Decompress(source, offset, stored);
}

namespace {

// Compressed bytes are wanted for a moment only: each thread keeps memory for them. A raw block keeps the memory it was
// read into, so where the last one was raw, the next one is read into memory of its own.
struct ReadScratch {
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;
  bool last_was_raw = false;
};
constexpr size_t kLargestScratch = 128 << 10;

}  // namespace

Result<BlockRef> ReadBlock(const BlockSource& source, const BlockHandle& handle) {
  thread_local ReadScratch scratch;
  if (Status status = CheckHandle(source, handle); !status.ok()) return Fail(status);
  size_t size = handle.size + kBlockTrailerSize;
  bool own = scratch.last_was_raw || size > kLargestScratch;
  std::unique_ptr<char[]> memory;
  if (own || scratch.capacity < size) {
    memory.reset(new (std::nothrow) char[size]);
    if (memory == nullptr) return Fail(source.Damage(handle.offset, fmt::format("no memory for {} bytes", size)));
    if (!own) {
      scratch.bytes = std::move(memory);
      scratch.capacity = size;
    }
  }
  char* bytes = own ? memory.get() : scratch.bytes.get();
  if (Status status = source.ReadExactly(handle.offset, {bytes, size}); !status.ok()) return Fail(status);
  std::string_view stored(bytes, size);
  if (Status status = CheckTrailer(source, handle.offset, stored); !status.ok()) return Fail(status);
  scratch.last_was_raw = stored[handle.size] == static_cast<char>(Compression::kNone);
  if (scratch.last_was_raw && own) return std::make_shared<BlockData>(std::move(memory), handle.size);
  return Decompress(source, handle.offset, stored);
}

Result<BlockRef> FetchBlock(const BlockSource& source, const BlockHandle& handle, const FetchOptions& options) {
  size_t stored_size = handle.size + kBlockTrailerSize;
  auto set_shared = [&](bool shared) {
    if (options.shared != nullptr) *options.shared = shared;
  };
  set_shared(true);
  if (source.cache != nullptr) {
    if (BlockRef block = source.cache->Lookup(source.number, handle.offset); block != nullptr) {
      if (options.read_ahead != nullptr) options.read_ahead->Skipped(handle.offset, stored_size);
      return block;
    }
  }
  auto read = [&]() -> Result<BlockRef> {
    if (options.read_ahead == nullptr) return ReadBlock(source, handle);
    if (Status status = CheckHandle(source, handle); !status.ok()) return Fail(status);
    auto bytes = options.read_ahead->Read(source, handle.offset, stored_size);
    if (!bytes) return Fail(bytes.error());
    return bytes->has_value() ? DecodeStoredBlock(source, handle.offset, **bytes) : ReadBlock(source, handle);
  };
  Result<BlockRef> block = read();
  if (!block) return block;
  if (!options.fill_cache || source.cache == nullptr) {
    set_shared(false);
  } else if (options.read_ahead != nullptr && options.read_ahead->InSequence()) {
    // A long scan takes what room there is, but pushes nothing out.
    set_shared(source.cache->InsertIfRoom(source.number, handle.offset, *block, options.priority));
  } else {
    source.cache->Insert(source.number, handle.offset, *block, options.priority);
  }
  return block;
}

// ---- ReadAhead

void ReadAhead::Track(uint64_t offset, size_t size) {
  bool backwards = offset + size == last_begin_;
  bool neighbour = backwards || offset == last_end_;
  if (neighbour && (in_a_row_ == 0 || backwards == backwards_)) {
    ++in_a_row_;
  } else {
    in_a_row_ = neighbour ? 1 : 0;
    window_ = 0;
  }
  backwards_ = backwards;
  last_begin_ = offset;
  last_end_ = offset + size;
}

// Makes the buffer hold [offset, offset + wanted). What it has of it already, at either end, is not read again.
Status ReadAhead::Fill(const BlockSource& source, uint64_t offset, size_t wanted) {
  wanted = static_cast<size_t>(std::min<uint64_t>(wanted, source.limit - offset));
  uint64_t end = offset + wanted;
  uint64_t buffer_end = begin_ + length_;
  size_t keep = 0;     // bytes
  size_t from = 0;     // where they are
  size_t to = 0;       // where they belong
  size_t missing = 0;  // where the bytes to be read belong
  if (offset >= begin_ && offset < buffer_end) {
    from = static_cast<size_t>(offset - begin_);
    keep = std::min(length_ - from, wanted);
    missing = keep;
  } else if (end > begin_ && end <= buffer_end) {
    keep = static_cast<size_t>(end - begin_);
    to = wanted - keep;
  }
  if (capacity_ < wanted) {
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (keep > 0) std::memcpy(larger.get() + to, buffer_.get() + from, keep);
    buffer_ = std::move(larger);
    capacity_ = wanted;
  } else if (keep > 0) {
    std::memmove(buffer_.get() + to, buffer_.get() + from, keep);
  }
  begin_ = offset;
  length_ = 0;  // should the read fail
  if (keep < wanted) {
    SILT_RETURN_IF_ERROR(source.ReadExactly(offset + missing, {buffer_.get() + missing, wanted - keep}));
  }
  length_ = wanted;
  return Status::Ok();
}

// A window that begins with the block, or ends with it. The host's own read-ahead is off (tables are opened for random
// access): it is told of the next window while this one is being used.
Status ReadAhead::FillAround(const BlockSource& source, uint64_t offset, size_t size, size_t window) {
  window = std::max(window, size);
  uint64_t end = offset + size;
  uint64_t begin = backwards_ ? end - std::min<uint64_t>(window, end) : offset;
  SILT_RETURN_IF_ERROR(Fill(source, begin, backwards_ ? static_cast<size_t>(end - begin) : window));
  if (window < kPrefetchFrom) return Status::Ok();
  uint64_t filled = begin_ + length_;
  if (backwards_) {
    source.file->Prefetch(begin - std::min<uint64_t>(window, begin), std::min<uint64_t>(window, begin));
  } else if (filled < source.limit) {
    source.file->Prefetch(filled, std::min<uint64_t>(window, source.limit - filled));
  }
  return Status::Ok();
}

Result<std::optional<std::string_view>> ReadAhead::Read(const BlockSource& source, uint64_t offset, size_t size) {
  Track(offset, size);
  if (offset < begin_ || offset + size > begin_ + length_) {
    size_t window = fixed_bytes_;
    if (fixed_bytes_ == 0) {
      if (in_a_row_ < kSequentialReads) return std::nullopt;
      window_ = window_ == 0 ? kFirstWindow : std::min(window_ * 2, kLargestWindow);
      window = window_;
    }
    if (Status status = FillAround(source, offset, size, window); !status.ok()) return Fail(status);
  }
  return std::string_view(buffer_.get() + (offset - begin_), size);
}

}  // namespace silt::lsm
