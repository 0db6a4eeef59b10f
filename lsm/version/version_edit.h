// A change of the set of live files, as one record of the MANIFEST. Format: lsm/FORMAT.md "MANIFEST".
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lsm/status.h"
#include "lsm/table/table_properties.h"
#include "lsm/types.h"

namespace silt::lsm {

inline constexpr uint32_t kEngineFormatVersion = 1;

// One live table. Immutable once in a version, apart from the counters.
struct FileMeta {
  FileNumber number = 0;
  uint64_t size = 0;
  TableProperties properties;  // bounds, sequences, counts

  // Seeks into this file in vain before it asks to be compacted (LevelDB's trigger); set when it enters a version.
  mutable std::atomic<int64_t> allowed_seeks{0};
  // An input of a running compaction. Guarded by the lock that the caller of PickCompaction holds.
  mutable bool being_compacted = false;
  // Where to, or -1 when unknown. Guarded likewise.
  mutable int compaction_output_level = -1;
};
using FileRef = std::shared_ptr<const FileMeta>;

struct VersionEdit {
  std::optional<uint32_t> format_version;  // first record of each MANIFEST
  std::vector<std::string> family_names;   // first record of each MANIFEST
  std::optional<FileNumber> wal_number;    // WALs below this number are obsolete
  std::optional<FileNumber> next_file_number;
  std::optional<SequenceNumber> last_sequence;  // at the time of the edit; the WALs may know more
  struct NewFile {
    FamilyId family;
    int level;
    FileRef file;
  };
  std::vector<NewFile> new_files;
  struct DeletedFile {
    FamilyId family;
    int level;
    FileNumber number;
  };
  std::vector<DeletedFile> deleted_files;

  std::string Encode() const;
  // Tagged fields; an unknown tag is kNotSupported (a newer program wrote it), a malformed one kCorruption.
  static Result<VersionEdit> Decode(std::string_view record);
  std::string DebugString() const;  // one line, for `siltfs debug manifest`
};

}  // namespace silt::lsm
