#include "lsm/table/block_cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lsm/thread_slot.h"

namespace silt::lsm {
namespace {

// What a cached block costs beside its bytes: map node, list links, shared_ptr control block, allocator headers.
constexpr size_t kEntryOverhead = 192;
// A large cache has more shards, so that threads seldom meet in one; each still holds many blocks.
constexpr size_t kLeastShards = 16;
constexpr size_t kMostShards = 128;
constexpr size_t kShardBytes = 512 << 10;

struct Key {
  FileNumber file;
  uint64_t offset;
  friend bool operator==(const Key&, const Key&) = default;
};

uint64_t Mix(const Key& key) {
  uint64_t h = (key.file * 0x9e3779b97f4a7c15ULL) ^ (key.offset * 0xc2b2ae3d27d4eb4fULL);
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ULL;
  return h ^ h >> 32;
}

// By the topmost bits. `count`: a power of two, kMostShards at most.
size_t ShardOf(uint64_t hash, size_t count) {
  return (hash >> 57) & (count - 1);
}
static_assert(kMostShards == 1 << (64 - 57));

struct Entry {
  Key key{};
  BlockRef block;
  size_t charge = 0;
  CachePriority priority = CachePriority::kLow;
  // In the shard's list of its priority, most recently used first; and in the chain of its file.
  Entry* newer = nullptr;
  Entry* older = nullptr;
  Entry* file_next = nullptr;
  Entry* file_previous = nullptr;
  Entry* bucket_next = nullptr;
};

// The entries by key: chains through the entries themselves, so that a lookup costs two cache misses. Owns them.
class EntryTable {
 public:
  EntryTable() : buckets_(kFirstBuckets) {}
  EntryTable(const EntryTable&) = delete;
  EntryTable& operator=(const EntryTable&) = delete;
  ~EntryTable() {
    for (Entry* entry : buckets_) {
      while (entry != nullptr) delete std::exchange(entry, entry->bucket_next);
    }
  }

  Entry* Find(const Key& key) const {
    Entry* entry = buckets_[BucketOf(key)];
    while (entry != nullptr && entry->key != key) entry = entry->bucket_next;
    return entry;
  }
  // REQUIRES: the key is not there.
  void Add(std::unique_ptr<Entry> added) {
    if (++count_ > buckets_.size()) Grow();
    Entry* entry = added.release();
    entry->bucket_next = std::exchange(buckets_[BucketOf(entry->key)], entry);
  }
  void Delete(Entry* entry) {
    Entry** link = &buckets_[BucketOf(entry->key)];
    while (*link != entry) link = &(*link)->bucket_next;
    *link = entry->bucket_next;
    --count_;
    delete entry;
  }

 private:
  static constexpr size_t kFirstBuckets = 64;

  // The shard was chosen by the topmost bits.
  size_t BucketOf(const Key& key) const { return Mix(key) & (buckets_.size() - 1); }
  void Grow() {
    std::vector<Entry*> old(buckets_.size() * 2);
    old.swap(buckets_);
    for (Entry* entry : old) {
      while (entry != nullptr) {
        Entry* next = entry->bucket_next;
        entry->bucket_next = std::exchange(buckets_[BucketOf(entry->key)], entry);
        entry = next;
      }
    }
  }

  std::vector<Entry*> buckets_;  // a power of two
  size_t count_ = 0;
};

// Most recently used first.
struct LruList {
  Entry* newest = nullptr;
  Entry* oldest = nullptr;
  size_t bytes = 0;

  void PushNewest(Entry* entry) {
    entry->newer = nullptr;
    entry->older = newest;
    (newest != nullptr ? newest->newer : oldest) = entry;
    newest = entry;
    bytes += entry->charge;
  }
  void Remove(Entry* entry) {
    (entry->newer != nullptr ? entry->newer->older : newest) = entry->older;
    (entry->older != nullptr ? entry->older->newer : oldest) = entry->newer;
    bytes -= entry->charge;
  }
};

}  // namespace

struct alignas(kCacheLineBytes) BlockCache::Shard {
  std::mutex mutex;
  // Guarded by mutex:
  size_t capacity = 0;
  EntryTable entries;
  std::unordered_map<FileNumber, Entry*> files;  // head of each file's chain
  std::array<LruList, 2> lists;                  // by CachePriority

  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};

  LruList& ListOf(const Entry& entry) { return lists[static_cast<size_t>(entry.priority)]; }
  size_t Bytes() const { return lists[0].bytes + lists[1].bytes; }

  void Link(Entry* entry) {
    ListOf(*entry).PushNewest(entry);
    Entry*& head = files[entry->key.file];
    entry->file_next = head;
    if (head != nullptr) head->file_previous = entry;
    head = entry;
  }

  // Gives the block back, so that its memory can be freed after the lock.
  BlockRef Remove(Entry* entry) {
    ListOf(*entry).Remove(entry);
    if (entry->file_next != nullptr) entry->file_next->file_previous = entry->file_previous;
    if (entry->file_previous != nullptr) {
      entry->file_previous->file_next = entry->file_next;
    } else if (entry->file_next != nullptr) {
      files[entry->key.file] = entry->file_next;
    } else {
      files.erase(entry->key.file);
    }
    BlockRef block = std::move(entry->block);
    entries.Delete(entry);
    return block;
  }

  // High-priority entries are safe as long as they fill no more than half of the shard.
  Entry* Victim() {
    LruList& low = lists[static_cast<size_t>(CachePriority::kLow)];
    LruList& high = lists[static_cast<size_t>(CachePriority::kHigh)];
    if (low.oldest == nullptr || high.bytes > capacity / 2) return high.oldest;
    return low.oldest;
  }
};

BlockCache::BlockCache(size_t capacity_bytes)
    : shard_count_(std::bit_floor(std::clamp(capacity_bytes / kShardBytes, kLeastShards, kMostShards))),
      shards_(std::make_unique<Shard[]>(shard_count_)) {
  for (size_t i = 0; i < shard_count_; ++i) shards_[i].capacity = capacity_bytes / shard_count_;
}
BlockCache::~BlockCache() = default;

BlockRef BlockCache::Lookup(FileNumber file, uint64_t offset) {
  Key key{file, offset};
  Shard& shard = shards_[ShardOf(Mix(key), shard_count_)];
  std::lock_guard lock(shard.mutex);
  Entry* entry = shard.entries.Find(key);
  if (entry == nullptr) {
    shard.misses.store(shard.misses.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return nullptr;
  }
  LruList& list = shard.ListOf(*entry);
  if (list.newest != entry) {
    list.Remove(entry);
    list.PushNewest(entry);
  }
  shard.hits.store(shard.hits.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return entry->block;
}

void BlockCache::Insert(FileNumber file, uint64_t offset, BlockRef block, CachePriority priority) {
  Insert(file, offset, std::move(block), priority, /*only_if_room=*/false);
}

bool BlockCache::InsertIfRoom(FileNumber file, uint64_t offset, const BlockRef& block, CachePriority priority) {
  return Insert(file, offset, block, priority, /*only_if_room=*/true);
}

bool BlockCache::Insert(FileNumber file, uint64_t offset, BlockRef block, CachePriority priority, bool only_if_room) {
  Key key{file, offset};
  size_t charge = block->size() + kEntryOverhead;
  std::vector<BlockRef> evicted;  // freed after the lock
  Shard& shard = shards_[ShardOf(Mix(key), shard_count_)];
  std::lock_guard lock(shard.mutex);
  if ((only_if_room ? shard.Bytes() : 0) + charge > shard.capacity) return false;
  if (shard.entries.Find(key) != nullptr) return false;  // two readers missed at once
  auto entry = std::make_unique<Entry>(Entry{.key = key, .block = std::move(block), .charge = charge, .priority = priority});
  shard.Link(entry.get());
  shard.entries.Add(std::move(entry));
  while (shard.Bytes() > shard.capacity) evicted.push_back(shard.Remove(shard.Victim()));
  return true;
}

void BlockCache::EraseFile(FileNumber file) {
  for (size_t i = 0; i < shard_count_; ++i) {
    std::vector<BlockRef> evicted;
    Shard& shard = shards_[i];
    std::lock_guard lock(shard.mutex);
    for (auto it = shard.files.find(file); it != shard.files.end(); it = shard.files.find(file)) {
      evicted.push_back(shard.Remove(it->second));
    }
  }
}

size_t BlockCache::UsedBytes() const {
  size_t bytes = 0;
  for (size_t i = 0; i < shard_count_; ++i) {
    std::lock_guard lock(shards_[i].mutex);
    bytes += shards_[i].Bytes();
  }
  return bytes;
}

uint64_t BlockCache::hits() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < shard_count_; ++i) sum += shards_[i].hits.load(std::memory_order_relaxed);
  return sum;
}

uint64_t BlockCache::misses() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < shard_count_; ++i) sum += shards_[i].misses.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace silt::lsm
