// Which entries of a scan do range tombstones hide? Keeps, for each source that has tombstones, the stretch of keys
// around the current one in which the answer stays the same, so that a step costs a comparison.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lsm/range_tombstone.h"
#include "lsm/status.h"
#include "lsm/table/table_cache.h"
#include "lsm/version/version_edit.h"

namespace silt::lsm {

// Not thread-safe. What is added must outlive it.
class CoverTracker {
 public:
  CoverTracker(TableCache* tables, SequenceNumber snapshot) : tables_(tables), snapshot_(snapshot) {}

  // `source`: its index in the merge; added in ascending order.
  void AddMemTable(size_t source, const RangeTombstoneSource* tombstones);
  // Files with disjoint ranges in key order: a level, or one L0 table.
  void AddFiles(size_t source, std::span<const FileRef> files);
  bool Empty() const { return sources_.empty(); }

  // The tombstone that hides an entry. The span ends where it does, or where the snapshot stops seeing it.
  struct Cover {
    size_t source = 0;
    const CoverSpan* span = nullptr;  // valid until the next call
  };
  // The newest source's tombstone that covers the key with a sequence above `sequence`; span null: none.
  // An error when a table cannot be opened.
  Result<Cover> Find(std::string_view user_key, SequenceNumber sequence);

 private:
  struct Source {
    size_t index = 0;
    const RangeTombstoneSource* tombstones = nullptr;  // or:
    std::span<const FileRef> files;
    CoverSpan span;
    bool has_span = false;
  };
  Status Locate(Source* source, std::string_view user_key);
  Status LocateInFiles(Source* source, std::string_view user_key);

  TableCache* const tables_;
  const SequenceNumber snapshot_;
  std::vector<Source> sources_;
};

}  // namespace silt::lsm
