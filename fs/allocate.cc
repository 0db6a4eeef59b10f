// fallocate(2): allocate, punch, zero.
#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>

#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

// Blocks that one batch allocates: what a range of gigabytes is split into.
constexpr uint64_t kBlocksPerBatch = 16384;

// Space promised to an operation under way. Gives back what is left when it ends.
class Held {
 public:
  explicit Held(SpaceGuard* space) : space_(space) {}
  ~Held() { space_->DropPromised(bytes_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  bool Take(uint64_t bytes) {
    if (!space_->Promise(bytes)) return false;
    bytes_ = bytes;
    return true;
  }
  void GiveBack(uint64_t bytes) {
    bytes = std::min(bytes, bytes_);
    space_->DropPromised(bytes);
    bytes_ -= bytes;
  }

 private:
  SpaceGuard* const space_;
  uint64_t bytes_ = 0;
};

}  // namespace

Outcome Store::Allocate(InodeNumber ino, int mode, uint64_t offset, uint64_t length) {
  const bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const int what = mode & ~FALLOC_FL_KEEP_SIZE;
  if (what != 0 && what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE) return Fail(EOPNOTSUPP);
  if (what == FALLOC_FL_PUNCH_HOLE && !keep_size) return Fail(EOPNOTSUPP);
  if (length == 0 || offset > schema::kMaxFileSize) return Fail(EINVAL);
  if (length > schema::kMaxFileSize - offset) return Fail(EFBIG);
  auto locked = LockFile(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  if (read_only_) return Fail(EROFS);
  if (what == FALLOC_FL_PUNCH_HOLE) return PunchHole(&*locked, offset, length);
  return AllocateRange(&*locked, keep_size, what == FALLOC_FL_ZERO_RANGE, offset, offset + length);
}

Outcome Store::PunchHole(LockedInode* locked, uint64_t offset, uint64_t length) {
  InodeRecord record = locked->record();
  lsm::WriteBatch batch;
  if (auto punched = data_.Punch(locked->ino(), &record, offset, length, &batch); !punched) return punched;
  if (auto changed = ContentChanged(locked->ino(), &record, ClearSetId::kNo, &batch); !changed) return changed;
  return CommitRecord(locked, std::move(record), &batch);
}

Outcome Store::AllocateRange(LockedInode* locked, bool keep_size, bool zero, uint64_t offset, uint64_t end) {
  const InodeNumber ino = locked->ino();
  const uint64_t bs = data_.block_size();
  const uint64_t first = offset / bs;
  const uint64_t last_excl = data_.BlocksFor(end);
  auto existing = data_.CountBlocks(ino, locked->record(), first, last_excl);
  if (!existing) return tl::unexpected(existing.error());
  Held held(&space_);
  const uint64_t wanted = PromisedBytes(last_excl - first - existing->blocks);
  if (auto admitted = AdmitOrReclaim([&] { return held.Take(wanted); }); !admitted) return admitted;

  for (uint64_t block = first; block < last_excl;) {
    // Blocks that are to be zeroed in part stand alone, since only bytes within them change.
    const auto head = static_cast<uint32_t>(block == first ? offset % bs : 0);
    const auto tail = static_cast<uint32_t>(block == last_excl - 1 && end % bs != 0 ? end % bs : bs);
    const bool partial = zero && (head != 0 || tail != bs);
    const uint64_t stop = partial ? block + 1 : std::min(block + kBlocksPerBatch, zero ? end / bs : last_excl);
    InodeRecord record = locked->record();
    const bool beyond_before = (record.flags & schema::kBlocksBeyondEnd) != 0;
    lsm::WriteBatch batch;
    if (partial) {
      if (auto zeroed = data_.ZeroWithin(ino, &record, block, head, tail, &batch); !zeroed) return zeroed;
    }
    auto allocated = data_.AllocateBlocks(ino, &record, block, stop, zero && !partial, &batch);
    if (!allocated) return allocated;
    if (!keep_size) record.size = std::max(record.size, std::min(end, stop * bs));
    if (!beyond_before && data_.BlocksFor(record.size) >= stop) record.flags &= ~schema::kBlocksBeyondEnd;
    if (auto changed = ContentChanged(ino, &record, ClearSetId::kNo, &batch); !changed) return changed;
    const uint64_t added = record.blocks - locked->record().blocks;
    if (auto committed = CommitRecord(locked, std::move(record), &batch); !committed) return committed;
    held.GiveBack(PromisedBytes(added));  // from here on the record stands for it
    block = stop;
  }
  return {};
}

}  // namespace silt::fs
