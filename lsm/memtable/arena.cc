#include "lsm/memtable/arena.h"

#include <algorithm>

namespace silt::lsm {

char* Arena::AllocateFromNewChunk(size_t bytes) {
  // A large request gets memory of its own and leaves the current chunk in use: at most a quarter of a chunk is wasted.
  if (bytes > chunk_bytes_ / 4) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    Account(bytes);
    return chunks_.back().get();
  }
  Account(static_cast<size_t>(limit_ - position_) + bytes);
  chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_bytes_));
  char* result = chunks_.back().get();
  position_ = result + bytes;
  limit_ = result + chunk_bytes_;
  chunk_bytes_ = std::min(chunk_bytes_ * 2, kLargestChunkBytes);
  return result;
}

}  // namespace silt::lsm
