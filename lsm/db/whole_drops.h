// Finds tables that a range tombstone deletes from end to end, so that they can go without being read.
#pragma once

#include <map>

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

 private:
  struct Known {
    FamilyId family;
    FragmentedRangeTombstones tombstones;
  };
  std::map<FileNumber, Known> known_;
};

}  // namespace silt::lsm
