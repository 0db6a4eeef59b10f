// Writes one sorted table, front to back. Format: lsm/FORMAT.md "Table".
#pragma once

#include <memory>
#include <string_view>

#include "lsm/options.h"
#include "lsm/range_tombstone.h"
#include "lsm/status.h"
#include "lsm/storage/storage.h"
#include "lsm/table/table_properties.h"

namespace silt::lsm {

struct TableBuilderOptions {
  FamilyId family = 0;
  size_t block_bytes = 8 << 10;
  size_t index_block_bytes = 16 << 10;  // an index larger than this gets a second level
  int restart_interval = 16;
  int filter_bits_per_key = 10;  // 0: none
  Compression compression = Compression::kSnappy;
  uint64_t creation_seconds = 0;
};

// Not thread-safe. The first error sticks.
class TableBuilder {
 public:
  // `file` (not owned) must outlive the builder. `name` is for messages.
  TableBuilder(const TableBuilderOptions& options, WritableFile* file, std::string name);
  ~TableBuilder();

  // REQUIRES: internal keys in CompareInternal order, each greater than the one before.
  void Add(std::string_view internal_key, std::string_view value);
  // In any order, before Finish.
  void AddRangeTombstone(const RangeTombstone& tombstone);

  // Writes the rest and syncs nothing. REQUIRES: at least one entry or range tombstone.
  Status Finish();

  const Status& status() const;
  bool Empty() const;
  uint64_t FileSize() const;              // so far; final after Finish
  const TableProperties& properties() const;  // complete after Finish

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace silt::lsm
