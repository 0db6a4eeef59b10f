// The MANIFEST file that is being written, and CURRENT, which names the one that counts. Format: lsm/FORMAT.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/storage/storage.h"
#include "lsm/types.h"
#include "lsm/wal/log_writer.h"

namespace silt::lsm {

// How a change of the MANIFEST ended. `uncertain`: it failed, and yet a later open of the store may find it made.
struct [[nodiscard]] ManifestOutcome {
  Status status;
  bool uncertain = false;
};

// Not thread-safe.
class Manifest {
 public:
  Manifest(Storage* storage, std::string dir) : storage_(storage), dir_(std::move(dir)) {}

  // Starts MANIFEST-`number` with one record, durable, and makes CURRENT name it; the one before is then deleted.
  // When it fails and is not uncertain, the one before goes on being the one that counts, open if it was open.
  ManifestOutcome Switch(FileNumber number, FileNumber before, std::string_view snapshot);

  // Appends a record and makes it durable. When it fails and is not uncertain, nothing was written.
  // REQUIRES: IsOpen().
  ManifestOutcome Append(std::string_view record);

  // Follows the last record by one of no meaning, unsynced: its header promises that what lies before it is durable,
  // so that damage to the last real record is told from a torn tail. Failure costs only that.
  void Mark(std::string_view harmless_record);

  bool IsOpen() const { return log_ != nullptr; }
  uint64_t Size() const { return log_->Size(); }
  uint64_t SnapshotSize() const { return snapshot_size_; }

 private:
  Result<std::unique_ptr<LogWriter>> Create(const std::string& path, FileNumber number, std::string_view snapshot,
                                            bool* uncertain);

  Storage* storage_;
  std::string dir_;
  std::unique_ptr<LogWriter> log_;
  uint64_t snapshot_size_ = 0;
};

// CURRENT: the MANIFEST's name, a space, the XXH3-64 of the name in 16 hexadecimal digits, a line feed.
std::string EncodeCurrent(FileNumber number);
// kNotFound without CURRENT, kCorruption (naming it) when it is damaged.
Result<FileNumber> ReadCurrent(Storage* storage, const std::string& dir);
// Write a temporary file, sync it, rename it to CURRENT, sync the directory.
ManifestOutcome WriteCurrent(Storage* storage, const std::string& dir, FileNumber number);

}  // namespace silt::lsm
