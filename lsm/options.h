// What a store is opened with. Sizes are bytes. Nothing here is stored, except that a family's identity is its index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/clock.h"
#include "lsm/types.h"

namespace silt::lsm {

class Storage;
class Snapshot;

// Stored in each block's trailer; never renumber.
enum class Compression : uint8_t { kNone = 0, kSnappy = 1, kZstd = 2 };

enum class LogLevel : uint8_t { kInfo, kWarning, kError };

// Receives the engine's event log, one line a call (flushes, compactions, stalls, damage). Called from any thread,
// also while the engine's locks are held: it must not call back into the engine.
using LogSink = std::function<void(LogLevel, std::string_view line)>;

// A fixed set of keys with levels and table options of its own.
struct FamilyOptions {
  std::string name;
  size_t block_bytes = 8 << 10;           // of a data block before compression
  int restart_interval = 8;               // keys between restart points
  int filter_bits_per_key = 10;           // 0: no filters
  bool filter_last_level = true;          // wrong to switch off where misses are common
  Compression compression = Compression::kSnappy;
  Compression last_level_compression = Compression::kSnappy;
  uint64_t target_file_bytes = 32 << 20;  // of a compaction's output table
  uint64_t base_level_bytes = 128 << 20;  // the least size that the topmost filled level below L0 aims for
};

struct Options {
  std::vector<FamilyOptions> families = {FamilyOptions{.name = "default"}};

  bool create_if_missing = false;
  bool error_if_exists = false;
  // No file is written, none deleted, no lock taken; the WALs are replayed into memory. Another process may have the
  // store open and go on writing: all tables are kept open, unless they are more than max_open_tables.
  bool read_only = false;

  size_t memtable_bytes = 32 << 20;
  int max_immutable_memtables = 2;        // writers stop when one more is needed
  size_t block_cache_bytes = 64 << 20;    // blocks, index and filter blocks
  int max_open_tables = 512;
  size_t max_group_bytes = 1 << 20;       // of batches that one WAL record may merge

  int l0_compaction_runs = 4;   // overlapping runs in L0 that start a compaction
  int l0_slowdown_runs = 16;    // ... that start to delay writers
  int l0_stop_runs = 32;        // ... that stop them
  int level_multiplier = 10;
  double tombstone_ratio = 0.25;          // a table with this share of tombstones is compacted on its own account
  uint64_t compaction_bytes_per_second = 0;  // 0: not paced
  // A MANIFEST larger than this, and than a few times its first record, is followed by a new one.
  uint64_t manifest_roll_bytes = 4 << 20;

  // Disk space kept aside in STORE/ballast and given back when the disk is full, so that flushes and compactions, which
  // free space in the end, can still run. 0: none.
  uint64_t ballast_bytes = 0;

  bool recycle_wal = true;
  bool disable_auto_compaction = false;   // for tests

  std::string lock_description;           // written into the lock file: what a second opener is told
  Storage* storage = nullptr;             // not owned; nullptr: the machine's own disk
  Clock* clock = Clock::System();         // not owned
  LogSink log;
};

struct ReadOptions {
  const Snapshot* snapshot = nullptr;     // nullptr: the newest published state
  bool fill_cache = true;                 // false: bulk reads that should not wash the cache
  size_t readahead_bytes = 0;             // 0: adaptive
  // For iterators: keys k with lower_bound <= k < upper_bound. Copied.
  std::optional<std::string> lower_bound = {};
  std::optional<std::string> upper_bound = {};
};

struct WriteOptions {
  bool sync = false;  // return only when the batch is durable; same as Write, then Db::Sync of its sequence
};

}  // namespace silt::lsm
