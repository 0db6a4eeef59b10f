#include "fs/record_store.h"

#include <fmt/format.h>

namespace silt::fs {

using lsm::Status;

Result<bool> RecordStore::Get(InodeNumber ino, lsm::FamilyId family, std::string_view key, lsm::PinnedValue* value) {
  Status status = db_->Get({}, family, key, value);
  if (status.ok()) return true;
  if (status.IsNotFound()) return false;
  return Failed(ino, status);
}

Result<std::optional<schema::InodeRecord>> RecordStore::Inode(InodeNumber ino) {
  lsm::PinnedValue value;
  auto found = Get(ino, schema::kMeta, schema::InodeKey(ino), &value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  auto record = schema::InodeRecord::Decode(value.view());
  if (!record) return Damaged(ino, "its inode record does not decode");
  return record;
}

Result<std::optional<schema::NameRecord>> RecordStore::Name(InodeNumber directory, std::string_view name) {
  lsm::PinnedValue value;
  auto found = Get(directory, schema::kMeta, schema::NameKey(directory, name), &value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  auto record = schema::NameRecord::Decode(value.view());
  if (!record) return Damaged(directory, fmt::format("the name record of \"{}\" does not decode", name));
  return record;
}

Result<bool> RecordStore::Block(InodeNumber ino, uint64_t block, uint32_t block_size, lsm::PinnedValue* value) {
  auto found = Get(ino, schema::kData, schema::DataKey(ino, block), value);
  if (found && *found && value->size() > block_size) return Damaged(ino, fmt::format("block {} is too long", block));
  return found;
}

std::unique_ptr<lsm::Iterator> RecordStore::Scan(lsm::FamilyId family, schema::KeyRange range, size_t bulk_bytes) {
  // A table keeps somewhat more than the values, and the range begins and ends within its blocks.
  constexpr size_t kSlack = 96 << 10;
  lsm::ReadOptions options;
  options.fill_cache = bulk_bytes == 0;
  options.readahead_bytes = bulk_bytes == 0 ? 0 : bulk_bytes + kSlack;
  options.lower_bound = std::move(range.begin);
  options.upper_bound = std::move(range.end);
  return db_->NewIterator(options, family);
}

Outcome RecordStore::Commit(const lsm::WriteBatch& batch, lsm::SequenceNumber* sequence) {
  Status status = db_->Write({}, batch, sequence);
  if (!status.ok()) return Fail(ErrnoOf(status));
  return {};
}

Outcome RecordStore::Sync(lsm::SequenceNumber sequence) {
  Status status = db_->Sync(sequence);
  if (!status.ok()) return Fail(ErrnoOf(status));
  return {};
}

tl::unexpected<Errno> RecordStore::Failed(InodeNumber ino, const Status& status) {
  bool damage = status.code() == lsm::StatusCode::kCorruption || status.code() == lsm::StatusCode::kIoError;
  if (damage) {
    std::lock_guard lock(reported_mutex_);
    bool report = reported_.size() >= kMaxReported || reported_.insert(ino).second;
    if (report) Log(lsm::LogLevel::kError, fmt::format("inode {}: {}", ino, status.ToString()));
  }
  return Fail(ErrnoOf(status));
}

tl::unexpected<Errno> RecordStore::Damaged(InodeNumber ino, std::string_view what) {
  return Failed(ino, Status::Corruption(fmt::format("{}; run fsck", what)));
}

void RecordStore::Log(lsm::LogLevel level, std::string_view line) const {
  if (log_) log_(level, line);
}

}  // namespace silt::fs
