// The blocks of a regular file: reading, and adding changes of them to a batch. Holds no locks and no state of files.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "fs/record_store.h"
#include "fs/schema.h"
#include "lsm/write_batch.h"

namespace silt::fs {

// Thread-safe; the caller holds the inode's lock, shared to read and exclusive to change. The changing calls put into
// `batch` and change size, blocks and flags in `record` (times are the caller's); nothing is written until the caller
// commits the batch with the record. They read what is committed: ranges changed in one batch must not share a block.
class FileData {
 public:
  // Up to this many blocks are deleted one by one; a range tombstone costs every later read of its table a little.
  static constexpr uint64_t kMaxPointDeletes = 32;
  // From this size on, reads leave the engine's block cache alone: the kernel caches what it read.
  static constexpr size_t kBulkRead = 256 << 10;
  static constexpr uint64_t kMaxBulkRead = 1 << 20;  // fetched at once: as much as a request asks for

  FileData(RecordStore* records, uint32_t block_size) : records_(records), block_size_(block_size) {}

  uint32_t block_size() const { return block_size_; }
  // How many blocks `size` bytes need.
  uint64_t BlocksFor(uint64_t size) const { return size / block_size_ + (size % block_size_ != 0 ? 1 : 0); }
  // No block below the end of the file is missing and none lies behind it.
  bool IsDense(const schema::InodeRecord& record) const;
  // How many of first <= block < last_excl exist, and how many of these are preallocated and not written yet.
  struct BlockCount {
    uint64_t blocks = 0, promised = 0;
  };
  Result<BlockCount> CountBlocks(InodeNumber ino, const schema::InodeRecord& record, uint64_t first,
                                 uint64_t last_excl);

  // Fills `out`; holes are zeros. Returns how much: less only at the end of the file.
  Result<size_t> Read(InodeNumber ino, const schema::InodeRecord& record, uint64_t offset, std::span<char> out);
  // REQUIRES: offset + data.size() <= kMaxFileSize.
  Outcome Write(InodeNumber ino, schema::InodeRecord* record, uint64_t offset, std::string_view data,
                lsm::WriteBatch* batch);
  // Also drops what was preallocated behind the end.
  Outcome Truncate(InodeNumber ino, schema::InodeRecord* record, uint64_t size, lsm::WriteBatch* batch);
  // Makes the range read as zeros, whole blocks of it as holes. The size stays.
  Outcome Punch(InodeNumber ino, schema::InodeRecord* record, uint64_t offset, uint64_t length, lsm::WriteBatch* batch);
  // Preallocates whatever is missing of first <= block < last_excl; with `zero` what exists becomes preallocated too.
  // The size stays: the caller sets it, or kBlocksBeyondEnd is set here.
  Outcome AllocateBlocks(InodeNumber ino, schema::InodeRecord* record, uint64_t first, uint64_t last_excl, bool zero,
                         lsm::WriteBatch* batch);
  // Zeroes bytes within one block, if it exists.
  Outcome ZeroWithin(InodeNumber ino, schema::InodeRecord* record, uint64_t block, uint32_t begin, uint32_t end,
                     lsm::WriteBatch* batch);
  // Deletes every block, for an inode that goes.
  void EraseAll(InodeNumber ino, const schema::InodeRecord& record, lsm::WriteBatch* batch) const;

  // The first data (hole) at or behind `offset`; ENXIO when there is none before the end. Blocks that were only
  // preallocated are holes here, as on ext4; zeros that were written are data. The end of the file is a hole.
  Result<uint64_t> SeekData(InodeNumber ino, const schema::InodeRecord& record, uint64_t offset);
  // Looks no further than `limit`: answers it, or more, when all before it is data.
  Result<uint64_t> SeekHole(InodeNumber ino, const schema::InodeRecord& record, uint64_t offset,
                            uint64_t limit = schema::kMaxFileSize);

 private:
  Outcome ReadBlocks(InodeNumber ino, uint64_t offset, std::span<char> out);
  // Counts in *existing what it found of the block.
  Outcome WritePart(InodeNumber ino, const schema::InodeRecord& record, uint64_t block, uint32_t begin,
                    std::string_view data, BlockCount* existing, lsm::WriteBatch* batch);
  bool MayExist(const schema::InodeRecord& record, uint64_t block) const;
  static void PutBlock(InodeNumber ino, uint64_t block, std::string_view bytes, lsm::WriteBatch* batch);
  static void PutPromised(InodeNumber ino, uint64_t block, lsm::WriteBatch* batch);
  // True if every block below the end was written.
  bool IsWhole(const schema::InodeRecord& record) const { return IsDense(record) && record.promised == 0; }
  // Deletes first <= block < last_excl and takes them off the record's counts.
  Outcome EraseBlocks(InodeNumber ino, schema::InodeRecord* record, uint64_t first, uint64_t last_excl,
                      lsm::WriteBatch* batch);
  // Calls visit(block, value) for each existing block until it returns false.
  Outcome ForEachBlock(InodeNumber ino, uint64_t first, uint64_t last_excl,
                       const std::function<bool(uint64_t, std::string_view)>& visit);

  RecordStore* const records_;
  const uint32_t block_size_;
};

}  // namespace silt::fs
