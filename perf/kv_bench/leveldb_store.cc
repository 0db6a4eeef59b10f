// LevelDB of the distribution, as kv_bench sees it.
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <chrono>
#include <thread>

#include "perf/kv_bench/leveldb_like.h"

namespace silt::bench {
namespace {

using leveldb::Slice;
using leveldb::WriteOptions;
using LevelDbCursor = LevelDbLikeCursor<leveldb::Iterator, Slice>;

void Check(const leveldb::Status& status) {
  if (!status.ok()) Fail("leveldb", status.ToString());
}

class LevelDbStore : public KvStore {
 public:
  LevelDbStore(std::unique_ptr<leveldb::Cache> cache, std::unique_ptr<const leveldb::FilterPolicy> filter,
               leveldb::DB* db)
      : cache_(std::move(cache)), filter_(std::move(filter)), db_(db) {}

  void Put(std::string_view key, std::string_view value, bool sync) override {
    Check(db_->Put(SyncIf<WriteOptions>(sync), SliceOf<Slice>(key), SliceOf<Slice>(value)));
  }
  void Delete(std::string_view key) override { Check(db_->Delete({}, SliceOf<Slice>(key))); }
  void Write(const Batch& batch, bool sync) override {
    leveldb::WriteBatch out;
    for (const auto& op : batch.operations) {
      if (op.is_delete) {
        out.Delete(op.key);
      } else {
        out.Put(op.key, op.value);
      }
    }
    Check(db_->Write(SyncIf<WriteOptions>(sync), &out));
  }
  bool DeleteRange(std::string_view begin, std::string_view end) override {
    leveldb::WriteBatch out;
    std::unique_ptr<leveldb::Iterator> iterator(db_->NewIterator({}));
    for (iterator->Seek(SliceOf<Slice>(begin)); iterator->Valid() && ViewOf(iterator->key()) < end; iterator->Next()) {
      out.Delete(iterator->key());
    }
    Check(db_->Write({}, &out));
    return false;
  }
  int64_t Get(std::string_view key) override {
    thread_local std::string value;
    leveldb::Status status = db_->Get({}, SliceOf<Slice>(key), &value);
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
