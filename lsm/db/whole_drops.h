// Finds tables that range tombstones delete from end to end, so that they can go without being read; and how much of
// other tables they delete.
#pragma once

#include <map>
#include <vector>

#include "lsm/range_tombstone.h"
#include "lsm/table/table_cache.h"
#include "lsm/version/version.h"

namespace silt::lsm {

// Keeps the range tombstones of all live tables in memory: the picker asks under a lock, where nothing may be read.
// Not thread-safe.
class WholeDrops {
 public:
  // Reads the tombstones of tables that are new in this version, forgets those of tables that are gone. What cannot be
  // read is left out: then less is dropped.
  void Learn(const Version& version, TableCache* tables);

  // Whether tombstones of other tables, newer than every entry of the file and seen by every snapshot, cover all of its
  // range. By the order of sources (ReadView) such tombstones lie above the file.
  bool Covers(FamilyId family, const FileMeta& file, SequenceNumber oldest_snapshot) const;

  // Finds what CoveredBytes says. REQUIRES: Learn was called with this version.
  void Measure(const Version& version, TableCache* tables, SequenceNumber oldest_snapshot);
  // Of data blocks that tombstones in tables above the file cover, seen by every snapshot. A file that is rewritten
  // without what they cover has none.
  uint64_t CoveredBytes(const FileMeta& file) const {
    auto found = covered_.find(file.number);
    return found != covered_.end() ? found->second : 0;
  }

 private:
  struct Known {
    FamilyId family;
    FragmentedRangeTombstones tombstones;
  };
  std::vector<RangeTombstone> TombstonesAbove(const FamilyVersion& family, int level, const FileMeta& file,
                                              SequenceNumber oldest_snapshot) const;

  std::map<FileNumber, Known> known_;
  std::map<FileNumber, uint64_t> covered_;  // bytes; only of files that have some
};

}  // namespace silt::lsm
