// What kv_bench asks of an engine. One small class an engine; everything else is shared, so that only engines differ.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace silt::bench {

// The settings that every engine gets alike. Sizes are bytes.
struct StoreOptions {
  std::string path;
  uint64_t memtable_bytes = 32 << 20;
  uint64_t cache_bytes = 64 << 20;
  uint64_t block_bytes = 8 << 10;
  uint64_t table_bytes = 32 << 20;
  int bloom_bits = 10;
  bool compress = true;  // snappy
};

// A list of updates that is applied atomically.
struct Batch {
  struct Operation {
    bool is_delete;
    std::string key;
    std::string value;
  };
  std::vector<Operation> operations;

  void Put(std::string_view key, std::string_view value) {
    operations.push_back({false, std::string(key), std::string(value)});
  }
  void Delete(std::string_view key) { operations.push_back({true, std::string(key), {}}); }
  void Clear() { operations.clear(); }
};

// A cursor over all keys; not thread-safe.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void Seek(std::string_view target) = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual bool Valid() const = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

// Thread-safe. An engine that fails ends the program with a message: a benchmark has nothing better to do.
class KvStore {
 public:
  virtual ~KvStore() = default;
  virtual void Put(std::string_view key, std::string_view value, bool sync) = 0;
  virtual void Delete(std::string_view key) = 0;
  virtual void Write(const Batch& batch, bool sync) = 0;
  // Deletes begin <= key < end; false if the engine has no such operation and deleted key by key.
  virtual bool DeleteRange(std::string_view begin, std::string_view end) = 0;
  // The value's size, or -1 if there is none.
  virtual int64_t Get(std::string_view key) = 0;
  // How many of the sorted keys were found.
  virtual int64_t MultiGet(const std::vector<std::string>& keys) = 0;
  virtual std::unique_ptr<Cursor> NewCursor() = 0;
  // Returns when no flush and no compaction is running or due.
  virtual void Settle() = 0;
  virtual bool Readable() const { return true; }
};

// Ends the program with "kv_bench: <engine>: <message>".
[[noreturn]] void Fail(std::string_view engine, std::string_view message);

// Bytes this process has handed to write calls so far: the same measure of written bytes for every engine.
uint64_t BytesWrittenByProcess();
// The same for read calls. What an engine reads through mappings of its files does not count.
uint64_t BytesReadByProcess();

// Opens (creating it if need be) the engine named "siltfs", "leveldb", "rocksdb" or "pwrite"; nullptr if it is not compiled in.
std::unique_ptr<KvStore> OpenStore(const std::string& engine, const StoreOptions& options);
// The engines that are compiled in.
std::vector<std::string> Engines();

// Defined in the engines' own files. "pwrite" is no engine: see pwrite_store.cc.
std::unique_ptr<KvStore> OpenSiltfs(const StoreOptions& options);
std::unique_ptr<KvStore> OpenPwrite(const StoreOptions& options);
std::unique_ptr<KvStore> OpenLevelDb(const StoreOptions& options);
std::unique_ptr<KvStore> OpenRocksDb(const StoreOptions& options);

}  // namespace silt::bench
