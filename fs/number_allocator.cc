#include "fs/number_allocator.h"

#include <algorithm>

namespace silt::fs {

Result<uint64_t> NumberAllocator::Take() {
  std::lock_guard lock(mutex_);
  if (next_ == superblock_.next_number) {
    if (next_ >= schema::kLastNumber) return Fail(ENOSPC);
    schema::SuperblockRecord raised = superblock_;
    raised.next_number = std::min(next_ + kStride, schema::kLastNumber);
    lsm::WriteBatch batch;
    batch.Put(schema::kMeta, schema::SuperblockKey(), raised.Encode());
    if (auto committed = records_->Commit(batch); !committed) return tl::unexpected(committed.error());
    superblock_ = raised;
  }
  return next_++;
}

}  // namespace silt::fs
