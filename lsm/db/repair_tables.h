// Decides which tables a store being repaired has, and where they belong.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lsm/db/repair_meter.h"
#include "lsm/options.h"
#include "lsm/storage/storage.h"
#include "lsm/version/live_files.h"

namespace silt::lsm {

// Not thread-safe.
//
// Where every live table is known from the MANIFEST, each keeps its level. Otherwise the order of age among tables is
// not known: sequence numbers do not tell it, since a compacted table in a lower level may hold both older and newer
// entries than one above. Tables that overlap are therefore merged, which goes by the sequence number of each entry,
// into tables of the last level. Tables that overlap no other need no order.
class TableRepair {
 public:
  struct Known {
    std::set<FileNumber> present;            // tables in the directory
    const LiveFiles* listed;                 // by the part of the MANIFEST that could be read
    bool trusted = false;                    // that part is all of it, and every table that it lists is present
    std::function<FileNumber()> new_number;  // asked for each table that is written
    RepairMeter* meter;                      // told what is read and what is merged
  };
  TableRepair(const Options& options, Storage* storage, std::string dir, Known known);

  // Reads and checks every table, writes what replaces the damaged ones. Removes nothing.
  Status Read();
  // Gives each its level, writes what replaces those that overlap. `further`: tables that were written from WALs.
  Status Place(const std::vector<FileRef>& further);

  // The tables of the repaired store.
  const std::vector<VersionEdit::NewFile>& tables() const { return tables_; }
  // Of the tables that were there, lost ones included.
  SequenceNumber largest_sequence() const { return largest_sequence_; }
  const std::vector<std::string>& kept() const { return kept_; }
  const std::vector<std::string>& damaged() const { return damaged_; }  // names of files to be put aside
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Found {
    FamilyId family;
    int level;  // -1: not known
    FileRef file;
  };
  Result<FileRef> Check(FileNumber number) const;
  Result<FileRef> ReadWhole(FileNumber number, uint64_t size, const std::function<void(uint64_t)>& progress) const;
  Status Examine(FileNumber number);
  Status PlaceTogether(FamilyId family, const std::vector<const Found*>& group);
  Status Merge(FamilyId family, const std::vector<const Found*>& group);

  const Options& options_;
  Storage* const storage_;
  const std::string dir_;
  const Known known_;
  std::vector<Found> found_;
  std::vector<VersionEdit::NewFile> tables_;
  SequenceNumber largest_sequence_ = 0;
  std::vector<std::string> kept_;
  std::vector<std::string> damaged_;
  std::vector<std::string> notes_;
  bool wrote_ = false;
};

}  // namespace silt::lsm
