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
  kept_.clear();
  for (FileNumber number : recovered->tail.numbers) kept_.push_back(WalName(number));
  return Status::Ok();
}

Status WalRepair::Plan() {
  std::vector<Scan> scans;
  for (FileNumber number : known_.present) {
    if (known_.trusted && number < known_.first_needed) continue;
    auto scan = ReadThrough(number);
    if (!scan) return scan.error();
    scans.push_back(*std::move(scan));
  }
  if (!known_.trusted) {
    CutAtDamage(scans);
    chain_ = Chain(scans);
    known_.first_needed = known_.new_number();
    return Status::Ok();
  }
  Status status = Replay();
  if (status.IsCorruption()) CutAtDamage(scans);
  return status.IsCorruption() ? Status::Ok() : status;
}

// The newest WAL that is kept, the ones that it leads back to, oldest first.
std::vector<WalRepair::Scan> WalRepair::Chain(const std::vector<Scan>& scans) {
  std::vector<Scan> chain;
  for (auto scan = scans.rbegin(); scan != scans.rend(); ++scan) {
    if (!scan->header || aside_.contains(scan->number)) continue;
    if (chain.empty() || chain.back().header->previous == scan->number) {
      chain.push_back(*scan);
    } else {
      // Given up when it was written; or behind a gap, of which nobody knows what it held.
      aside_.insert(scan->number);
      notes_.push_back(
          fmt::format("{}: put aside: {} does not follow it", WalName(scan->number), WalName(chain.back().number)));
    }
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

// The first WAL that is damaged is cut there, and all later ones go.
void WalRepair::CutAtDamage(const std::vector<Scan>& scans) {
  bool behind = false;
  for (const Scan& scan : scans) {
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

// The MANIFEST will name a WAL of which nothing is needed yet.
Status WalRepair::ReplayAll(const std::function<Status(std::string_view batch)>& replay) {
  SequenceNumber next = 0;
  for (size_t i = 0; i < chain_.size(); ++i) {
    uint64_t length = chain_[i].good;
    if (i + 1 < chain_.size()) length = std::min(length, chain_[i + 1].header->previous_length);
    bool whole = false;
    SILT_RETURN_IF_ERROR(ReplayOne(chain_[i], length, &next, replay, &whole));
    kept_.push_back(WalName(chain_[i].number));
    if (whole && (i + 1 == chain_.size() || length == chain_[i + 1].header->previous_length)) continue;
    for (size_t later = i + 1; later < chain_.size(); ++later) {
      aside_.insert(chain_[later].number);
      notes_.push_back(fmt::format("{}: put aside: it follows what is lost", WalName(chain_[later].number)));
    }
    break;
  }
  return MakeEmpty(known_.first_needed);
}

// Stops, with *whole false, at an operation whose predecessor is missing.
Status WalRepair::ReplayOne(const Scan& scan, uint64_t length, SequenceNumber* next,
                            const std::function<Status(std::string_view)>& replay, bool* whole) {
  auto file = storage_->NewRandomAccessFile(JoinPath(dir_, WalName(scan.number)));
  if (!file) return file.error();
  LogReader reader(*std::move(file), WalName(scan.number), scan.number);
  std::string_view record;
  *whole = *next == 0 || scan.header->first_sequence == *next;
  *next = scan.header->first_sequence;
  while (*whole && reader.EndOfLastRecord() < length && reader.ReadRecord(&record)) {
    if (ClassifyWalRecord(record) != WalRecordKind::kBatch) continue;
    auto first = DecodeFixed<uint64_t>(record.data());
    auto count = DecodeFixed<uint32_t>(record.data() + sizeof(uint64_t));
    *whole = first == *next;
    if (*whole) SILT_RETURN_IF_ERROR(replay(record));
    *next += count;
  }
  return Status::Ok();
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
