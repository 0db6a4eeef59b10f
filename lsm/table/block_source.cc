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
  if (block && options.fill_cache && source.cache != nullptr) {
    source.cache->Insert(source.number, handle.offset, *block, options.priority);
  }
  return block;
}

// ---- ReadAhead

void ReadAhead::Track(uint64_t offset, size_t size) {
  if (offset == expected_) {
    ++in_a_row_;
  } else {
    in_a_row_ = 0;
    window_ = 0;
  }
  expected_ = offset + size;
}

Status ReadAhead::Fill(const BlockSource& source, uint64_t offset, size_t wanted) {
  wanted = static_cast<size_t>(std::min<uint64_t>(wanted, source.limit - offset));
  // Keep what the buffer already has of it.
  size_t keep = offset >= begin_ && offset < begin_ + length_ ? static_cast<size_t>(begin_ + length_ - offset) : 0;
  size_t from = length_ - keep;
  if (capacity_ < wanted) {
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (keep > 0) std::memcpy(larger.get(), buffer_.get() + from, keep);
    buffer_ = std::move(larger);
    capacity_ = wanted;
  } else if (keep > 0) {
    std::memmove(buffer_.get(), buffer_.get() + from, keep);
  }
  begin_ = offset;
  length_ = keep;
  if (wanted <= keep) return Status::Ok();
  Status status = source.ReadExactly(offset + keep, {buffer_.get() + keep, wanted - keep});
  if (!status.ok()) {
    length_ = 0;
    return status;
  }
  length_ = wanted;
  // The host's own read-ahead is off (tables are opened for random access): start on the next stretch while this one is
  // being used.
  uint64_t next = begin_ + length_;
  if (wanted >= kPrefetchFrom && next < source.limit) {
    source.file->Prefetch(next, std::min<uint64_t>(wanted, source.limit - next));
  }
  return status;
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
    if (Status status = Fill(source, offset, std::max(window, size)); !status.ok()) return Fail(status);
  }
  return std::string_view(buffer_.get() + (offset - begin_), size);
}

}  // namespace silt::lsm
