// Rebuilds the MANIFEST of a store from the files that are there.
#include "lsm/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "lsm/compaction/table_writer.h"
#include "lsm/db.h"
#include "lsm/db/lost_files.h"
#include "lsm/db/repair_meter.h"
#include "lsm/db/repair_tables.h"
#include "lsm/db/repair_wals.h"
#include "lsm/filenames.h"
#include "lsm/memtable/memtable.h"
#include "lsm/table/table.h"
#include "lsm/version/live_files.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_set.h"

namespace silt::lsm {
namespace {

// Nothing of the old store is changed before the new MANIFEST counts; interrupted at any moment, it can be run again.
class Repairer {
 public:
  Repairer(const Options& options, const std::string& dir, const RepairProgress& progress)
      : options_(options),
        storage_(options.storage != nullptr ? options.storage : Storage::Posix()),
        dir_(dir),
        lost_(storage_, dir),
        meter_(progress),
        listed_(options.families.size()) {}

  Result<RepairReport> Run() {
    if (Status status = RunSteps(); !status.ok()) return Fail(std::move(status));
    meter_.Finish();
    for (const std::string& name : lost_.names()) report_.moved_aside.push_back(name);
    return std::move(report_);
  }

 private:
  Status RunSteps() {
    SILT_RETURN_IF_ERROR(Scan());
    auto lock = storage_->LockFile(JoinPath(dir_, kLockName), options_.lock_description);
    if (!lock) return lock.error();
    SILT_RETURN_IF_ERROR(Scan());  // now that nobody changes anything
    SILT_RETURN_IF_ERROR(ReadOldManifest());
    Status status = Rebuild();
    if (!status.ok() && !manifest_written_) {
      for (FileNumber number : written_) (void)storage_->DeleteFile(JoinPath(dir_, TableName(number)));
    }
    return status;
  }

  FileNumber NewTableNumber() {
    written_.push_back(next_number_++);
    return written_.back();
  }

  void Report(const std::vector<std::string>& kept, const std::vector<std::string>& notes) {
    report_.kept.insert(report_.kept.end(), kept.begin(), kept.end());
    report_.notes.insert(report_.notes.end(), notes.begin(), notes.end());
  }

  Status Scan() {
    auto names = storage_->ListDir(dir_);
    if (!names) return names.error();
    bool any = false;
    tables_.clear();
    wals_.clear();
    manifests_.clear();
    for (const std::string& name : *names) {
      auto parsed = ParseFileName(name);
      if (!parsed) continue;
      next_number_ = std::max(next_number_, parsed->number + 1);
      any |= parsed->kind != FileKind::kLock && parsed->kind != FileKind::kTemporary;
      if (parsed->kind == FileKind::kTable) tables_.insert(parsed->number);
      if (parsed->kind == FileKind::kWal) wals_.insert(parsed->number);
      if (parsed->kind == FileKind::kManifest) manifests_.insert(parsed->number);
    }
    return any ? Status::Ok() : Status::NotFound(dir_ + ": there is no store");
  }

  // --- what the old MANIFEST says ---

  // The one that CURRENT names, or else the newest of which anything can be read.
  Status ReadOldManifest() {
    auto current = ReadCurrent(storage_, dir_);
    bool whole = true;
    if (!current) report_.notes.push_back(current.error().message());
    if (!current && current.error().IsCorruption()) damaged_.emplace_back(kCurrentName);
    std::vector<FileNumber> candidates;
    if (current && manifests_.contains(*current)) candidates.push_back(*current);
    if (current && !manifests_.contains(*current)) {
      whole = false;
      report_.notes.push_back(ManifestName(*current) + ": missing");
    }
    candidates.insert(candidates.end(), manifests_.rbegin(), manifests_.rend());
    bool read = false;
    for (FileNumber number : candidates) {
      Status status = ReadOne(number, &read);
      if (status.code() == StatusCode::kNotSupported || status.code() == StatusCode::kInvalidArgument) return status;
      if (!status.ok()) {
        whole = false;
        report_.notes.push_back(status.message());
        if (std::find(damaged_.begin(), damaged_.end(), ManifestName(number)) == damaged_.end()) {
          damaged_.push_back(ManifestName(number));
        }
      }
      if (read) {
        read_manifest_ = number;
        break;
      }
    }
    next_number_ = std::max(next_number_, listed_next_file_);
    bool complete = std::all_of(listed_.places().begin(), listed_.places().end(),
                                [&](const auto& listed) { return tables_.contains(listed.first); });
    trusted_ = read && whole && complete && (wal_number_ == 0 || wals_.contains(wal_number_));
    if (!trusted_) Distrust();
    restore_current_ = trusted_ && !current;
    return Status::Ok();
  }

  // A MANIFEST that lost its last records may still end where a record ends. With all tables that it lists, and all
  // WALs from the first that it needs up to `reached`, it is nevertheless the store as it was then: every operation is
  // in a table or in a WAL. Tables that it does not list
  // - with smaller numbers are obsolete and were not deleted yet: what they held may have been deleted since, and must
  //   not come back;
  // - with larger ones were being written by a flush, a compaction or a repair that was cut off, and hold nothing that
  //   the rest does not; unless one of them has a later operation: then it is the MANIFEST that lacks something.
  // One that cannot be read was not finished, since whoever lists a table has synced it; only where the MANIFEST has no
  // WAL to begin with does this not tell enough.
  Result<bool> KnowsAllTables(SequenceNumber reached) const {
    for (auto number = tables_.lower_bound(listed_next_file_); number != tables_.end(); ++number) {
      if (listed_.Find(*number) != nullptr) continue;
      auto largest = LargestSequenceOf(*number);
      if (!largest && !largest.error().IsCorruption()) return Fail(largest.error());
      if (largest ? *largest > reached : wal_number_ == 0) return false;
    }
    return true;
  }

  Result<SequenceNumber> LargestSequenceOf(FileNumber number) const {
    const std::string name = TableName(number);
    auto size = storage_->FileSize(JoinPath(dir_, name));
    if (!size) return Fail(size.error());
    auto file = storage_->NewRandomAccessFile(JoinPath(dir_, name));
    if (!file) return Fail(file.error());
    auto table = Table::Open(*std::move(file), name, number, *size, nullptr);
    if (!table) return Fail(table.error());
    return (*table)->properties().largest_sequence;
  }

  void Distrust() {
    trusted_ = false;
    restore_current_ = false;
    report_.notes.push_back(
        "which tables were live is not known for sure: where they overlap they were merged; keys whose deletion had "
        "been "
        "compacted away may have come back");
  }

  // Ok when it could be read to its end. `*read`: something of it could.
  Status ReadOne(FileNumber number, bool* read) {
    Status bad;
    Status status = ReadManifest(
        storage_, JoinPath(dir_, ManifestName(number)), number, [&](uint64_t offset, const VersionEdit& edit) {
          if (!bad.ok()) return;
          if (!*read) bad = CheckFirst(edit);
          if (bad.ok()) bad = listed_.Check(edit);
          if (!bad.ok()) {
            bad = Status(bad.code(), fmt::format("{} at offset {}: {}", ManifestName(number), offset, bad.message()));
            return;
          }
          *read = true;
          listed_.Apply(edit);
          wal_number_ = std::max(wal_number_, edit.wal_number.value_or(0));
          last_sequence_ = std::max(last_sequence_, edit.last_sequence.value_or(0));
          listed_next_file_ = std::max(listed_next_file_, edit.next_file_number.value_or(0));
        });
    if (!bad.ok()) return bad;
    if (status.ok() && !*read) {
      return Status::Corruption(fmt::format("{} at offset 0: no whole record", ManifestName(number)));
    }
    return status;
  }

  Status CheckFirst(const VersionEdit& edit) const {
    if (!edit.format_version) return Status::Corruption("the first record has no format version");
    bool same = edit.family_names.size() <= options_.families.size();
    for (size_t i = 0; same && i < edit.family_names.size(); ++i) {
      same = edit.family_names[i] == options_.families[i].name;
    }
    return same ? Status::Ok() : Status::InvalidArgument("the store has other families than the options name");
  }

  // --- the new one ---

  Status Rebuild() {
    std::unique_ptr<WalRepair> wals = NewWalRepair();
    auto whole = wals->Plan();
    if (whole && *whole && trusted_) whole = KnowsAllTables(wals->reaches());
    if (whole && !*whole) {
      Distrust();
      wals = NewWalRepair();
      whole = wals->Plan();
    }
    if (!whole) return whole.error();
    // Where the MANIFEST can be trusted every table keeps its place, and WALs stay WALs.
    const uint64_t in_tables = BytesOf(tables_, &TableName);
    meter_.Expect(trusted_ ? in_tables : 2 * in_tables + BytesOf(wals_, &WalName));
    TableRepair tables(options_, storage_, dir_,
                       {.present = tables_,
                        .listed = &listed_,
                        .trusted = trusted_,
                        .new_number = [this] { return NewTableNumber(); },
                        .meter = &meter_});
    SILT_RETURN_IF_ERROR(tables.Read());
    std::vector<FileRef> from_wals;
    if (!trusted_) SILT_RETURN_IF_ERROR(WriteTablesFromWals(tables.largest_sequence(), wals.get(), &from_wals));
    SILT_RETURN_IF_ERROR(tables.Place(from_wals));
    Report(tables.kept(), tables.notes());
    return Commit(tables, wals.get());
  }

  // A file whose size cannot be had is complained of where it is read.
  uint64_t BytesOf(const std::set<FileNumber>& numbers, std::string (*name)(FileNumber)) const {
    uint64_t bytes = 0;
    for (FileNumber number : numbers) bytes += storage_->FileSize(JoinPath(dir_, name(number))).value_or(0);
    return bytes;
  }

  std::unique_ptr<WalRepair> NewWalRepair() {
    return std::make_unique<WalRepair>(storage_, dir_,
                                       WalRepair::Known{.present = wals_,
                                                        .trusted = trusted_,
                                                        .first_needed = wal_number_,
                                                        .flushed = last_sequence_,
                                                        .families = options_.families.size(),
                                                        .new_number = [this] { return next_number_++; }});
  }

  Status Commit(const TableRepair& tables, WalRepair* wals) {
    damaged_.insert(damaged_.end(), tables.damaged().begin(), tables.damaged().end());
    for (const std::string& name : damaged_) SILT_RETURN_IF_ERROR(lost_.Copy(name));
    SILT_RETURN_IF_ERROR(lost_.Sync());
    // First the MANIFEST that this repair goes by: without CURRENT, the next one would begin with the new MANIFEST that
    // this one was about to write, and would find it torn.
    if (restore_current_) SILT_RETURN_IF_ERROR(WriteCurrent(storage_, dir_, read_manifest_).status);
    SILT_RETURN_IF_ERROR(WriteManifest(tables, *wals));
    for (const std::string& name : damaged_) {
      if (name != kCurrentName) SILT_RETURN_IF_ERROR(storage_->DeleteFile(JoinPath(dir_, name)));
    }
    SILT_RETURN_IF_ERROR(wals->Apply(&lost_));
    Report(wals->kept(), wals->notes());
    return storage_->SyncDir(dir_);
  }

  // A memtable's worth of operations at a time.
  Status WriteTablesFromWals(SequenceNumber in_tables, WalRepair* wals, std::vector<FileRef>* files) {
    auto memtable = std::make_unique<MemTable>();
    auto flush = [&]() -> Status {
      for (size_t family = 0; family < options_.families.size(); ++family) {
        SILT_RETURN_IF_ERROR(WriteTable(*memtable, static_cast<FamilyId>(family), files));
      }
      memtable = std::make_unique<MemTable>();
      return Status::Ok();
    };
    Status status = wals->ReplayAll(in_tables, [&](std::string_view batch) -> Status {
      if (memtable->MemoryUsage() >= options_.memtable_bytes) SILT_RETURN_IF_ERROR(flush());
      meter_.Add(batch.size());
      return memtable->AddBatch(batch);
    });
    return status.ok() ? flush() : status;
  }

  Status WriteTable(const MemTable& memtable, FamilyId family, std::vector<FileRef>* files) {
    std::unique_ptr<InternalIterator> entries = memtable.NewIterator(family);
    entries->SeekToFirst();
    std::vector<RangeTombstone> tombstones = memtable.range_tombstones(family).All();
    if (!entries->Valid() && tombstones.empty()) return Status::Ok();
    auto writer =
        TableWriter::Create(storage_, dir_, NewTableNumber(), MakeTableOptions(options_, family, /*last_level=*/false));
    if (!writer) return writer.error();
    for (; entries->Valid(); entries->Next()) (*writer)->Add(entries->key(), entries->value());
    for (const RangeTombstone& tombstone : tombstones) (*writer)->AddRangeTombstone(tombstone);
    auto file = (*writer)->Finish();
    if (!file) return file.error();
    files->push_back(*std::move(file));
    return Status::Ok();
  }

  Status WriteManifest(const TableRepair& tables, const WalRepair& wals) {
    VersionEdit edit;
    edit.format_version = kEngineFormatVersion;
    for (const FamilyOptions& family : options_.families) edit.family_names.push_back(family.name);
    FileNumber number = next_number_++;
    edit.wal_number = wals.first_needed();
    edit.next_file_number = next_number_;
    edit.last_sequence = std::max({last_sequence_, tables.largest_sequence(), wals.last_sequence()});
    edit.new_files = tables.tables();
    LiveFiles fits(options_.families.size());
    SILT_RETURN_IF_ERROR(fits.Check(edit));
    fits.Apply(edit);
    if (auto version = fits.Build(); !version) return version.error();
    manifest_written_ = true;  // or perhaps so
    Manifest manifest(storage_, dir_);
    return manifest.Switch(number, 0, edit.Encode()).status;
  }

  const Options& options_;
  Storage* const storage_;
  const std::string dir_;
  LostFiles lost_;
  RepairMeter meter_;
  std::set<FileNumber> tables_;
  std::set<FileNumber> wals_;
  std::set<FileNumber> manifests_;
  FileNumber next_number_ = 1;

  LiveFiles listed_;  // by what could be read of the old MANIFEST
  bool trusted_ = false;
  FileNumber read_manifest_ = 0;  // by which one
  bool restore_current_ = false;  // it is whole, and CURRENT does not name it
  FileNumber wal_number_ = 0;
  FileNumber listed_next_file_ = 0;  // no table that the MANIFEST ever listed has this number or a larger one
  SequenceNumber last_sequence_ = 0;
  std::vector<std::string> damaged_;  // to be put aside
  std::vector<FileNumber> written_;   // tables
  bool manifest_written_ = false;
  RepairReport report_;
};

}  // namespace

Result<RepairReport> Repair(const Options& options, const std::string& path) {
  return Repair(options, path, {});
}

Result<RepairReport> Repair(const Options& options, const std::string& path, const RepairProgress& progress) {
  if (options.read_only) return Fail(Status::ReadOnly(path + ": cannot be repaired read-only"));
  Storage* storage = options.storage != nullptr ? options.storage : Storage::Posix();
  auto directory = storage->OpenDirectory(path);
  if (!directory) return Fail(directory.error());
  Options in_directory = options;
  in_directory.storage = directory->get();
  return Repairer(in_directory, path, progress).Run();
}

}  // namespace silt::lsm
