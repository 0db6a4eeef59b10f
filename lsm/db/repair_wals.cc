#include "lsm/db/repair_wals.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lsm/coding.h"
#include "lsm/db/wal_recovery.h"
#include "lsm/filenames.h"
#include "lsm/wal/log_reader.h"
#include "lsm/write_batch.h"

namespace silt::lsm {
namespace {

Status CheckBatch(std::string_view record, size_t families) {
  bool known = true;
  SILT_RETURN_IF_ERROR(WriteBatch::Decode(record, [&](SequenceNumber, EntryKind, FamilyId family, std::string_view,
                                                      std::string_view) { known &= family < families; }));
  return known ? Status::Ok() : Status::Corruption("a batch for an unknown family");
}

}  // namespace

WalRepair::WalRepair(Storage* storage, std::string dir, Known known)
    : storage_(storage), dir_(std::move(dir)), known_(std::move(known)) {}

Result<WalRepair::Scan> WalRepair::ReadThrough(FileNumber number) const {
  Scan scan;
  scan.number = number;
  auto file = storage_->NewRandomAccessFile(JoinPath(dir_, WalName(number)));
  if (!file) return Fail(file.error());
  LogReader reader(*std::move(file), WalName(number), number);
  std::string_view record;
  while (scan.damage.ok() && reader.ReadRecord(&record)) {
    WalRecordKind kind = ClassifyWalRecord(record);
    if (reader.LastRecordOffset() == 0) {
      scan.header = DecodeWalHeader(record);
      if (!scan.header) scan.damage = Status::Corruption("its first record is no header");
    } else if (kind == WalRecordKind::kBatch) {
      scan.damage = CheckBatch(record, known_.families);
    } else if (kind != WalRecordKind::kPreviousDurable) {
      scan.damage = Status::Corruption("neither a batch nor a header");
    }
    if (scan.damage.ok()) scan.good = reader.EndOfLastRecord();
  }
  if (scan.damage.ok()) scan.damage = reader.status();
  return scan;
}

Status WalRepair::Replay() {
  WalRecoveryInput input{.storage = storage_,
                         .dir = dir_,
                         .present = {known_.present.begin(), known_.present.end()},
                         .first_needed = known_.first_needed,
                         .flushed_sequence = known_.flushed};
  auto recovered =
      ReplayWals(input, [&](FileNumber, std::string_view batch) { return CheckBatch(batch, known_.families); });
  if (!recovered) return recovered.error();
  reaches_ = recovered->tail.last_sequence;
  kept_.clear();
  for (FileNumber number : recovered->tail.numbers) kept_.push_back(WalName(number));
  return Status::Ok();
}

Result<bool> WalRepair::Plan() {
  for (FileNumber number : known_.present) {
    if (known_.trusted && number < known_.first_needed) continue;
    auto scan = ReadThrough(number);
    if (!scan) return Fail(scan.error());
    scans_.push_back(*std::move(scan));
  }
  if (!known_.trusted) {
    CutAtDamage();
    known_.first_needed = known_.new_number();
    return true;
  }
  reaches_ = known_.flushed;
  Status status = Replay();
  if (!status.ok() && !status.IsCorruption()) return Fail(std::move(status));
  if (status.IsCorruption()) CutAtDamage();
  return status.ok() || cut_ != 0 || !aside_.empty();
}

// The first WAL that is damaged is cut there, and all later ones go.
void WalRepair::CutAtDamage() {
  bool behind = false;
  for (const Scan& scan : scans_) {
    if (behind) {
      aside_.insert(scan.number);
    } else if (!scan.damage.ok()) {
      behind = true;
      notes_.push_back(fmt::format("{}: what it holds behind offset {} and what was written later is lost: {}",
                                   WalName(scan.number), scan.good, scan.damage.message()));
      if (scan.good == 0) {
        aside_.insert(scan.number);
      } else {
        cut_ = scan.number;
        cut_length_ = scan.good;
      }
    }
  }
}

// Each WAL counts up to where the next one begins: behind that there is at most what a failed append left.
Status WalRepair::ReplayAll(SequenceNumber in_tables, const std::function<Status(std::string_view batch)>& replay) {
  bool behind = false;
  SequenceNumber replayed_from = 0;
  for (size_t i = 0; i < scans_.size(); ++i) {
    const Scan& scan = scans_[i];
    if (!scan.header || aside_.contains(scan.number)) continue;
    SequenceNumber limit = kMaxSequence;
    for (size_t later = i + 1; later < scans_.size(); ++later) {
      if (scans_[later].header && !aside_.contains(scans_[later].number)) {
        limit = std::min(limit, scans_[later].header->first_sequence);
      }
    }
    SequenceNumber first = scan.header->first_sequence;
    if (first > std::max(next_, in_tables + 1)) {
      notes_.push_back(
          fmt::format("operations {} to {} are in no table and no WAL: they are lost, unless they were deletions that "
                      "are compacted away",
                      std::max(next_, in_tables + 1), first - 1));
      // Where the WAL before the gap was not flushed, what is missing came after it and was not either: the store stays
      // as it was at that moment. Else what is missing may have been flushed too, and the rest is better than nothing.
      behind = behind || (next_ > 0 && replayed_from > in_tables);
    }
    if (!behind) {
      next_ = replayed_from = first;
      auto whole = ReplayOne(scan, limit, replay);
      if (!whole) return whole.error();
      kept_.push_back(WalName(scan.number));
      behind = !*whole;
    } else {
      aside_.insert(scan.number);
      notes_.push_back(fmt::format("{}: put aside: it follows what is lost", WalName(scan.number)));
    }
  }
  // The MANIFEST will name a WAL of which nothing is needed yet.
  return MakeEmpty(known_.first_needed);
}

// False at an operation whose predecessor is missing.
Result<bool> WalRepair::ReplayOne(const Scan& scan, SequenceNumber limit,
                                  const std::function<Status(std::string_view)>& replay) {
  auto file = storage_->NewRandomAccessFile(JoinPath(dir_, WalName(scan.number)));
  if (!file) return Fail(file.error());
  LogReader reader(*std::move(file), WalName(scan.number), scan.number);
  std::string_view record;
  while (reader.EndOfLastRecord() < scan.good && reader.ReadRecord(&record)) {
    if (ClassifyWalRecord(record) != WalRecordKind::kBatch) continue;
    auto first = DecodeFixed<uint64_t>(record.data());
    auto count = DecodeFixed<uint32_t>(record.data() + sizeof(uint64_t));
    if (first >= limit) break;
    if (first != next_) return false;
    if (Status status = replay(record); !status.ok()) return Fail(std::move(status));
    next_ += count;
  }
  return true;
}

Status WalRepair::Apply(LostFiles* lost) {
  // One that is no WAL any more stays whole in lost/ only.
  if (cut_ != 0 && !known_.trusted) aside_.insert(cut_);
  if (cut_ != 0 && known_.trusted) SILT_RETURN_IF_ERROR(Cut(cut_, cut_length_, lost));
  for (FileNumber number : aside_) {
    SILT_RETURN_IF_ERROR(lost->Move(WalName(number)));
    known_.present.erase(number);
  }
  if (!known_.present.contains(known_.first_needed)) SILT_RETURN_IF_ERROR(MakeEmpty(known_.first_needed));
  // A gap between WALs shows only now. What follows it goes, newest first, until the rest is one sequence.
  Status status = known_.trusted ? Replay() : Status::Ok();
  while (status.IsCorruption() && !known_.present.empty()) {
    FileNumber newest = *known_.present.rbegin();
    notes_.push_back(fmt::format("{}: put aside: {}", WalName(newest), status.message()));
    SILT_RETURN_IF_ERROR(lost->Move(WalName(newest)));
    known_.present.erase(newest);
    if (newest <= known_.first_needed) SILT_RETURN_IF_ERROR(MakeEmpty(known_.first_needed));
    status = Replay();
    if (newest <= known_.first_needed) break;
  }
  SILT_RETURN_IF_ERROR(lost->Sync());
  return status;
}

// The rest is kept apart before the WAL is replaced by its beginning.
Status WalRepair::Cut(FileNumber number, uint64_t length, LostFiles* lost) {
  std::string path = JoinPath(dir_, WalName(number));
  std::string temporary = path + std::string(kTemporarySuffix);
  SILT_RETURN_IF_ERROR(CopyBytes(storage_, path, temporary, length));
  SILT_RETURN_IF_ERROR(lost->Copy(WalName(number)));
  SILT_RETURN_IF_ERROR(lost->Sync());
  SILT_RETURN_IF_ERROR(storage_->RenameFile(temporary, path));
  return storage_->SyncDir(dir_);
}

// A WAL in which nothing was ever written: recovery looks for the first one that the MANIFEST names.
Status WalRepair::MakeEmpty(FileNumber number) {
  auto file = storage_->NewWritableFile(JoinPath(dir_, WalName(number)));
  if (!file) return file.error();
  SILT_RETURN_IF_ERROR((*file)->Sync());
  SILT_RETURN_IF_ERROR((*file)->Close());
  known_.present.insert(number);
  return storage_->SyncDir(dir_);
}

}  // namespace silt::lsm
