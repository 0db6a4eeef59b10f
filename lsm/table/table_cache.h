// Keeps a bounded number of tables open.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "lsm/storage/storage.h"
#include "lsm/table/block_cache.h"
#include "lsm/table/table.h"

namespace silt::lsm {

// Thread-safe. A table that falls out of the cache lives on while somebody holds it.
class TableCache {
 public:
  // `cache` may be null; neither pointer is owned.
  TableCache(Storage* storage, std::string dir, BlockCache* cache, int max_open_tables);
  ~TableCache();

  // Opens it if needed. Two callers that miss at once open it once.
  Result<std::shared_ptr<Table>> Get(FileNumber number, uint64_t size);
  // Opens it if needed and keeps it open until Evict, beside the bounded number of others.
  Status Hold(FileNumber number, uint64_t size);
  // Forgets the table and its cached blocks, for a file that is deleted. Numbers are never reused.
  void Evict(FileNumber number);
  uint64_t OpenTables() const;
  size_t MemoryUsage() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace silt::lsm
