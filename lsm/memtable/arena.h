// A bump allocator whose memory goes all at once: what a memtable's entries live in.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace silt::lsm {

// One thread allocates; MemoryUsage may be asked from any. Nothing is freed before the arena is destroyed.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised, aligned to kAlignment.
  char* Allocate(size_t bytes) {
    bytes = (bytes + kAlignment - 1) & ~(kAlignment - 1);
    if (bytes > static_cast<size_t>(limit_ - position_)) return AllocateFromNewChunk(bytes);
    char* result = position_;
    position_ += bytes;
    Account(bytes);
    return result;
  }

  // What was handed out, with what was lost to rounding and to the tails of full chunks. The untouched rest of the
  // current chunk is not counted: the operating system has not backed it with memory either.
  size_t MemoryUsage() const { return used_.load(std::memory_order_relaxed); }

  static constexpr size_t kAlignment = 8;

 private:
  // Chunks grow from the first size to the last, so that small memtables stay small and large ones waste little.
  static constexpr size_t kFirstChunkBytes = 64 << 10;
  static constexpr size_t kLargestChunkBytes = 1 << 20;

  char* AllocateFromNewChunk(size_t bytes);
  void Account(size_t bytes) {
    used_.store(used_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);  // one writer
  }

  char* position_ = nullptr;
  char* limit_ = nullptr;
  size_t chunk_bytes_ = kFirstChunkBytes;  // of the next chunk
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::atomic<size_t> used_{0};
};

}  // namespace silt::lsm
