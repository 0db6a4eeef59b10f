// The current version, the MANIFEST that makes it durable, and the files that no version needs any more.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "lsm/storage/storage.h"
#include "lsm/version/version.h"
#include "lsm/wal/log_writer.h"

namespace silt::lsm {

// Thread-safe.
class VersionSet {
 public:
  // `options` and `storage` must outlive it.
  VersionSet(const Options& options, Storage* storage, std::string dir);
  ~VersionSet();

  // Writes the first MANIFEST and CURRENT of a new store, durably.
  Status CreateNew();
  // Reads CURRENT and the MANIFEST it names. kNotFound without CURRENT; kNotSupported for a newer format;
  // kCorruption names file and offset. A torn last record of the MANIFEST is dropped. Opens nothing for writing:
  // the first LogAndApply starts a new MANIFEST (create, sync directory, write, sync, switch CURRENT, sync directory).
  // May be called again, while nobody uses what it found, when the owner of a store that is only read has gone on.
  Status Recover();

  VersionRef current() const;

  // Makes the edit durable in the MANIFEST, then current. Concurrent callers take turns. On failure the current version
  // is unchanged and, since the record may have reached the disk, every later call fails with kReadOnly, and
  // ObsoleteFiles returns nothing any more. kNoSpace before anything was written (undone) may be tried again.
  Status LogAndApply(VersionEdit* edit);

  FileNumber NewFileNumber();
  void MarkFileNumberUsed(FileNumber number);
  SequenceNumber last_sequence() const;  // as recorded by the MANIFEST
  FileNumber wal_number() const;
  // Waits for an edit that is under way: what it returns is what CURRENT names. If it returns the same before and after
  // somebody read CURRENT and the MANIFEST, they were not replaced meanwhile.
  FileNumber manifest_number() const;

  // Table numbers that were live once and that no version still held by anybody contains. Each is returned once; the
  // caller deletes the files.
  std::vector<FileNumber> TakeObsoleteTables();
  bool HasObsoleteTables() const;
  // Tables of every version that somebody still holds: what a clean-up of the directory must not delete.
  std::set<FileNumber> LiveTables() const;
  // Numbers handed out for files being written must not be swept either: the caller keeps those (NewFileNumber).

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// Every record of a MANIFEST in turn, with its offset; for `siltfs debug manifest` and Repair.
Status ReadManifest(Storage* storage, const std::string& path, FileNumber number,
                    const std::function<void(uint64_t offset, const VersionEdit&)>& visit);

}  // namespace silt::lsm
