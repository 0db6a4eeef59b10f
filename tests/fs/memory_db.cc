#include "tests/fs/memory_db.h"

namespace silt::fs::test {
namespace {

using lsm::FamilyId;
using lsm::SequenceNumber;
using lsm::Status;

std::string FullKey(FamilyId family, std::string_view key) {
  std::string full(1, static_cast<char>(family));
  full.append(key);
  return full;
}

class MemorySnapshot final : public lsm::Snapshot {
 public:
  explicit MemorySnapshot(SequenceNumber sequence) : Snapshot(sequence) {}
};

const std::string* VisibleAt(const std::map<SequenceNumber, std::optional<std::string>, std::greater<>>& versions,
                             SequenceNumber sequence) {
  auto at = versions.lower_bound(sequence);  // newest that is not newer than `sequence`
  return at != versions.end() && at->second ? &*at->second : nullptr;
}

class MemoryIterator final : public lsm::Iterator {
 public:
  MemoryIterator(std::shared_ptr<MemoryStore> store, const lsm::ReadOptions& options, FamilyId family)
      : store_(std::move(store)), family_(family) {
    lower_ = FullKey(family, options.lower_bound.value_or(""));
    upper_ =
        options.upper_bound ? FullKey(family, *options.upper_bound) : std::string(1, static_cast<char>(family + 1));
    std::lock_guard lock(store_->mutex);
    sequence_ = options.snapshot ? options.snapshot->sequence() : store_->last;
    ++store_->iterators;
  }

  bool Valid() const override { return valid_; }
  void SeekToFirst() override { Forward(lower_); }
  void SeekToLast() override { Backward(upper_); }
  void Seek(std::string_view target) override { Forward(std::max(lower_, FullKey(family_, target))); }
  void SeekForPrev(std::string_view target) override { Backward(std::min(upper_, FullKey(family_, target) + '\0')); }
  void Next() override { Forward(key_ + '\0'); }
  void Prev() override { Backward(key_); }
  std::string_view key() const override { return std::string_view(key_).substr(1); }
  std::string_view value() const override { return value_; }
  Status status() const override { return Status::Ok(); }

 private:
  // To the first visible key >= from.
  void Forward(const std::string& from) {
    std::lock_guard lock(store_->mutex);
    valid_ = false;
    for (auto at = store_->keys.lower_bound(from); at != store_->keys.end() && at->first < upper_; ++at) {
      if (const std::string* value = VisibleAt(at->second, sequence_)) return Take(at->first, *value);
    }
  }
  // To the last visible key < before.
  void Backward(const std::string& before) {
    std::lock_guard lock(store_->mutex);
    valid_ = false;
    for (auto at = store_->keys.lower_bound(before); at != store_->keys.begin();) {
      --at;
      if (at->first < lower_) return;
      if (const std::string* value = VisibleAt(at->second, sequence_)) return Take(at->first, *value);
    }
  }
  void Take(const std::string& key, const std::string& value) {
    valid_ = true;
    std::string copy = key;
    key_.swap(copy);
    value_ = value;
  }

  const std::shared_ptr<MemoryStore> store_;
  const FamilyId family_;
  std::string lower_, upper_;
  SequenceNumber sequence_ = 0;
  bool valid_ = false;
  std::string key_, value_;
};

class MemoryDb final : public lsm::Db {
 public:
  explicit MemoryDb(std::shared_ptr<MemoryStore> store) : store_(std::move(store)) { store_->in_use = true; }
  ~MemoryDb() override { (void)Close(); }

  Status Write(const lsm::WriteOptions& options, const lsm::WriteBatch& batch, SequenceNumber* sequence) override {
    if (store_->on_write) SILT_RETURN_IF_ERROR(store_->on_write(batch));
    std::unique_lock lock(store_->mutex);
    if (closed_) return Status::Aborted("closed");
    ++store_->batches;
    Status status = lsm::WriteBatch::Decode(
        batch.Data(), [this](SequenceNumber, lsm::EntryKind kind, FamilyId family, std::string_view key,
                             std::string_view value) { Apply(kind, family, key, value); });
    if (sequence) *sequence = store_->last;
    SequenceNumber last = store_->last;
    lock.unlock();
    if (!status.ok() || !options.sync) return status;
    return Sync(last);
  }

  Status Sync(SequenceNumber sequence) override {
    {
      std::lock_guard lock(store_->mutex);
      if (closed_) return Status::Aborted("closed");
      ++store_->syncs;
      store_->synced = std::max(store_->synced, sequence);
    }
    if (store_->on_sync) store_->on_sync();
    return Status::Ok();
  }

  SequenceNumber LastSequence() const override {
    std::lock_guard lock(store_->mutex);
    return store_->last;
  }

  Status Get(const lsm::ReadOptions& options, FamilyId family, std::string_view key, lsm::PinnedValue* value) override {
    if (store_->on_get) SILT_RETURN_IF_ERROR(store_->on_get(family, key));
    std::lock_guard lock(store_->mutex);
    if (closed_) return Status::Aborted("closed");
    ++store_->gets;
    auto at = store_->keys.find(FullKey(family, key));
    SequenceNumber sequence = options.snapshot ? options.snapshot->sequence() : store_->last;
    const std::string* found = at == store_->keys.end() ? nullptr : VisibleAt(at->second, sequence);
    if (!found) return Status::NotFound();
    value->Copy(*found);
    return Status::Ok();
  }

  void MultiGet(const lsm::ReadOptions& options, FamilyId family, std::span<const std::string_view> keys,
                std::span<lsm::PinnedValue> values, std::span<Status> statuses) override {
    for (size_t i = 0; i < keys.size(); ++i) statuses[i] = Get(options, family, keys[i], &values[i]);
  }

  std::unique_ptr<lsm::Iterator> NewIterator(const lsm::ReadOptions& options, FamilyId family) override {
    return std::make_unique<MemoryIterator>(store_, options, family);
  }

  const lsm::Snapshot* GetSnapshot() override { return new MemorySnapshot(LastSequence()); }
  void ReleaseSnapshot(const lsm::Snapshot* snapshot) override {
    std::unique_ptr<const MemorySnapshot>(static_cast<const MemorySnapshot*>(snapshot)).reset();
  }

  Status Flush() override {
    if (store_->on_flush) store_->on_flush();
    return Status::Ok();
  }
  Status CompactRange(FamilyId, const std::string*, const std::string*) override { return Status::Ok(); }
  Status WaitForBackgroundWork() override { return Status::Ok(); }
  Status ReclaimSpace() override { return Flush(); }
  Status Checkpoint(const std::string&) override { return Status::NotSupported("in memory"); }
  Status Verify(const VerifyCallbacks&) override { return Status::Ok(); }
  lsm::DbStats GetStats() const override { return {}; }
  uint64_t MemtableBytes() const override { return store_->memtable_bytes; }
  uint64_t UnflushedDeletions() override { return store_->unflushed_deletions; }
  Status Close() override {
    std::lock_guard lock(store_->mutex);
    closed_ = true;
    store_->in_use = false;
    return Status::Ok();
  }

 private:
  // REQUIRES: the store's mutex.
  void Apply(lsm::EntryKind kind, FamilyId family, std::string_view key, std::string_view value) {
    SequenceNumber sequence = ++store_->last;
    if (kind == lsm::EntryKind::kRangeDelete) {
      auto end = store_->keys.lower_bound(FullKey(family, value));
      for (auto at = store_->keys.lower_bound(FullKey(family, key)); at != end; ++at)
        at->second[sequence] = std::nullopt;
      return;
    }
    auto& versions = store_->keys[FullKey(family, key)];
    versions[sequence] = kind == lsm::EntryKind::kPut ? std::optional<std::string>(value) : std::nullopt;
  }

  const std::shared_ptr<MemoryStore> store_;
  bool closed_ = false;  // guarded by the store's mutex
};

}  // namespace

std::unique_ptr<lsm::Db> NewMemoryDb(std::shared_ptr<MemoryStore> store) {
  return std::make_unique<MemoryDb>(std::move(store));
}

}  // namespace silt::fs::test
