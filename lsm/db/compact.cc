// Runs what the picker chose, and what CompactRange asks for.
#include <algorithm>

#include "lsm/compaction/compaction_job.h"
#include "lsm/db/db_impl.h"
#include "lsm/filenames.h"

namespace silt::lsm {

// REQUIRES: mutex_ held. What to do next; nullopt when there is nothing. `*manual`: the request that it belongs to.
std::optional<Compaction> DbImpl::NextCompaction(uint64_t room_bytes, ManualCompaction** manual) {
  if (!manual_.empty()) {
    *manual = manual_.front();
    manual_.pop_front();
    bool conflict = false;
    auto compaction = PickManual(versions_.current(), options_, (*manual)->family, (*manual)->level, (*manual)->begin,
                                 (*manual)->end, &conflict);
    // Nothing else runs, so what is in the way is damaged.
    if (conflict) (*manual)->status = quarantine_;
    return compaction;
  }
  compaction_check_ = false;
  if (options_.disable_auto_compaction) return std::nullopt;
  std::vector<SequenceNumber> snapshots = snapshots_.All();
  picked_snapshot_ = snapshots.empty() ? LastSequence() : snapshots.front();
  auto covered = [this](const FileMeta& file) {
    return whole_drops_.Covers(file.properties.family, file, picked_snapshot_);
  };
  auto covered_bytes = [this](const FileMeta& file) { return whole_drops_.CoveredBytes(file); };
  return PickCompaction(versions_.current(), options_, picked_snapshot_, covered,
                        reclaiming_ > 0 ? 0 : clock_->UnixSeconds(), room_bytes, covered_bytes);
}

// What NextCompaction asks for and may not read under mutex_.
void DbImpl::LearnTombstones(uint64_t room_bytes) {
  const ReadViewRef view = view_.Load();
  whole_drops_.Learn(*view->version, &table_cache_);
  if (room_bytes == kUnlimitedRoom) return;
  const std::vector<SequenceNumber> snapshots = snapshots_.All();
  whole_drops_.Measure(*view->version, &table_cache_, snapshots.empty() ? LastSequence() : snapshots.front());
}

// What the next compaction may have to rewrite, when one of `failed_bytes` did not fit on the disk (0: none). At once
// only smaller ones are tried; after a pause whatever there seems to be room for.
uint64_t DbImpl::RoomToCompact(uint64_t failed_bytes, bool paused) const {
  if (failed_bytes == 0) return kUnlimitedRoom;
  auto space = storage_->Space(dir_);
  if (!space || space->free_bytes / 2 >= failed_bytes) return kUnlimitedRoom;
  if (paused && space->free_bytes >= failed_bytes) return space->free_bytes;
  return std::min(failed_bytes / 2, space->free_bytes);
}

Status DbImpl::RunCompaction(const Compaction& compaction) {
  return compaction.trivial_move || compaction.drop_whole ? MoveOrDrop(compaction) : MergeTables(compaction);
}

Status DbImpl::MoveOrDrop(const Compaction& compaction) {
  VersionEdit edit;
  for (const FileRef& file : compaction.inputs) {
    edit.deleted_files.push_back({compaction.family, compaction.level, file->number});
    if (compaction.trivial_move) edit.new_files.push_back({compaction.family, compaction.output_level, file});
  }
  SILT_RETURN_IF_ERROR(ApplyEdit(&edit));
  if (compaction.trivial_move) {
    counters_.levels[compaction.family][compaction.output_level].trivial_moves.Add(compaction.inputs.size());
  } else {
    counters_.files_deleted_whole.Add(compaction.inputs.size());
  }
  return Status::Ok();
}

Status DbImpl::MergeTables(const Compaction& compaction) {
  uint64_t began = clock_->MonotonicMicros();
  CompactionJob job({.options = options_,
                     .storage = storage_,
                     .dir = dir_,
                     .tables = &table_cache_,
                     .snapshots = snapshots_.All(),
                     .new_number = [this] { return versions_.NewFileNumber(); },
                     .stop = &stopping_,
                     .merged = [this](uint64_t bytes) { counters_.merged_bytes.Add(bytes); }},
                    compaction);
  Status status = job.Run();
  if (!status.ok()) {
    RemoveTables(job.outputs());
    return status;
  }
  VersionEdit edit;
  for (const FileRef& file : compaction.inputs) {
    edit.deleted_files.push_back({compaction.family, compaction.level, file->number});
  }
  for (const FileRef& file : compaction.output_inputs) {
    edit.deleted_files.push_back({compaction.family, compaction.output_level, file->number});
  }
  uint64_t written = 0;
  for (const FileRef& file : job.outputs()) {
    edit.new_files.push_back({compaction.family, compaction.output_level, file});
    written += file->size;
  }
  status = ApplyEdit(&edit);
  if (!status.ok()) {
    if (status.IsNoSpace()) RemoveTables(job.outputs());  // else the MANIFEST on disk may name them
    return status;
  }
  uint64_t micros = clock_->MonotonicMicros() - began;
  LevelCounters& counters = counters_.levels[compaction.family][compaction.output_level];
  counters.compactions.Add();
  counters.bytes_read.Add(compaction.InputBytes());
  counters.bytes_written.Add(written);
  counters.micros.Add(micros);
  log_.Info("compacted {} L{} ({} tables) into L{} ({}) for {}: {} -> {} bytes in {} tables, {} ms",
            options_.families[compaction.family].name, compaction.level, compaction.inputs.size(),
            compaction.output_level, compaction.output_inputs.size(), CompactionReasonName(compaction.reason),
            compaction.InputBytes(), written, job.outputs().size(), micros / 1000);
  return Status::Ok();
}

void DbImpl::FinishCompaction(const Compaction& compaction, const Status& status) {
  ReadViewRef old;
  if (status.IsCorruption()) {
    // The damage stays where it is, for reads to report and for fsck to mend: its tables are not picked again, and the
    // rest of the store goes on.
    CountDamage(status);
    std::lock_guard lock(mutex_);
    Quarantine(compaction);
    quarantine_ = Status::Corruption("a compaction met damage: " + status.message());
    old = InstallView();
    return;
  }
  if (!status.ok() && !status.IsNoSpace()) SetFatal(status);
  std::lock_guard lock(mutex_);
  SetBeingCompacted(compaction, false);
  if (status.ok()) old = InstallView();
}

Status DbImpl::CompactRange(FamilyId family, const std::string* begin, const std::string* end) {
  if (family >= options_.families.size()) return Status::InvalidArgument(fmt::format("no family {}", family));
  SILT_RETURN_IF_ERROR(Flush());
  for (int level = 0; level < kNumLevels - 1; ++level) {
    ManualCompaction request{.family = family, .level = level, .begin = begin, .end = end, .status = {}};
    std::unique_lock lock(mutex_);
    manual_.push_back(&request);
    compaction_wake_.notify_all();
    state_changed_.wait(lock, [&] { return request.done || !CheckWritable().ok(); });
    if (!request.done) {
      // The thread holds no pointer to it outside of mutex_ unless it is running it; then it will finish it.
      if (std::erase(manual_, &request) > 0) return CheckWritable();
      state_changed_.wait(lock, [&] { return request.done; });
    }
    SILT_RETURN_IF_ERROR(request.status);
  }
  return Status::Ok();
}

}  // namespace silt::lsm
