// What DbStats says, gathered from everywhere.
#include "lsm/db/db_impl.h"

namespace silt::lsm {

uint64_t DbImpl::MemtableBytes() const {
  ReadViewRef view = view_.Load();
  uint64_t bytes = view->memtable->MemoryUsage();
  for (const auto& memtable : view->immutables) bytes += memtable->MemoryUsage();
  return bytes;
}

DbStats DbImpl::GetStats() const {
  DbStats stats;
  ReadViewRef view = view_.Load();
  for (size_t i = 0; i < options_.families.size(); ++i) {
    FamilyStats family;
    family.name = options_.families[i].name;
    for (int level = 0; level < kNumLevels; ++level) {
      LevelStats& out = family.levels[level];
      for (const FileRef& file : view->version->families[i].levels[level]) {
        ++out.files;
        out.bytes += file->size;
        out.raw_bytes += file->properties.raw_key_bytes + file->properties.raw_value_bytes;
        out.entries += file->properties.entries;
        out.tombstones += file->properties.tombstones + file->properties.range_tombstones;
      }
      const LevelCounters& counters = counters_.levels[i][level];
      out.compactions = counters.compactions.Get();
      out.trivial_moves = counters.trivial_moves.Get();
      out.bytes_read = counters.bytes_read.Get();
      out.bytes_written = counters.bytes_written.Get();
      out.micros = counters.micros.Get();
    }
    stats.families.push_back(std::move(family));
  }

  stats.last_sequence = LastSequence();
  stats.memtable_bytes = MemtableBytes();
  stats.immutable_memtables = view->immutables.size();
  stats.block_cache_bytes = block_cache_.UsedBytes();
  stats.block_cache_hits = block_cache_.hits();
  stats.block_cache_misses = block_cache_.misses();
  stats.open_tables = table_cache_.OpenTables();
  stats.durable_sequence = wals_ != nullptr ? wals_->DurableSequence() : stats.last_sequence;
  stats.wal_files = wals_ != nullptr ? wals_->FileCount() : 0;

  stats.wal_bytes = counters_.wal_bytes.Get();
  stats.wal_syncs = counters_.wal_syncs.Get();
  stats.sync_requests = counters_.sync_requests.Get();
  stats.batches = counters_.batches.Get();
  stats.write_groups = counters_.write_groups.Get();
  stats.user_bytes = counters_.user_bytes.Get();
  stats.write_delay_count = counters_.write_delay_count.Get();
  stats.write_delay_micros = counters_.write_delay_micros.Get();
  stats.stall_count = counters_.stall_count.Get();
  stats.stall_micros = counters_.stall_micros.Get();
  stats.flushes = counters_.flushes.Get();
  const PressureInputs pressure = PressureOf(*view->version);
  stats.pending_compaction_bytes = pressure.pending_compaction_bytes;
  stats.l0_runs = static_cast<uint64_t>(pressure.l0_runs);
  stats.merged_bytes = counters_.merged_bytes.Get();
  stats.gets = counters_.gets.Get();
  stats.filter_negatives = counters_.filter_negatives.Get();
  stats.corruptions = counters_.corruptions.Get();
  stats.snapshots = snapshots_.Count();
  stats.oldest_pin_seconds = pins_.OldestAgeSeconds(clock_->MonotonicMicros());
  stats.ballast_bytes = ballast_.HeldBytes();
  stats.files_deleted_whole = counters_.files_deleted_whole.Get();

  std::lock_guard lock(mutex_);
  for (const Status* error : {&fatal_, &space_error_, &compaction_space_error_, &quarantine_}) {
    if (error->ok() || stats.background_error) continue;
    stats.background_error = true;
    stats.background_error_text = error->ToString();
  }
  return stats;
}

}  // namespace silt::lsm
