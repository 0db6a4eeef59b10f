#include "lsm/version/version_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "lsm/filenames.h"
#include "lsm/version/live_files.h"
#include "lsm/version/manifest.h"
#include "lsm/version/table_tracker.h"
#include "lsm/wal/log_reader.h"

namespace silt::lsm {
namespace {

// A MANIFEST is rewritten when it is larger than the configured size and than this many times its first record.
constexpr uint64_t kRollFactor = 4;
// Leaves room to count on without overflow; a larger number can only be damage.
constexpr FileNumber kMaxFileNumber = FileNumber{1} << 62;
constexpr uint64_t kBytesPerSeek = 16 << 10;
constexpr int64_t kMinSeeks = 100;

// What the MANIFEST records beside the files.
struct Numbers {
  FileNumber wal = 0;
  FileNumber next_file = 1;
  SequenceNumber last_sequence = 0;
};

// Takes over what the edit says; Corruption when a number goes backwards, or falls behind the edit's own files.
Status Advance(const VersionEdit& edit, Numbers* numbers) {
  Numbers next{edit.wal_number.value_or(numbers->wal), edit.next_file_number.value_or(numbers->next_file),
               edit.last_sequence.value_or(numbers->last_sequence)};
  if (next.wal < numbers->wal || next.next_file < numbers->next_file || next.last_sequence < numbers->last_sequence) {
    return Status::Corruption(fmt::format(
        "a version edit goes backwards: WAL {} after {}, file number {} after {}, sequence {} after {}", next.wal,
        numbers->wal, next.next_file, numbers->next_file, next.last_sequence, numbers->last_sequence));
  }
  if (next.next_file > kMaxFileNumber || next.last_sequence > kMaxSequence) {
    return Status::Corruption("a version edit has an impossible number");
  }
  for (const VersionEdit::NewFile& added : edit.new_files) {
    if (added.file->number >= next.next_file || added.file->properties.largest_sequence > next.last_sequence) {
      return Status::Corruption(fmt::format("a version edit adds table {} beyond file number {} or sequence {}",
                                            added.file->number, next.next_file, next.last_sequence));
    }
  }
  *numbers = next;
  return Status::Ok();
}

Status InManifest(FileNumber number, const Status& what) {
  return {what.code(), fmt::format("{}: {}", ManifestName(number), what.message())};
}

void GrantSeeks(const FileMeta& file) {
  file.allowed_seeks.store(std::max(kMinSeeks, static_cast<int64_t>(file.size / kBytesPerSeek)),
                           std::memory_order_relaxed);
}

// Whether the families that the store was made with are those that the caller opens it with; it may know more of them.
Status CheckFamilies(const std::vector<std::string>& stored, const std::vector<FamilyOptions>& asked) {
  if (stored.size() > asked.size()) {
    return Status::InvalidArgument(
        fmt::format("the store has {} families, the options name {}", stored.size(), asked.size()));
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    if (stored[i] != asked[i].name) {
      return Status::InvalidArgument(
          fmt::format("family {} of the store is \"{}\", the options call it \"{}\"", i, stored[i], asked[i].name));
    }
  }
  return Status::Ok();
}

}  // namespace

// Lock order: io_mutex, then mutex.
struct VersionSet::Rep {
  Rep(const Options& opts, Storage* store, std::string path)
      : options(opts),
        storage(store),
        dir(std::move(path)),
        live(opts.families.size()),
        manifest(store, dir) {}

  const Options& options;
  Storage* const storage;
  const std::string dir;
  const std::shared_ptr<TableTracker> tracker = std::make_shared<TableTracker>();
  std::atomic<FileNumber> next_file{1};

  // Held through a change of the MANIFEST, I/O included: the turns that callers take.
  std::mutex io_mutex;
  LiveFiles live;     // guarded by io_mutex; the files of `current`
  Manifest manifest;  // guarded by io_mutex

  mutable std::mutex mutex;
  VersionRef current;              // guarded by mutex
  Numbers numbers;                 // guarded by mutex; changed with io_mutex held too
  FileNumber manifest_number = 0;  // guarded by mutex; changed with io_mutex held too
  Status failed;                   // guarded by mutex; not ok: read-only, the MANIFEST on disk is in doubt

  Status ReadRecords(FileNumber number, Numbers* found, LiveFiles* files);
  Status RecoverFrom(FileNumber number);
  VersionEdit Snapshot(const LiveFiles& files, const Numbers& at) const;
  Status Prepare(VersionEdit* edit, Numbers* after);
  void RaiseNextFile(FileNumber least);
  ManifestOutcome Commit(const VersionEdit& edit, const Numbers& after);
  void MarkDurable();
  void Install(VersionRef version, const Numbers& after);
  Status Refuse(ManifestOutcome outcome);
};

VersionSet::VersionSet(const Options& options, Storage* storage, std::string dir)
    : rep_(std::make_unique<Rep>(options, storage, std::move(dir))) {
  rep_->current = *rep_->live.Build();
}

VersionSet::~VersionSet() = default;

// --- reading ---

Status ReadManifest(Storage* storage, const std::string& path, FileNumber number,
                    const std::function<void(uint64_t offset, const VersionEdit&)>& visit) {
  auto file = storage->NewRandomAccessFile(path);
  if (!file) return file.error();
  LogReader reader(*std::move(file), path, number);
  std::string_view record;
  while (reader.ReadRecord(&record)) {
    Result<VersionEdit> edit = VersionEdit::Decode(record);
    if (!edit) {
      return {edit.error().code(),
              fmt::format("{} at offset {}: {}", path, reader.LastRecordOffset(), edit.error().message())};
    }
    visit(reader.LastRecordOffset(), *edit);
  }
  return reader.status();
}

Status VersionSet::Rep::ReadRecords(FileNumber number, Numbers* found, LiveFiles* files) {
  std::string path = JoinPath(dir, ManifestName(number));
  Status bad;
  bool first = true;
  Status status = ReadManifest(storage, path, number, [&](uint64_t offset, const VersionEdit& edit) {
    if (!bad.ok()) return;
    Status fits;
    if (first && !edit.format_version) fits = Status::Corruption("the first record has no format version");
    if (first && fits.ok()) fits = CheckFamilies(edit.family_names, options.families);
    first = false;
    if (fits.ok()) fits = files->Check(edit);
    if (fits.ok()) fits = Advance(edit, found);
    if (!fits.ok()) bad = Status(fits.code(), fmt::format("{} at offset {}: {}", path, offset, fits.message()));
    if (fits.ok()) files->Apply(edit);
  });
  SILT_RETURN_IF_ERROR(bad);
  SILT_RETURN_IF_ERROR(status);
  if (first) return Status::Corruption(path + " at offset 0: no whole record; run siltfs fsck --repair");
  return Status::Ok();
}

Status VersionSet::Rep::RecoverFrom(FileNumber number) {
  LiveFiles untracked(options.families.size());
  Numbers found;
  SILT_RETURN_IF_ERROR(ReadRecords(number, &found, &untracked));

  VersionEdit all;
  for (const auto& [file_number, place] : untracked.places()) {
    GrantSeeks(*place.file);
    all.new_files.push_back({place.family, place.level, tracker->Track(place.file)});
  }
  LiveFiles files(options.families.size());
  files.Apply(all);
  auto version = files.Build();
  if (!version) return InManifest(number, version.error());

  live = std::move(files);
  std::lock_guard lock(mutex);
  current = *std::move(version);  // of an earlier Recover, the tables that nobody holds stop being live here
  for (const VersionEdit::NewFile& added : all.new_files) tracker->Enter(added.file->number);
  numbers = found;
  manifest_number = number;
  next_file = std::max(found.next_file, number + 1);
  return Status::Ok();
}

Status VersionSet::Recover() {
  std::lock_guard turn(rep_->io_mutex);
  Result<FileNumber> number = ReadCurrent(rep_->storage, rep_->dir);
  // A read-only opener races the owner, who may roll the MANIFEST over meanwhile: then CURRENT has changed.
  for (;;) {
    if (!number) return number.error();
    Status status = rep_->RecoverFrom(*number);
    if (status.ok()) return status;
    Result<FileNumber> again = ReadCurrent(rep_->storage, rep_->dir);
    if (!again || *again == *number) {
      bool missing = !rep_->storage->FileExists(JoinPath(rep_->dir, ManifestName(*number)));
      if (!missing) return status;
      return Status::Corruption(fmt::format("{} names {}, which is missing; run siltfs fsck --repair",
                                            JoinPath(rep_->dir, kCurrentName), ManifestName(*number)));
    }
    number = again;
  }
}

// --- writing ---

VersionEdit VersionSet::Rep::Snapshot(const LiveFiles& files, const Numbers& at) const {
  VersionEdit snapshot;
  snapshot.format_version = kEngineFormatVersion;
  for (const FamilyOptions& family : options.families) snapshot.family_names.push_back(family.name);
  snapshot.wal_number = at.wal;
  snapshot.next_file_number = at.next_file;
  snapshot.last_sequence = at.last_sequence;
  for (const auto& [number, place] : files.places()) {
    snapshot.new_files.push_back({place.family, place.level, place.file});
  }
  std::sort(snapshot.new_files.begin(), snapshot.new_files.end(),
            [](const auto& a, const auto& b) { return a.file->number < b.file->number; });
  return snapshot;
}

Status VersionSet::CreateNew() {
  if (rep_->options.read_only) return Status::ReadOnly(rep_->dir + ": opened read-only");
  std::lock_guard turn(rep_->io_mutex);
  FileNumber number = NewFileNumber();
  Numbers numbers{.next_file = rep_->next_file};
  ManifestOutcome outcome = rep_->manifest.Switch(number, 0, rep_->Snapshot(rep_->live, numbers).Encode());
  if (!outcome.status.ok()) return rep_->Refuse(std::move(outcome));
  rep_->MarkDurable();
  std::lock_guard lock(rep_->mutex);
  rep_->numbers = numbers;
  rep_->manifest_number = number;
  return Status::Ok();
}

// Completes the edit, checks that it fits the current version, and has its files tracked. Callers that run beside each
// other may bring older readings of the sequence and of the file counter: the newest wins.
Status VersionSet::Rep::Prepare(VersionEdit* edit, Numbers* after) {
  SequenceNumber sequence = std::max(edit->last_sequence.value_or(0), after->last_sequence);
  FileNumber next = edit->next_file_number.value_or(0);
  for (VersionEdit::NewFile& added : edit->new_files) {
    sequence = std::max(sequence, added.file->properties.largest_sequence);
    FileNumber number = added.file->number;
    next = std::max(next, number < kMaxFileNumber ? number + 1 : number);
    if (const LiveFiles::Place* place = live.Find(number); place != nullptr) {
      added.file = place->file;  // moved within the tree: stays one object, with one lifetime
    } else if (tracker->IsLive(number)) {
      return Status::Corruption(fmt::format("a version edit reuses table number {}", number));
    } else {
      added.file = tracker->Track(added.file);
    }
  }
  SILT_RETURN_IF_ERROR(live.Check(*edit));
  edit->last_sequence = sequence;
  if (next > 0 && next <= kMaxFileNumber) RaiseNextFile(next);
  edit->next_file_number = std::max(next, next_file.load());
  return Advance(*edit, after);
}

void VersionSet::Rep::RaiseNextFile(FileNumber least) {
  FileNumber next = next_file.load();
  while (next < least && !next_file.compare_exchange_weak(next, least)) {
  }
}

// Makes the edit durable: as a record of the open MANIFEST, or within the first record of a new one.
ManifestOutcome VersionSet::Rep::Commit(const VersionEdit& edit, const Numbers& after) {
  bool due =
      manifest.IsOpen() && manifest.Size() > std::max(options.manifest_roll_bytes, kRollFactor * manifest.SnapshotSize());
  if (!manifest.IsOpen() || due) {
    LiveFiles files = live;
    files.Apply(edit);
    FileNumber number = next_file.fetch_add(1);
    Numbers at = after;
    at.next_file = std::max(at.next_file, number + 1);
    ManifestOutcome outcome = manifest.Switch(number, manifest_number, Snapshot(files, at).Encode());
    if (outcome.status.ok()) {
      std::lock_guard lock(mutex);
      manifest_number = number;
    }
    // An old MANIFEST that merely grew long still serves.
    if (outcome.status.ok() || outcome.uncertain || !manifest.IsOpen()) return outcome;
  }
  return manifest.Append(edit.Encode());
}

void VersionSet::Rep::MarkDurable() {
  VersionEdit harmless;
  harmless.next_file_number = next_file.load();
  manifest.Mark(harmless.Encode());
}

void VersionSet::Rep::Install(VersionRef version, const Numbers& after) {
  std::lock_guard lock(mutex);
  std::swap(current, version);
  numbers = after;
}

Status VersionSet::Rep::Refuse(ManifestOutcome outcome) {
  if (!outcome.uncertain) return std::move(outcome.status);
  std::lock_guard lock(mutex);
  failed =
      Status::ReadOnly(fmt::format("{}: the store is read-only until it is opened again, since a change of the "
                                   "MANIFEST failed: {}",
                                   dir, outcome.status.ToString()));
  return failed;
}

Status VersionSet::LogAndApply(VersionEdit* edit) {
  std::lock_guard turn(rep_->io_mutex);
  VersionRef base;
  Numbers after;
  FileNumber manifest_number = 0;
  {
    std::lock_guard lock(rep_->mutex);
    SILT_RETURN_IF_ERROR(rep_->failed);
    base = rep_->current;
    after = rep_->numbers;
    manifest_number = rep_->manifest_number;
  }
  if (rep_->options.read_only) return Status::ReadOnly(rep_->dir + ": opened read-only");
  VersionEdit tracked = *edit;
  if (Status fits = rep_->Prepare(&tracked, &after); !fits.ok()) return InManifest(manifest_number, fits);
  auto version = ApplyToVersion(*base, tracked);
  if (!version) return InManifest(manifest_number, version.error());
  ManifestOutcome outcome = rep_->Commit(tracked, after);
  if (!outcome.status.ok()) return rep_->Refuse(std::move(outcome));
  rep_->MarkDurable();

  for (const VersionEdit::NewFile& added : tracked.new_files) {
    GrantSeeks(*added.file);
    rep_->tracker->Enter(added.file->number);
  }
  rep_->live.Apply(tracked);
  rep_->Install(*std::move(version), after);
  return Status::Ok();
}

// --- asking ---

VersionRef VersionSet::current() const {
  std::lock_guard lock(rep_->mutex);
  return rep_->current;
}

FileNumber VersionSet::NewFileNumber() {
  return rep_->next_file.fetch_add(1);
}

// A file in the directory may have any name; a number that could not be ours does not use up the counter.
void VersionSet::MarkFileNumberUsed(FileNumber number) {
  if (number < kMaxFileNumber) rep_->RaiseNextFile(number + 1);
}

SequenceNumber VersionSet::last_sequence() const {
  std::lock_guard lock(rep_->mutex);
  return rep_->numbers.last_sequence;
}

FileNumber VersionSet::wal_number() const {
  std::lock_guard lock(rep_->mutex);
  return rep_->numbers.wal;
}

FileNumber VersionSet::manifest_number() const {
  std::lock_guard turn(rep_->io_mutex);
  std::lock_guard lock(rep_->mutex);
  return rep_->manifest_number;
}

std::vector<FileNumber> VersionSet::TakeObsoleteTables() {
  {
    std::lock_guard lock(rep_->mutex);
    if (!rep_->failed.ok()) return {};
  }
  return rep_->tracker->TakeObsolete();
}

bool VersionSet::HasObsoleteTables() const {
  return rep_->tracker->HasObsolete();
}

std::set<FileNumber> VersionSet::LiveTables() const {
  return rep_->tracker->Live();
}

}  // namespace silt::lsm
