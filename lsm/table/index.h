// The index of a table: for each block a separator, which is >= every key of the block and < every key of the next.
// An index that grows large is cut into partitions, with a top level over them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/table/block.h"
#include "lsm/table/block_builder.h"
#include "lsm/table/block_source.h"
#include "lsm/table/format.h"

namespace silt::lsm {

// A short internal key s with last <= s < next. REQUIRES: internal keys, last < next.
std::string SeparatorBetween(std::string_view last, std::string_view next);
// A short internal key >= last.
std::string SeparatorAfter(std::string_view last);

class IndexBuilder {
 public:
  explicit IndexBuilder(size_t partition_bytes) : partition_bytes_(partition_bytes), block_(kRestartInterval) {}

  void Add(std::string_view separator, const BlockHandle& handle);
  bool Empty() const { return partitions_.empty() && block_.Empty(); }

  // Writes the partitions, if there are any, by `write`, and gives back the index block itself, valid as long as the
  // builder.
  struct Finished {
    std::string_view block;
    bool two_level;
  };
  Finished Finish(const std::function<BlockHandle(std::string_view block)>& write);

 private:
  static constexpr int kRestartInterval = 4;  // seeks matter more than size here

  struct Partition {
    std::string block;
    std::string separator;
  };
  void CutPartition();

  size_t partition_bytes_;
  std::vector<Partition> partitions_;
  BlockBuilder block_;
};

// A cursor over the handles of data blocks, one or two levels deep. The block source and the top block must outlive it.
class IndexCursor {
 public:
  // `index_offset`: of the top block in the file, for messages.
  IndexCursor(const BlockSource* source, std::string_view top, uint64_t index_offset, bool two_level, bool fill_cache)
      : source_(source), index_offset_(index_offset), two_level_(two_level), fill_cache_(fill_cache), top_(top) {}

  bool Valid() const { return status_.ok() && leaf().Valid(); }
  const Status& status() const { return status_; }
  const BlockHandle& handle() const { return handle_; }
  std::string_view separator() const { return leaf().key(); }

  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view internal_key);  // the block that would hold it
  void Next();
  void Prev();

 private:
  BlockCursor& leaf() { return two_level_ ? partition_ : top_; }
  const BlockCursor& leaf() const { return two_level_ ? partition_ : top_; }
  // Opens the partition under the top cursor. False at the end of the top level and on errors.
  bool OpenPartition();
  bool DecodeHandle(const BlockCursor& cursor, uint64_t block_offset, BlockHandle* handle);
  // Takes the handle from the leaf, or the reason why there is none.
  void Settle();

  const BlockSource* source_;
  uint64_t index_offset_;
  bool two_level_;
  bool fill_cache_;
  BlockCursor top_;
  BlockHandle partition_handle_;
  BlockRef partition_block_;
  BlockCursor partition_;
  BlockHandle handle_;
  Status status_;
};

}  // namespace silt::lsm
