// Inside Table: what is read at open and held.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lsm/table/block_source.h"
#include "lsm/table/filter.h"
#include "lsm/table/format.h"
#include "lsm/table/index.h"
#include "lsm/table/table.h"

namespace silt::lsm {

// Everything of a table but its data blocks and index partitions.
struct TableMetadata {
  Footer footer;
  Filter filter;
  FragmentedRangeTombstones range_tombstones;
  TableProperties properties;
  BlockRef index;  // the top level; null when the table has no point entries

  // In one read where they fit the tail of the file, else in two. Completes *source (salt, limit).
  static Result<TableMetadata> Load(BlockSource* source, uint64_t size);
  size_t MemoryUsage() const;

 private:
  Status LoadBlocks(const BlockSource& source, std::string_view bytes, uint64_t bytes_offset);
};

// Range tombstones from their block. nullopt: malformed.
std::optional<std::vector<RangeTombstone>> DecodeRangeTombstones(std::string_view block);

struct Table::Rep {
  std::unique_ptr<RandomAccessFile> file;
  BlockSource source;
  TableMetadata metadata;

  std::string_view TopIndex() const { return metadata.index == nullptr ? std::string_view() : metadata.index->view(); }
};

// table_iterator.cc. `table` is kept alive.
std::unique_ptr<InternalIterator> NewTableIterator(std::shared_ptr<const Table> table, const BlockSource& source,
                                                   const TableMetadata& metadata, const TableReadOptions& options);

// table_verify.cc. Reads everything again, from the file.
Status VerifyTable(const BlockSource& source, uint64_t size, const std::function<void(uint64_t)>& progress);

}  // namespace silt::lsm
