// LevelDB of the distribution, as kv_bench sees it.
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <chrono>
#include <thread>

#include "perf/kv_bench/kv_store.h"

namespace silt::bench {
namespace {

leveldb::Slice ToSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
std::string_view ToView(const leveldb::Slice& slice) {
  return {slice.data(), slice.size()};
}

void Check(const leveldb::Status& status) {
  if (!status.ok()) Fail("leveldb", status.ToString());
}

class LevelDbCursor : public Cursor {
 public:
  explicit LevelDbCursor(leveldb::Iterator* iterator) : iterator_(iterator) {}
  void Seek(std::string_view target) override { iterator_->Seek(ToSlice(target)); }
  void SeekToFirst() override { iterator_->SeekToFirst(); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool Valid() const override { return iterator_->Valid(); }
  std::string_view key() const override { return ToView(iterator_->key()); }
  std::string_view value() const override { return ToView(iterator_->value()); }

 private:
  std::unique_ptr<leveldb::Iterator> iterator_;
};

class LevelDbStore : public KvStore {
 public:
  LevelDbStore(std::unique_ptr<leveldb::Cache> cache, std::unique_ptr<const leveldb::FilterPolicy> filter,
               leveldb::DB* db)
      : cache_(std::move(cache)), filter_(std::move(filter)), db_(db) {}

  void Put(std::string_view key, std::string_view value, bool sync) override {
    Check(db_->Put(Options(sync), ToSlice(key), ToSlice(value)));
  }
  void Delete(std::string_view key) override { Check(db_->Delete({}, ToSlice(key))); }
  void Write(const Batch& batch, bool sync) override {
    leveldb::WriteBatch out;
    for (const auto& op : batch.operations) {
      if (op.is_delete) {
        out.Delete(op.key);
      } else {
        out.Put(op.key, op.value);
      }
    }
    Check(db_->Write(Options(sync), &out));
  }
  bool DeleteRange(std::string_view begin, std::string_view end) override {
    leveldb::WriteBatch out;
    std::unique_ptr<leveldb::Iterator> iterator(db_->NewIterator({}));
    for (iterator->Seek(ToSlice(begin)); iterator->Valid() && ToView(iterator->key()) < end; iterator->Next()) {
      out.Delete(iterator->key());
    }
    Check(db_->Write({}, &out));
    return false;
  }
  int64_t Get(std::string_view key) override {
    thread_local std::string value;
    leveldb::Status status = db_->Get({}, ToSlice(key), &value);
    if (status.IsNotFound()) return -1;
    Check(status);
    return static_cast<int64_t>(value.size());
  }
  int64_t MultiGet(const std::vector<std::string>& keys) override {
    int64_t found = 0;
    for (const auto& key : keys) found += Get(key) >= 0 ? 1 : 0;
    return found;
  }
  std::unique_ptr<Cursor> NewCursor() override { return std::make_unique<LevelDbCursor>(db_->NewIterator({})); }

  // LevelDB does not tell whether it is compacting: it is taken to be done when it has written nothing for a while.
  void Settle() override {
    int quiet = 0;
    for (uint64_t last = BytesWrittenByProcess(); quiet < 5;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      uint64_t now = BytesWrittenByProcess();
      quiet = now == last ? quiet + 1 : 0;
      last = now;
    }
  }

 private:
  static leveldb::WriteOptions Options(bool sync) {
    leveldb::WriteOptions options;
    options.sync = sync;
    return options;
  }

  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

std::unique_ptr<KvStore> OpenLevelDb(const StoreOptions& options) {
  std::unique_ptr<leveldb::Cache> cache(leveldb::NewLRUCache(options.cache_bytes));
  std::unique_ptr<const leveldb::FilterPolicy> filter(leveldb::NewBloomFilterPolicy(options.bloom_bits));
  leveldb::Options out;
  out.create_if_missing = true;
  out.write_buffer_size = options.memtable_bytes;
  out.block_cache = cache.get();
  out.block_size = options.block_bytes;
  out.max_file_size = options.table_bytes;
  out.filter_policy = filter.get();
  out.compression = options.compress ? leveldb::kSnappyCompression : leveldb::kNoCompression;
  leveldb::DB* db = nullptr;
  Check(leveldb::DB::Open(out, options.path, &db));
  return std::make_unique<LevelDbStore>(std::move(cache), std::move(filter), db);
}

}  // namespace silt::bench
