// Typed reads of the schema's records, the commit of batches, and the log line when either meets damage.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "fs/result.h"
#include "fs/schema.h"
#include "lsm/db.h"

namespace silt::fs {

// Thread-safe. Does not own the Db.
class RecordStore {
 public:
  RecordStore(lsm::Db* db, lsm::LogSink log) : db_(db), log_(std::move(log)) {}

  // nullopt: there is none.
  Result<std::optional<schema::InodeRecord>> Inode(InodeNumber ino);
  Result<std::optional<schema::NameRecord>> Name(InodeNumber directory, std::string_view name);
  // False: a hole. The value is at most block_size long.
  Result<bool> Block(InodeNumber ino, uint64_t block, uint32_t block_size, lsm::PinnedValue* value);
  Result<bool> Get(InodeNumber ino, lsm::FamilyId family, std::string_view key, lsm::PinnedValue* value);
  // bulk_bytes: that many bytes of values will be read, most likely, and should be fetched at once, past the cache; 0:
  // a few at a time, through the cache.
  std::unique_ptr<lsm::Iterator> Scan(lsm::FamilyId family, schema::KeyRange range, size_t bulk_bytes = 0);

  // Applied and visible when it returns.
  Outcome Commit(const lsm::WriteBatch& batch, lsm::SequenceNumber* sequence = nullptr);
  Outcome Sync(lsm::SequenceNumber sequence);

  // The errno of a failed read; damage is logged with the inode that it belongs to, once for each inode.
  tl::unexpected<Errno> Failed(InodeNumber ino, const lsm::Status& status);
  // A record that does not decode, or does not fit with another.
  tl::unexpected<Errno> Damaged(InodeNumber ino, std::string_view what);

  void Log(lsm::LogLevel level, std::string_view line) const;
  lsm::Db& db() { return *db_; }

 private:
  static constexpr size_t kMaxReported = 1000;  // inodes whose damage was logged; then every case is

  lsm::Db* const db_;
  const lsm::LogSink log_;
  std::mutex reported_mutex_;
  std::unordered_set<InodeNumber> reported_;  // guarded by reported_mutex_
};

}  // namespace silt::fs
