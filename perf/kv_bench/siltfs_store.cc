// siltfs's own engine, as kv_bench sees it.
#include "lsm/db.h"
#include "perf/kv_bench/kv_store.h"

namespace silt::bench {
namespace {

constexpr lsm::FamilyId kFamily = 0;

void Check(const lsm::Status& status) {
  if (!status.ok()) Fail("siltfs", status.ToString());
}

class SiltfsCursor : public Cursor {
 public:
  explicit SiltfsCursor(std::unique_ptr<lsm::Iterator> iterator) : iterator_(std::move(iterator)) {}
  void Seek(std::string_view target) override { iterator_->Seek(target); }
  void SeekToFirst() override { iterator_->SeekToFirst(); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool Valid() const override {
    if (iterator_->Valid()) return true;
    Check(iterator_->status());
    return false;
  }
  std::string_view key() const override { return iterator_->key(); }
  std::string_view value() const override { return iterator_->value(); }

 private:
  std::unique_ptr<lsm::Iterator> iterator_;
};

class SiltfsStore : public KvStore {
 public:
  explicit SiltfsStore(std::unique_ptr<lsm::Db> db) : db_(std::move(db)) {}

  void Put(std::string_view key, std::string_view value, bool sync) override {
    lsm::WriteBatch batch;
    batch.Put(kFamily, key, value);
    Check(db_->Write({.sync = sync}, batch));
  }
  void Delete(std::string_view key) override { Check(db_->Delete(kFamily, key)); }
  void Write(const Batch& batch, bool sync) override {
    lsm::WriteBatch out;
    for (const auto& op : batch.operations) {
      if (op.is_delete) {
        out.Delete(kFamily, op.key);
      } else {
        out.Put(kFamily, op.key, op.value);
      }
    }
    Check(db_->Write({.sync = sync}, out));
  }
  bool DeleteRange(std::string_view begin, std::string_view end) override {
    lsm::WriteBatch batch;
    batch.DeleteRange(kFamily, begin, end);
    Check(db_->Write({}, batch));
    return true;
  }
  int64_t Get(std::string_view key) override {
    lsm::PinnedValue value;
    lsm::Status status = db_->Get({}, kFamily, key, &value);
    if (status.IsNotFound()) return -1;
    Check(status);
    return static_cast<int64_t>(value.size());
  }
  int64_t MultiGet(const std::vector<std::string>& keys) override {
    std::vector<std::string_view> views(keys.begin(), keys.end());
    std::vector<lsm::PinnedValue> values(keys.size());
    std::vector<lsm::Status> statuses(keys.size());
    db_->MultiGet({}, kFamily, views, values, statuses);
    int64_t found = 0;
    for (const auto& status : statuses) {
      if (status.IsNotFound()) continue;
      Check(status);
      ++found;
    }
    return found;
  }
  std::unique_ptr<Cursor> NewCursor() override { return std::make_unique<SiltfsCursor>(db_->NewIterator({}, kFamily)); }
  void Settle() override { Check(db_->WaitForBackgroundWork()); }

 private:
  std::unique_ptr<lsm::Db> db_;
};

}  // namespace

std::unique_ptr<KvStore> OpenSiltfs(const StoreOptions& options) {
  lsm::Options out;
  auto compression = options.compress ? lsm::Compression::kSnappy : lsm::Compression::kNone;
  lsm::FamilyOptions& family = out.families.front();
  family.block_bytes = options.block_bytes;
  family.filter_bits_per_key = options.bloom_bits;
  family.compression = compression;
  family.last_level_compression = compression;
  family.target_file_bytes = options.table_bytes;
  out.create_if_missing = true;
  out.memtable_bytes = options.memtable_bytes;
  out.block_cache_bytes = options.cache_bytes;
  out.lock_description = "kv_bench";
  auto db = lsm::Db::Open(out, options.path);
  if (!db) Check(db.error());
  return std::make_unique<SiltfsStore>(std::move(*db));
}

}  // namespace silt::bench
