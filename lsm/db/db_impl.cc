#include "lsm/db/db_impl.h"

#include <algorithm>

#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

// Options that make no sense are mended rather than refused: they are tuning, not meaning.
Options Sane(Options options, Storage* storage) {
  options.storage = storage;
  if (options.clock == nullptr) options.clock = Clock::System();
  options.memtable_bytes = std::max<size_t>(options.memtable_bytes, 4 << 10);
  options.max_immutable_memtables = std::max(options.max_immutable_memtables, 1);
  options.l0_compaction_runs = std::max(options.l0_compaction_runs, 1);
  options.l0_slowdown_runs = std::max(options.l0_slowdown_runs, options.l0_compaction_runs + 1);
  options.l0_stop_runs = std::max(options.l0_stop_runs, options.l0_slowdown_runs + 1);
  options.level_multiplier = std::max(options.level_multiplier, 2);
  return options;
}

}  // namespace

Status Db::Put(FamilyId family, std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.Put(family, key, value);
  return Write({}, batch);
}

Status Db::Delete(FamilyId family, std::string_view key) {
  WriteBatch batch;
  batch.Delete(family, key);
  return Write({}, batch);
}

DbImpl::DbImpl(Options options, std::string path, std::shared_ptr<Storage> directory)
    : directory_(std::move(directory)),
      options_(Sane(std::move(options), directory_.get())),
      dir_(std::move(path)),
      storage_(options_.storage),
      clock_(options_.clock),
      log_(options_.log),
      block_cache_(options_.block_cache_bytes),
      table_cache_(storage_, dir_, &block_cache_, options_.max_open_tables),
      versions_(options_, storage_, dir_),
      backpressure_(options_),
      ballast_(storage_, dir_, options_.ballast_bytes, &log_) {}

DbImpl::~DbImpl() {
  static_cast<void>(Close());
  ReadViewRef last = view_.Exchange(nullptr);  // while there is still all that the end of a view touches
}

Status DbImpl::Close() {
  std::lock_guard close_lock(close_mutex_);
  if (closed_.load()) return Status::Ok();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    writable_ = false;
    flush_wake_.notify_all();
    compaction_wake_.notify_all();
    state_changed_.notify_all();
  }
  if (flush_thread_.joinable()) flush_thread_.join();
  if (compaction_thread_.joinable()) compaction_thread_.join();
  Status status;
  if (queue_ != nullptr && wals_ != nullptr) {
    // Behind the last writer: from here on nobody logs anything.
    status = queue_->RunBetweenGroups([this](SequenceNumber) { return wals_->Close(); });
    if (StillOurs().ok()) DeleteObsoleteTables();
  }
  closed_ = true;
  lock_.reset();
  return status;
}

Status DbImpl::CheckOpen() const {
  return closed_.load() || stopping_.load() ? Status::Aborted(dir_ + ": the store is closed") : Status::Ok();
}

Status DbImpl::CheckWritable() const {
  if (stopping_.load()) return Status::Aborted(dir_ + ": the store is closing");
  if (options_.read_only) return Status::ReadOnly(dir_ + ": opened read-only");
  return fatal_;
}

Status DbImpl::StallVerdict() const {
  SILT_RETURN_IF_ERROR(CheckWritable());
  return space_error_;
}

Status DbImpl::StillOurs() const {
  Status held = lock_ != nullptr ? lock_->StillHeld() : Status::Ok();
  if (held.ok()) return held;
  return Status::IoError(fmt::format("{}: the store was taken away under its user, and what is written is lost: {}",
                                     dir_, held.message()));
}

void DbImpl::SetFatal(const Status& why) {
  if (why.code() == StatusCode::kAborted) return;
  const Status ours = StillOurs();  // or else that is why
  std::lock_guard lock(mutex_);
  if (!fatal_.ok()) return;
  fatal_ =
      !ours.ok() ? ours : Status::ReadOnly(fmt::format("{}: read-only until it is reopened: {}", dir_, why.ToString()));
  writable_ = false;
  log_.Error("{}", fatal_.message());
  state_changed_.notify_all();
  flush_wake_.notify_all();
  compaction_wake_.notify_all();
}

ReadViewRef DbImpl::InstallView() {
  // Whoever lets go of a view last may have been the last to hold some table.
  std::shared_ptr<ReadView> view(new ReadView, [this](const ReadView* gone) {
    delete gone;
    if (versions_.HasObsoleteTables()) ScheduleCleanup();
  });
  view->memtable = active_.table;
  for (auto memtable = immutables_.rbegin(); memtable != immutables_.rend(); ++memtable) {
    view->immutables.push_back(memtable->table);
  }
  view->version = versions_.current();
  ReadViewRef old = view_.Exchange(std::move(view));
  UpdatePressure();
  compaction_check_ = true;
  compaction_wake_.notify_all();
  state_changed_.notify_all();
  return old;
}

PressureInputs DbImpl::PressureOf(const Version& version) const {
  PressureInputs inputs;
  for (size_t i = 0; i < version.families.size(); ++i) {
    const FamilyVersion& family = version.families[i];
    inputs.l0_runs = std::max(inputs.l0_runs, L0Runs(family));
    LevelTargets targets = ComputeLevelTargets(family, options_, options_.families[i]);
    for (int level = 1; level < kNumLevels - 1; ++level) {
      uint64_t bytes = family.LevelBytes(level);
      if (bytes > targets.bytes[level]) inputs.pending_compaction_bytes += bytes - targets.bytes[level];
    }
  }
  return inputs;
}

void DbImpl::UpdatePressure() {
  PressureInputs inputs = PressureOf(*versions_.current());
  inputs.immutable_memtables = immutables_.size();
  if (!quarantine_.ok()) inputs.l0_runs = std::min(inputs.l0_runs, options_.l0_stop_runs - 1);
  backpressure_.Update(inputs);
}

// A MANIFEST that finds no space is tried again with the reserve given back.
Status DbImpl::ApplyEdit(VersionEdit* edit) {
  Status status = versions_.LogAndApply(edit);
  if (status.IsNoSpace() && ballast_.Release()) status = versions_.LogAndApply(edit);
  return status;
}

void DbImpl::DeleteObsoleteTables() {
  std::lock_guard lock(delete_mutex_);
  std::vector<FileNumber> obsolete = versions_.TakeObsoleteTables();
  for (FileNumber number : obsolete) {
    table_cache_.Evict(number);
    block_cache_.EraseFile(number);
    Status status = storage_->DeleteFile(JoinPath(dir_, TableName(number)));
    if (!status.ok()) log_.Warning("{}: not deleted: {}", TableName(number), status.ToString());
  }
  if (obsolete.empty()) return;
  std::lock_guard state_lock(mutex_);
  if (!space_error_.ok() || !compaction_space_error_.ok()) {  // there is space again
    flush_now_ = compact_now_ = true;
    flush_wake_.notify_all();
    compaction_wake_.notify_all();
  }
}

void DbImpl::ScheduleCleanup() {
  std::lock_guard lock(mutex_);
  cleanup_wanted_ = true;
  flush_wake_.notify_all();
}

void DbImpl::CountDamage(const Status& status) {
  if (!status.IsCorruption()) return;
  counters_.corruptions.Add();
  log_.Error("{}", status.ToString());
}

const Snapshot* DbImpl::GetSnapshot() {
  PinAges::Token pin = pins_.Add(clock_->MonotonicMicros());
  return snapshots_.Take([this] { return LastSequence(); }, pin);
}

void DbImpl::ReleaseSnapshot(const Snapshot* snapshot) {
  if (snapshot == nullptr) return;
  SequenceNumber sequence = snapshot->sequence();
  pins_.Remove(snapshots_.Release(snapshot));
  std::lock_guard lock(mutex_);
  if (sequence <= picked_snapshot_) {  // it may have held back a compaction
    compaction_check_ = true;
    compaction_wake_.notify_all();
  }
}

}  // namespace silt::lsm
