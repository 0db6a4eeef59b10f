// RocksDB of the distribution, as kv_bench sees it.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <thread>

#include "perf/kv_bench/leveldb_like.h"

namespace silt::bench {
namespace {

using rocksdb::Slice;
using rocksdb::WriteOptions;
using RocksDbCursor = LevelDbLikeCursor<rocksdb::Iterator, Slice>;

void Check(const rocksdb::Status& status) {
  if (!status.ok()) Fail("rocksdb", status.ToString());
}

class RocksDbStore : public KvStore {
 public:
  explicit RocksDbStore(rocksdb::DB* db) : db_(db) {}

  void Put(std::string_view key, std::string_view value, bool sync) override {
    Check(db_->Put(SyncIf<WriteOptions>(sync), SliceOf<Slice>(key), SliceOf<Slice>(value)));
  }
  void Delete(std::string_view key) override { Check(db_->Delete({}, SliceOf<Slice>(key))); }
  void Write(const Batch& batch, bool sync) override {
    rocksdb::WriteBatch out;
    for (const auto& op : batch.operations) {
      Check(op.is_delete ? out.Delete(op.key) : out.Put(op.key, op.value));
    }
    Check(db_->Write(SyncIf<WriteOptions>(sync), &out));
  }
  bool DeleteRange(std::string_view begin, std::string_view end) override {
    Check(db_->DeleteRange({}, db_->DefaultColumnFamily(), SliceOf<Slice>(begin), SliceOf<Slice>(end)));
    return true;
  }
  int64_t Get(std::string_view key) override {
    rocksdb::PinnableSlice value;
    rocksdb::Status status = db_->Get({}, db_->DefaultColumnFamily(), SliceOf<Slice>(key), &value);
    if (status.IsNotFound()) return -1;
    Check(status);
    return static_cast<int64_t>(value.size());
  }
  int64_t MultiGet(const std::vector<std::string>& keys) override {
    std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_->MultiGet({}, db_->DefaultColumnFamily(), slices.size(), slices.data(), values.data(), statuses.data(), true);
    int64_t found = 0;
    for (const auto& status : statuses) {
      if (status.IsNotFound()) continue;
      Check(status);
      ++found;
    }
    return found;
  }
  std::unique_ptr<Cursor> NewCursor() override { return std::make_unique<RocksDbCursor>(db_->NewIterator({})); }

  void Settle() override {
    for (;;) {
      uint64_t busy = 0;
      for (const char* name : {"rocksdb.num-running-compactions", "rocksdb.num-running-flushes",
                               "rocksdb.compaction-pending", "rocksdb.mem-table-flush-pending"}) {
        uint64_t value = 0;
        if (db_->GetIntProperty(name, &value)) busy += value;
      }
      if (busy == 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<KvStore> OpenRocksDb(const StoreOptions& options) {
  rocksdb::Options out;
  out.create_if_missing = true;
  out.write_buffer_size = options.memtable_bytes;
  out.max_write_buffer_number = 3;
  out.target_file_size_base = options.table_bytes;
  out.max_bytes_for_level_base = 128 << 20;
  out.level_compaction_dynamic_level_bytes = true;
  out.max_background_jobs = 2;
  // Recycled logs, as siltfs has; RocksDB allows them with this way of recovering only.
  out.recycle_log_file_num = 4;
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  out.compression = options.compress ? rocksdb::kSnappyCompression : rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  table.block_size = options.block_bytes;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(options.bloom_bits));
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  Check(rocksdb::DB::Open(out, options.path, &db));
  return std::make_unique<RocksDbStore>(db);
}

}  // namespace silt::bench
