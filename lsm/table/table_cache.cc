#include "lsm/table/table_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lsm/filenames.h"
#include "lsm/thread_slot.h"

namespace silt::lsm {
namespace {

constexpr size_t kMostShards = 8;
constexpr size_t kLeastTablesPerShard = 16;

constexpr size_t kNearTables = 64;
constexpr size_t kSecondChances = 8;

struct Entry {
  Entry(FileNumber n, std::shared_ptr<Table> t) : number(n), table(std::move(t)) {}
  FileNumber number;
  std::shared_ptr<Table> table;
  std::atomic<bool> used_nearby{false};  // since it was last given a second chance
};

// The tables that the threads of one slot used last, so that these pass neither a shard's lock nor a reference count to
// and fro with other threads: `table` has a count of its own.
struct alignas(kCacheLineBytes) Nearby {
  struct Known {
    FileNumber number = 0;
    std::shared_ptr<Table> table;
    std::atomic<bool>* used = nullptr;  // the shard's entry, which is there for as long as this; null for held tables
  };
  std::mutex mutex;                       // acquired after a shard's
  std::array<Known, kNearTables> tables;  // guarded by mutex; each at its number modulo the size

  std::shared_ptr<Table> Find(FileNumber number) {
    std::lock_guard lock(mutex);
    Known& known = tables[number % kNearTables];
    if (known.number != number) return nullptr;
    if (known.used != nullptr && !known.used->load(std::memory_order_relaxed)) {
      known.used->store(true, std::memory_order_relaxed);
    }
    return known.table;
  }
  void Put(FileNumber number, const std::shared_ptr<Table>& table, std::atomic<bool>* used) {
    auto holder = std::make_shared<std::shared_ptr<Table>>(table);
    Known put{number, {holder, table.get()}, used};
    std::lock_guard lock(mutex);
    std::swap(tables[number % kNearTables], put);
  }
  // The caller still holds the table, so that no file is closed here.
  void Forget(FileNumber number) {
    std::lock_guard lock(mutex);
    Known& known = tables[number % kNearTables];
    if (known.number == number) known = {};
  }
};

// A table that some thread is opening while others wait for the outcome.
struct Opening {
  bool done = false;
  bool evicted = false;  // meanwhile: hand it out, but do not keep it
  Result<std::shared_ptr<Table>> result = Fail(Status::Aborted("still opening"));
};

}  // namespace

struct TableCache::Rep {
  struct Shard {
    std::mutex mutex;
    std::condition_variable opened;
    std::array<Nearby, kThreadSlots>* nearby = nullptr;
    // Guarded by mutex, which is never held over I/O:
    size_t capacity = 0;
    std::list<Entry> tables;  // most recently used first
    std::unordered_map<FileNumber, std::list<Entry>::iterator> by_number;
    std::unordered_map<FileNumber, std::shared_ptr<Table>> held;  // beside those; in no list, so that none falls out
    std::unordered_map<FileNumber, std::shared_ptr<Opening>> opening;
    size_t memory = 0;

    std::shared_ptr<Table> Find(FileNumber number, Nearby* near) {
      if (auto it = by_number.find(number); it != by_number.end()) {
        Entry& entry = *it->second;
        if (it->second == tables.begin()) {  // twice in a row: worth it
          near->Put(number, entry.table, &entry.used_nearby);
        } else {
          tables.splice(tables.begin(), tables, it->second);
        }
        return entry.table;
      }
      auto it = held.find(number);
      if (it == held.end()) return nullptr;
      near->Put(number, it->second, nullptr);
      return it->second;
    }
    // Returns what fell out: closing files is for after the lock.
    std::vector<std::shared_ptr<Table>> Keep(FileNumber number, std::shared_ptr<Table> table) {
      memory += table->MemoryUsage();
      tables.emplace_front(number, std::move(table));
      by_number[number] = tables.begin();
      std::vector<std::shared_ptr<Table>> out;
      for (size_t chances = std::min(kSecondChances, capacity / 2); tables.size() > capacity;) {
        auto last = std::prev(tables.end());
        if (chances > 0 && last->used_nearby.exchange(false, std::memory_order_relaxed)) {
          tables.splice(tables.begin(), tables, last);
          --chances;
        } else {
          out.push_back(Drop(last));
        }
      }
      return out;
    }
    std::shared_ptr<Table> Drop(std::list<Entry>::iterator it) {
      ForgetNearby(it->number);
      std::shared_ptr<Table> table = std::move(it->table);
      memory -= table->MemoryUsage();
      by_number.erase(it->number);
      tables.erase(it);
      return table;
    }
    void ForgetNearby(FileNumber number) {
      for (Nearby& near : *nearby) near.Forget(number);
    }
  };

  std::array<Nearby, kThreadSlots> nearby;
  Storage* storage;
  std::string dir;
  BlockCache* cache;
  std::vector<Shard> shards;

  Rep(Storage* s, std::string d, BlockCache* c, size_t shard_count)
      : storage(s), dir(std::move(d)), cache(c), shards(shard_count) {}

  // Numbers are handed out in turn, so that they spread evenly by themselves.
  Shard& ShardOf(FileNumber number) { return shards[number % shards.size()]; }

  Result<std::shared_ptr<Table>> Open(FileNumber number, uint64_t size) {
    std::string name = TableName(number);
    auto file = storage->NewRandomAccessFile(JoinPath(dir, name));
    // Whoever asks has it from a MANIFEST, so a table that is gone is damage, never "there is no such key".
    if (!file && file.error().IsNotFound()) return Fail(Status::Corruption(name + " is missing"));
    if (!file) return Fail(file.error());
    return Table::Open(std::move(*file), std::move(name), number, size, cache);
  }
};

TableCache::TableCache(Storage* storage, std::string dir, BlockCache* cache, int max_open_tables) {
  auto capacity = static_cast<size_t>(std::max(max_open_tables, 1));
  size_t shard_count = std::clamp<size_t>(capacity / kLeastTablesPerShard, 1, kMostShards);
  rep_ = std::make_unique<Rep>(storage, std::move(dir), cache, shard_count);
  for (Rep::Shard& shard : rep_->shards) {
    shard.capacity = capacity / shard_count;
    shard.nearby = &rep_->nearby;
  }
}
TableCache::~TableCache() = default;

Result<std::shared_ptr<Table>> TableCache::Get(FileNumber number, uint64_t size) {
  Nearby& near = rep_->nearby[ThreadSlot()];
  if (auto table = near.Find(number)) return table;
  Rep::Shard& shard = rep_->ShardOf(number);
  std::shared_ptr<Opening> mine;
  {
    std::unique_lock lock(shard.mutex);
    if (auto table = shard.Find(number, &near)) return table;
    if (auto it = shard.opening.find(number); it != shard.opening.end()) {
      std::shared_ptr<Opening> other = it->second;
      shard.opened.wait(lock, [&] { return other->done; });
      return other->result;
    }
    mine = std::make_shared<Opening>();
    shard.opening[number] = mine;
  }
  auto result = rep_->Open(number, size);
  std::vector<std::shared_ptr<Table>> fallen_out;
  {
    std::lock_guard lock(shard.mutex);
    mine->result = result;
    mine->done = true;
    shard.opening.erase(number);
    if (result && !mine->evicted) fallen_out = shard.Keep(number, *result);
  }
  shard.opened.notify_all();
  return result;
}

Status TableCache::Hold(FileNumber number, uint64_t size) {
  auto table = Get(number, size);
  if (!table) return table.error();
  Rep::Shard& shard = rep_->ShardOf(number);
  std::lock_guard lock(shard.mutex);
  if (auto it = shard.by_number.find(number); it != shard.by_number.end()) shard.Drop(it->second);
  if (shard.held.emplace(number, *table).second) shard.memory += (*table)->MemoryUsage();
  return Status::Ok();
}

void TableCache::Evict(FileNumber number) {
  std::shared_ptr<Table> table;  // closed after the lock
  {
    Rep::Shard& shard = rep_->ShardOf(number);
    std::lock_guard lock(shard.mutex);
    if (auto it = shard.opening.find(number); it != shard.opening.end()) it->second->evicted = true;
    if (auto it = shard.by_number.find(number); it != shard.by_number.end()) table = shard.Drop(it->second);
    if (auto it = shard.held.find(number); it != shard.held.end()) {
      shard.ForgetNearby(number);
      table = std::move(it->second);
      shard.memory -= table->MemoryUsage();
      shard.held.erase(it);
    }
  }
  if (rep_->cache != nullptr) rep_->cache->EraseFile(number);
}

uint64_t TableCache::OpenTables() const {
  uint64_t count = 0;
  for (Rep::Shard& shard : rep_->shards) {
    std::lock_guard lock(shard.mutex);
    count += shard.tables.size() + shard.held.size();
  }
  return count;
}

size_t TableCache::MemoryUsage() const {
  size_t bytes = 0;
  for (Rep::Shard& shard : rep_->shards) {
    std::lock_guard lock(shard.mutex);
    bytes += shard.memory;
  }
  return bytes;
}

}  // namespace silt::lsm
