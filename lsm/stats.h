// What the engine counts. All counters are since open; sizes are bytes, times microseconds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lsm/types.h"

namespace silt::lsm {

struct LevelStats {
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t raw_bytes = 0;          // keys and values before compression
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  uint64_t compactions = 0;        // that wrote into this level (flushes, for L0)
  uint64_t trivial_moves = 0;      // into this level
  uint64_t bytes_read = 0;         // by those compactions
  uint64_t bytes_written = 0;
  uint64_t micros = 0;
};

struct FamilyStats {
  std::string name;
  std::array<LevelStats, kNumLevels> levels;
};

struct DbStats {
  std::vector<FamilyStats> families;

  SequenceNumber last_sequence = 0;
  SequenceNumber durable_sequence = 0;
  uint64_t memtable_bytes = 0;       // all memtables, those being flushed included
  uint64_t immutable_memtables = 0;
  uint64_t block_cache_bytes = 0;
  uint64_t block_cache_hits = 0;
  uint64_t block_cache_misses = 0;
  uint64_t open_tables = 0;
  uint64_t wal_files = 0;
  uint64_t wal_bytes = 0;            // appended since open
  uint64_t wal_syncs = 0;            // fdatasync calls on WALs
  uint64_t sync_requests = 0;        // callers of Sync that had to wait for one
  uint64_t batches = 0;
  uint64_t write_groups = 0;
  uint64_t user_bytes = 0;           // keys and values that were written
  uint64_t write_delay_count = 0;    // writes that were delayed, and for how long in total
  uint64_t write_delay_micros = 0;
  uint64_t stall_count = 0;          // writes that had to stop
  uint64_t stall_micros = 0;
  uint64_t flushes = 0;
  uint64_t pending_compaction_bytes = 0;  // that levels hold beyond what they aim for
  uint64_t l0_runs = 0;                   // overlapping runs in level 0, of the family that has most
  uint64_t merged_bytes = 0;  // keys and values that compactions have gone through, those that are running included
  uint64_t gets = 0;
  uint64_t filter_negatives = 0;     // table probes that a filter saved
  uint64_t corruptions = 0;          // checksum mismatches and malformed bytes met by reads
  uint64_t snapshots = 0;
  uint64_t oldest_pin_seconds = 0;   // age of the oldest snapshot or iterator
  uint64_t ballast_bytes = 0;        // held in reserve; 0 while it is given back
  uint64_t files_deleted_whole = 0;  // tables dropped by a manifest edit alone
  bool background_error = false;
  std::string background_error_text;
};

}  // namespace silt::lsm
