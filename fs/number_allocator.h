// Hands out inode numbers and entry ids: one counter, whose high-water mark the superblock holds.
#pragma once

#include <mutex>

#include "fs/record_store.h"
#include "fs/schema.h"

namespace silt::fs {

// Thread-safe. A stride is written to the superblock before its first number is given out. That takes a batch of its
// own, not a place in the batch that uses the number: other threads take numbers of the same stride, and their batches
// may come first, or come although that one failed.
class NumberAllocator {
 public:
  static constexpr uint64_t kStride = 65536;

  NumberAllocator(RecordStore* records, const schema::SuperblockRecord& superblock)
      : records_(records), superblock_(superblock), next_(superblock.next_number) {}

  Result<uint64_t> Take();
  uint64_t next() const {
    std::lock_guard lock(mutex_);
    return next_;
  }

 private:
  RecordStore* const records_;
  mutable std::mutex mutex_;
  schema::SuperblockRecord superblock_;  // guarded by mutex_; as the Db has it
  uint64_t next_;                        // guarded by mutex_; <= superblock_.next_number
};

}  // namespace silt::fs
