// Reads one sorted table.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/internal_iterator.h"
#include "lsm/lookup_key.h"
#include "lsm/pinned_value.h"
#include "lsm/range_tombstone.h"
#include "lsm/storage/storage.h"
#include "lsm/table/block_cache.h"
#include "lsm/table/table_properties.h"

namespace silt::lsm {

struct TableReadOptions {
  bool fill_cache = true;
  size_t readahead_bytes = 0;  // 0: adaptive (grows while reads are sequential)
};

// Thread-safe. Every byte that is used was checked against its checksum; a mismatch is kCorruption that names file and
// offset. Index and filter are read at open and held (accounted by MemoryUsage).
class Table : public std::enable_shared_from_this<Table> {
 public:
  // `cache` may be null. `size` from the MANIFEST must match the file.
  static Result<std::shared_ptr<Table>> Open(std::unique_ptr<RandomAccessFile> file, std::string name,
                                             FileNumber number, uint64_t size, BlockCache* cache);
  ~Table();

  enum class Lookup : uint8_t {
    kAbsent,         // no version of the key at or below the snapshot
    kFilteredOut,    // the same, and the filter said so without a block read
    kFound,          // a put
    kDeleted,        // a point tombstone
  };
  // The newest point entry of the key with sequence <= snapshot. Range tombstones are NOT considered.
  Result<Lookup> Get(const TableReadOptions& options, const LookupKey& key, SequenceNumber snapshot,
                     PinnedValue* value, SequenceNumber* sequence) const;

  // The iterator keeps the table alive.
  std::unique_ptr<InternalIterator> NewIterator(const TableReadOptions& options) const;
  const FragmentedRangeTombstones& range_tombstones() const;
  const TableProperties& properties() const;
  size_t MemoryUsage() const;

  // Reads every block past the cache and checks it; `progress` (may be empty) gets bytes read so far.
  Status Verify(const std::function<void(uint64_t)>& progress) const;

  // Roughly where in the file the key would be, in bytes.
  uint64_t ApproximateOffsetOf(std::string_view internal_key) const;
  // Of the data blocks all of whose keys lie in begin <= user key < end. 0 for an index that cannot be read.
  uint64_t BlockBytesBetween(std::string_view begin, std::string_view end) const;

 private:
  Table();
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace silt::lsm
