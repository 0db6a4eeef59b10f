// Opening a store that is only read, while its owner may be at work: no lock is taken, nothing is held back. Files that
// the MANIFEST named a moment ago may be gone or, as a WAL that was recycled, hold something else.
#include <algorithm>

#include "lsm/db/db_impl.h"
#include "lsm/db/wal_recovery.h"
#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

// A table is deleted only when the MANIFEST no longer names it, so each attempt gets as far as the owner's next
// compaction or flush. An owner as fast as that does not go on for so long.
constexpr int kAttempts = 10;

}  // namespace

// What fails twice in the same way is damage; else the owner went on meanwhile, and the MANIFEST is read again.
Status DbImpl::RecoverBesideOwner() {
  std::string before;
  Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    status = versions_.Recover();
    if (status.ok()) status = HoldTables();
    if (status.ok()) status = RecoverWals();
    if (status.ok() || status.ToString() == before) return status;
    before = status.ToString();
  }
  return Status::Busy(fmt::format("{}: the process that has the store open changes it faster than it can be read: {}",
                                  dir_, status.message()));
}

// A table that is open can be read after the owner has deleted it. One that is there but damaged is left to whoever
// reads it. With more tables than may be open none is held: it would be chance which ones can still be read later.
Status DbImpl::HoldTables() {
  std::set<FileNumber> live = versions_.LiveTables();
  for (FileNumber number : held_tables_) {
    if (!live.contains(number)) table_cache_.Evict(number);
  }
  held_tables_.clear();
  if (live.size() > static_cast<size_t>(std::max(options_.max_open_tables, 0))) return CheckTablesExist();
  held_tables_ = std::move(live);
  VersionRef version = versions_.current();
  for (const FamilyVersion& family : version->families) {
    for (const auto& level : family.levels) {
      for (const FileRef& file : level) {
        Status held = table_cache_.Hold(file->number, file->size);
        bool gone = !held.ok() && !storage_->FileExists(JoinPath(dir_, TableName(file->number)));
        if (gone) return MissingTable(file->number);
      }
    }
  }
  return Status::Ok();
}

// A WAL gets another name before anything else is written into it: those that still have theirs are what was read.
Status DbImpl::CheckWalsWereRead(const WalRecoveryInput& input) const {
  for (FileNumber number : input.present) {
    if (number < input.first_needed || storage_->FileExists(JoinPath(dir_, WalName(number)))) continue;
    return Status::Busy(
        fmt::format("{}: the process that has the store open let go of {} meanwhile", dir_, WalName(number)));
  }
  return Status::Ok();
}

}  // namespace silt::lsm
