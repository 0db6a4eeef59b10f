// Opening a store: the lock, the MANIFEST, the WALs, and what an earlier run left lying about.
#include <pthread.h>

#include <algorithm>
#include <set>

#include "lsm/batch_reader.h"
#include "lsm/db/db_impl.h"
#include "lsm/db/wal_recovery.h"
#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

// Recovered WALs stay until their contents are in tables. More of them than this are flushed at once, so that a store
// that is opened and closed again and again does not gather them.
constexpr size_t kManyWals = 4;

std::string ParentOf(const std::string& path) {
  size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status CheckOptions(const Options& options) {
  if (options.families.empty() || options.families.size() > kMaxFamilies) {
    return Status::InvalidArgument(
        fmt::format("a store has 1 to {} families, not {}", kMaxFamilies, options.families.size()));
  }
  return Status::Ok();
}

bool HasFileOf(const std::vector<std::string>& names, FileKind kind) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    auto parsed = ParseFileName(name);
    return parsed && parsed->kind == kind;
  });
}

// A crash while a store is created leaves a MANIFEST that no CURRENT names, and nothing else: no store yet. With tables
// or WALs beside it, it is one that lost its CURRENT.
bool WasCreated(Storage* storage, const std::string& dir) {
  if (storage->FileExists(JoinPath(dir, kCurrentName))) return true;
  auto names = storage->ListDir(dir);
  return names && HasFileOf(*names, FileKind::kManifest) &&
         (HasFileOf(*names, FileKind::kTable) || HasFileOf(*names, FileKind::kWal));
}

// From here on the store is this directory, whatever is renamed or put in its place.
Result<std::shared_ptr<Storage>> OpenStoreDirectory(const Options& options, const std::string& path) {
  Storage* storage = options.storage != nullptr ? options.storage : Storage::Posix();
  bool exists = WasCreated(storage, path);
  if (exists && options.error_if_exists) {
    return Fail(Status::InvalidArgument(path + ": there is a store already"));
  }
  if (!exists && (!options.create_if_missing || options.read_only)) {
    return Fail(Status::NotFound(path + ": there is no store"));
  }
  if (!exists) {
    if (Status made = storage->CreateDir(path); !made.ok()) return Fail(std::move(made));
    if (Status synced = storage->SyncDir(ParentOf(path)); !synced.ok() && options.log) {
      options.log(LogLevel::kWarning, fmt::format("the name of {} may not be durable: {}", path, synced.ToString()));
    }
  }
  return storage->OpenDirectory(path);
}

}  // namespace

bool StoreExists(const Options& options, const std::string& path) {
  Storage* storage = options.storage != nullptr ? options.storage : Storage::Posix();
  if (storage->FileExists(JoinPath(path, kCurrentName))) return true;
  auto names = storage->ListDir(path);
  return names && HasFileOf(*names, FileKind::kManifest);
}

Result<std::unique_ptr<Db>> Db::Open(const Options& options, const std::string& path) {
  if (Status status = CheckOptions(options); !status.ok()) return Fail(status);
  auto directory = OpenStoreDirectory(options, path);
  if (!directory) return Fail(directory.error());
  auto db = std::make_unique<DbImpl>(options, path, *std::move(directory));
  if (Status status = db->Open(); !status.ok()) return Fail(status);
  return std::unique_ptr<Db>(std::move(db));
}

Status DbImpl::Open() {
  uint64_t began = clock_->MonotonicMicros();
  bool create = false;
  SILT_RETURN_IF_ERROR(PrepareDirectory(&create));
  if (options_.read_only) {
    SILT_RETURN_IF_ERROR(RecoverBesideOwner());
  } else {
    if (create) SILT_RETURN_IF_ERROR(versions_.CreateNew());
    SILT_RETURN_IF_ERROR(versions_.Recover());
    SILT_RETURN_IF_ERROR(CheckTablesExist());
    SILT_RETURN_IF_ERROR(RecoverWals());
    ballast_.Restore();
    StartThreads();
  }
  log_.Info("{}: open at sequence {} after {} ms", dir_, LastSequence(), (clock_->MonotonicMicros() - began) / 1000);
  return Status::Ok();
}

Status DbImpl::PrepareDirectory(bool* create) {
  if (options_.read_only) return Status::Ok();
  auto lock = storage_->LockFile(JoinPath(dir_, kLockName), options_.lock_description);
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  *create = !WasCreated(storage_, dir_);  // now that nobody else can make one
  if (*create && !options_.create_if_missing) return Status::NotFound(dir_ + ": there is no store");
  return Status::Ok();
}

// A MANIFEST that names what is not there is damaged itself, or the directory is: before anything is swept away.
Status DbImpl::CheckTablesExist() const {
  auto names = storage_->ListDir(dir_);
  if (!names) return names.error();
  std::set<std::string> present(names->begin(), names->end());
  for (FileNumber number : versions_.LiveTables()) {
    if (!present.contains(TableName(number))) return MissingTable(number);
  }
  return Status::Ok();
}

Status DbImpl::MissingTable(FileNumber number) const {
  return Status::Corruption(fmt::format("{} is missing: {} needs it; siltfs fsck --repair keeps what can be read",
                                        TableName(number), ManifestName(versions_.manifest_number())));
}

Status DbImpl::RecoverWals() {
  auto names = storage_->ListDir(dir_);
  if (!names) return names.error();
  WalRecoveryInput input{.storage = storage_,
                         .dir = dir_,
                         .present = {},
                         .first_needed = versions_.wal_number(),
                         .flushed_sequence = versions_.last_sequence()};
  for (const std::string& name : *names) {
    auto parsed = ParseFileName(name);
    if (!parsed) continue;
    versions_.MarkFileNumberUsed(parsed->number);
    if (parsed->kind == FileKind::kWal) input.present.push_back(parsed->number);
  }
  active_ = {std::make_shared<MemTable>(options_.memtable_bytes), 0, 1};
  immutables_.clear();
  auto recovered =
      ReplayWals(input, [this](FileNumber wal, std::string_view batch) { return ReplayIntoMemTables(wal, batch); });
  if (!recovered) return recovered.error();
  if (options_.read_only) SILT_RETURN_IF_ERROR(CheckWalsWereRead(input));
  for (const std::string& note : recovered->notes) log_.Warning("{}", note);
  WalTail& tail = recovered->tail;
  published_ = tail.last_sequence;

  if (!options_.read_only) {
    SILT_RETURN_IF_ERROR(MakeRecoveredWalsDurable(tail.numbers));
    SILT_RETURN_IF_ERROR(SweepDirectory(recovered->superfluous));
    wals_ = std::make_unique<WalSet>(WalSetOptions{.storage = storage_,
                                                   .dir = dir_,
                                                   .preallocate_bytes = options_.memtable_bytes,
                                                   .recycle = options_.recycle_wal,
                                                   .new_number = [this] { return versions_.NewFileNumber(); },
                                                   .still_ours = [this] { return StillOurs(); },
                                                   .log = &log_,
                                                   .counters = &counters_});
    SILT_RETURN_IF_ERROR(wals_->Start(tail));
    queue_ =
        std::make_unique<WriteQueue>(static_cast<CommitTarget*>(this), options_.max_group_bytes, tail.last_sequence);
    if (active_.table->Empty()) active_.first_wal = wals_->CurrentNumber();
    if (tail.numbers.size() >= kManyWals) {
      immutables_.push_back(active_);
      active_ = {std::make_shared<MemTable>(options_.memtable_bytes), wals_->CurrentNumber(), active_.id + 1};
      recovered_deletes_ = {};
    }
  }
  leader_memtable_ = active_.table.get();
  active_bytes_ = leader_memtable_->MemoryUsage();
  {
    std::lock_guard lock(mutex_);
    ReadViewRef old = InstallView();
    writable_ = !options_.read_only;
  }
  return tail.numbers.size() >= kManyWals && !options_.read_only ? FlushRecovered() : Status::Ok();
}

// Before the threads run. A full disk is left to them.
Status DbImpl::FlushRecovered() {
  while (!immutables_.empty()) {
    auto [memtable, next_wal] = NextFlush();
    Status status = FlushMemTable(memtable, next_wal);
    if (status.IsNoSpace()) return Status::Ok();
    SILT_RETURN_IF_ERROR(status);
    FinishFlush(memtable, next_wal);
  }
  return Status::Ok();
}

// A logged batch is what Write let pass, unless its bytes are not what was written.
Status DbImpl::CheckRecord(std::string_view record) {
  FamilyId largest_family = 0;
  size_t largest_entry = 0;
  SILT_RETURN_IF_ERROR(ForEachInBatch(
      record, 0, [&](SequenceNumber, EntryKind kind, FamilyId family, std::string_view key, std::string_view value) {
        if (kind == EntryKind::kDelete && family < kMaxFamilies) ++recovered_deletes_[family];
        largest_family = std::max(largest_family, family);
        largest_entry = std::max(largest_entry, key.size() + value.size());
      }));
  if (largest_family >= options_.families.size()) return Status::Corruption("batch: unknown family");
  if (largest_entry <= kMaxUserEntryBytes) return Status::Ok();
  return Status::Corruption(fmt::format("batch: a key and value of {} bytes", largest_entry));
}

// The tables are written later, by the flush thread, as after any other write.
Status DbImpl::ReplayIntoMemTables(FileNumber wal, std::string_view batch) {
  if (active_.table->MemoryUsage() >= options_.memtable_bytes && !active_.table->Empty()) {
    immutables_.push_back(active_);
    active_ = {std::make_shared<MemTable>(options_.memtable_bytes), 0, active_.id + 1};
    recovered_deletes_ = {};
  }
  if (active_.first_wal == 0) active_.first_wal = wal;
  SILT_RETURN_IF_ERROR(CheckRecord(batch));
  return active_.table->AddBatch(batch);
}

// What was replayed may be in the host's memory only. Everything that is written from now on follows it, so it must not
// be lost any more.
Status DbImpl::MakeRecoveredWalsDurable(const std::vector<FileNumber>& numbers) {
  for (FileNumber number : numbers) {
    SILT_RETURN_IF_ERROR(storage_->SyncFile(JoinPath(dir_, WalName(number))));
  }
  return numbers.empty() ? Status::Ok() : storage_->SyncDir(dir_);
}

Status DbImpl::SweepDirectory(const std::vector<FileNumber>& superfluous_wals) {
  auto names = storage_->ListDir(dir_);
  if (!names) return names.error();
  std::set<FileNumber> live = versions_.LiveTables();
  std::set<FileNumber> wals(superfluous_wals.begin(), superfluous_wals.end());
  FileNumber manifest = versions_.manifest_number();
  bool wal_deleted = false;
  for (const std::string& name : *names) {
    auto parsed = ParseFileName(name);
    if (!parsed) continue;
    bool superfluous = parsed->kind == FileKind::kTemporary ||
                       (parsed->kind == FileKind::kTable && !live.contains(parsed->number)) ||
                       (parsed->kind == FileKind::kManifest && parsed->number != manifest) ||
                       (parsed->kind == FileKind::kWal && wals.contains(parsed->number));
    if (!superfluous) continue;
    SILT_RETURN_IF_ERROR(storage_->DeleteFile(JoinPath(dir_, name)));
    log_.Info("{}: not needed, deleted", name);
    wal_deleted = wal_deleted || parsed->kind == FileKind::kWal;
  }
  // A discarded WAL must not come back beside the ones that are written from now on.
  return wal_deleted ? storage_->SyncDir(dir_) : Status::Ok();
}

void DbImpl::StartThreads() {
  std::lock_guard lock(mutex_);
  wals_->ReserveNext();
  flush_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "lsm-flush");
    FlushLoop();
  });
  compaction_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "lsm-compaction");
    CompactionLoop();
  });
}

}  // namespace silt::lsm
