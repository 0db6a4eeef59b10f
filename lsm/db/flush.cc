// From a memtable to one L0 table for each family.
#include "lsm/compaction/entry_filter.h"
#include "lsm/compaction/table_writer.h"
#include "lsm/db/db_impl.h"
#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

constexpr uint64_t kEntriesBetweenChecks = 1024;

}  // namespace

// Null when the family has nothing in the memtable.
Result<FileRef> DbImpl::WriteLevel0Table(const MemTable& memtable, FamilyId family) {
  std::unique_ptr<InternalIterator> entries = memtable.NewIterator(family);
  entries->SeekToFirst();
  const GrowingRangeTombstones& ranges = memtable.range_tombstones(family);
  if (!entries->Valid() && ranges.Empty()) return FileRef();

  // Older data may lie in any level below: no tombstone is spent yet.
  Retention retention(snapshots_.All(), /*bottommost=*/false);
  FragmentedRangeTombstones tombstones(ranges.All());
  EntryFilter filter(retention, tombstones);
  auto writer = TableWriter::Create(storage_, dir_, versions_.NewFileNumber(),
                                    MakeTableOptions(options_, family, /*last_level=*/false));
  if (!writer) return Fail(writer.error());
  uint64_t seen = 0;
  for (; entries->Valid() && (*writer)->status().ok(); entries->Next()) {
    if (++seen % kEntriesBetweenChecks == 0 && Stopping()) return Fail(Status::Aborted("flush: the store is closing"));
    ParsedInternalKey entry;
    if (!ParseInternalKey(entries->key(), &entry)) return Fail(Status::Corruption("memtable: malformed key"));
    if (filter.Keep(entry)) (*writer)->Add(entries->key(), entries->value());
  }
  for (const RangeTombstone& tombstone : RetainedTombstones(retention, tombstones)) {
    (*writer)->AddRangeTombstone(tombstone);
  }
  if (!(*writer)->status().ok()) return Fail((*writer)->status());
  auto file = (*writer)->Finish();
  if (!file) return file;
  // Reads its index back before the WAL that could replace it may go.
  if (auto table = table_cache_.Get((*file)->number, (*file)->size); !table) {
    RemoveTables({*file});
    return Fail(table.error());
  }
  return file;
}

// Tables that no version knows.
void DbImpl::RemoveTables(const std::vector<FileRef>& files) {
  for (const FileRef& file : files) {
    table_cache_.Evict(file->number);
    Status status = storage_->DeleteFile(JoinPath(dir_, TableName(file->number)));
    if (!status.ok()) log_.Warning("{}: not deleted: {}", TableName(file->number), status.ToString());
  }
}

// `next_wal`: the oldest WAL that is needed when this memtable is in tables.
Status DbImpl::FlushMemTable(const LoggedMemTable& memtable, FileNumber next_wal) {
  uint64_t began = clock_->MonotonicMicros();
  VersionEdit edit;
  std::vector<FileRef> files;
  Status status;
  for (size_t family = 0; family < options_.families.size() && status.ok(); ++family) {
    auto file = WriteLevel0Table(*memtable.table, static_cast<FamilyId>(family));
    if (!file) {
      status = file.error();
    } else if (*file != nullptr) {
      files.push_back(*file);
      edit.new_files.push_back({static_cast<FamilyId>(family), 0, *file});
    }
  }
  if (status.ok() && !files.empty()) status = storage_->SyncDir(dir_);
  if (!status.ok()) {
    RemoveTables(files);
    return status;
  }
  edit.wal_number = next_wal;
  if (!memtable.table->Empty()) edit.last_sequence = memtable.table->LargestSequence();
  status = ApplyEdit(&edit);
  if (!status.ok()) {
    if (status.IsNoSpace()) RemoveTables(files);  // else the MANIFEST on disk may name them
    return status;
  }

  uint64_t micros = clock_->MonotonicMicros() - began;
  uint64_t bytes = 0;
  for (const auto& added : edit.new_files) {
    LevelCounters& counters = counters_.levels[added.family][0];
    counters.compactions.Add();
    counters.bytes_written.Add(added.file->size);
    counters.micros.Add(micros / edit.new_files.size());
    bytes += added.file->size;
  }
  counters_.flushes.Add();
  log_.Info("flushed {} entries to {} tables, {} bytes, in {} ms", memtable.table->Entries(), files.size(), bytes,
            micros / 1000);
  return Status::Ok();
}

// The memtable is in tables: readers turn to those, and its WALs are not needed any more.
void DbImpl::FinishFlush(const LoggedMemTable& memtable, FileNumber next_wal) {
  ReadViewRef old;
  {
    std::lock_guard lock(mutex_);
    space_error_ = Status::Ok();
    immutables_.pop_front();
    flushed_id_ = memtable.id;
    old = InstallView();
  }
  old.reset();
  wals_->Retire(next_wal, memtable.table->LargestSequence());
}

// REQUIRES: mutex_ held, a memtable waits to be flushed. It, and the oldest WAL that is needed after it.
std::pair<LoggedMemTable, FileNumber> DbImpl::NextFlush() const {
  return {immutables_.front(), immutables_.size() > 1 ? immutables_[1].first_wal : active_.first_wal};
}

}  // namespace silt::lsm
