// An engine in memory, for tests of the filesystem's meaning: no files, no threads, failures on demand.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "lsm/db.h"

namespace silt::fs::test {

// What a MemoryDb holds; outlives it, so that a test can reopen. Keeps every version.
struct MemoryStore {
  // Key with the family in front -> versions, newest first; nullopt: deleted.
  std::map<std::string, std::map<lsm::SequenceNumber, std::optional<std::string>, std::greater<>>> keys;
  lsm::SequenceNumber last = 0;
  lsm::SequenceNumber synced = 0;
  uint64_t syncs = 0;
  uint64_t batches = 0;
  uint64_t gets = 0;
  uint64_t iterators = 0;
  bool in_use = false;
  std::atomic<uint64_t> memtable_bytes = 0;       // what MemtableBytes says
  std::atomic<uint64_t> unflushed_deletions = 0;  // what UnflushedDeletions says
  // Asked before each write and each read (with the key); a status that is not ok is what the caller gets.
  std::function<lsm::Status(const lsm::WriteBatch&)> on_write;
  std::function<lsm::Status(lsm::FamilyId, std::string_view)> on_get;
  std::function<void()> on_sync;
  std::function<void()> on_flush;
  mutable std::mutex mutex;  // guards everything above but the hooks
};

// Thread-safe, as lsm::Db. Maintenance calls do nothing and succeed.
std::unique_ptr<lsm::Db> NewMemoryDb(std::shared_ptr<MemoryStore> store);

}  // namespace silt::fs::test
