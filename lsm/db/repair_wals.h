// Makes a store's WALs replayable again: a damaged one keeps what lies before the damage, and what was written after
// that is put aside, so that what is recovered is still a prefix of the operations.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db/lost_files.h"
#include "lsm/db/wal_header.h"
#include "lsm/storage/storage.h"
#include "lsm/types.h"

namespace silt::lsm {

// Not thread-safe. Steps, so that tables and the MANIFEST can be written between them.
//
// Where the MANIFEST says which WALs are needed, they stay WALs, for the next open to replay. Otherwise it is not known
// which of their operations are in tables already (a flush may have ended half-way), so that all are to be written to
// tables, where doing so twice does no harm.
class WalRepair {
 public:
  struct Known {
    std::set<FileNumber> present;  // WALs in the directory
    bool trusted = false;          // the next two are right
    FileNumber first_needed = 0;
    SequenceNumber flushed = 0;  // tables hold everything up to here
    size_t families = 0;
    std::function<FileNumber()> new_number;
  };
  WalRepair(Storage* storage, std::string dir, Known known);

  // Decides; changes nothing. False when a WAL is missing, so that the MANIFEST cannot be trusted in this either.
  Result<bool> Plan();
  // The last operation that tables and WALs hold for certain. REQUIRES: trusted, planned.
  SequenceNumber reaches() const { return reaches_; }
  // Every batch that is kept, in order; starts a new, empty WAL. `in_tables`: the largest sequence number of any table.
  // REQUIRES: not trusted.
  Status ReplayAll(SequenceNumber in_tables, const std::function<Status(std::string_view batch)>& replay);
  // Of the operations that ReplayAll gave; 0 when there were none.
  SequenceNumber last_sequence() const { return next_ > 0 ? next_ - 1 : 0; }
  // For the MANIFEST.
  FileNumber first_needed() const { return known_.first_needed; }

  // Makes it so. Interrupted, it can be planned and applied again.
  Status Apply(LostFiles* lost);

  const std::vector<std::string>& kept() const { return kept_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  // What can be read of one WAL.
  struct Scan {
    FileNumber number = 0;
    std::optional<WalHeader> header;
    uint64_t good = 0;  // everything before is whole records
    Status damage;      // what ends it there; ok: its end
  };
  Result<Scan> ReadThrough(FileNumber number) const;
  void CutAtDamage();
  Result<bool> ReplayOne(const Scan& scan, SequenceNumber limit, const std::function<Status(std::string_view)>& replay);
  Status Replay();
  Status Cut(FileNumber number, uint64_t length, LostFiles* lost);
  Status MakeEmpty(FileNumber number);

  Storage* const storage_;
  const std::string dir_;
  Known known_;
  std::vector<Scan> scans_;  // oldest first
  SequenceNumber reaches_ = 0;
  SequenceNumber next_ = 0;  // of ReplayAll
  std::set<FileNumber> aside_;
  FileNumber cut_ = 0;  // 0: none
  uint64_t cut_length_ = 0;
  std::vector<std::string> kept_;
  std::vector<std::string> notes_;
};

}  // namespace silt::lsm
