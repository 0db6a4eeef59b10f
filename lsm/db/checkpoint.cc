// A copy of the store that shares its tables by hard links.
#include <algorithm>

#include "lsm/db/db_impl.h"
#include "lsm/filenames.h"
#include "lsm/version/manifest.h"

namespace silt::lsm {

// Needs no WAL: what was written before the call is in tables by then. The version that is held keeps them there.
Status DbImpl::Checkpoint(const std::string& path) {
  SILT_RETURN_IF_ERROR(CheckOpen());
  if (storage_->FileExists(path) || storage_->ListDir(path)) {
    return Status::InvalidArgument(path + ": exists already");
  }
  SILT_RETURN_IF_ERROR(Flush());
  SequenceNumber sequence = 0;
  ReadViewRef view;
  {
    // Together: what the version holds ends at the MANIFEST's sequence, or before.
    std::lock_guard lock(mutex_);
    view = view_.Load();
    sequence = versions_.last_sequence();
  }
  const VersionRef& version = view->version;
  SILT_RETURN_IF_ERROR(storage_->CreateDir(path));
  VersionEdit edit;
  edit.last_sequence = sequence;
  for (size_t family = 0; family < version->families.size(); ++family) {
    for (int level = 0; level < kNumLevels; ++level) {
      for (const FileRef& file : version->families[family].levels[level]) {
        std::string name = TableName(file->number);
        SILT_RETURN_IF_ERROR(storage_->LinkFile(JoinPath(dir_, name), JoinPath(path, name)));
        auto copy = std::make_shared<FileMeta>();
        copy->number = file->number;
        copy->size = file->size;
        copy->properties = file->properties;
        edit.new_files.push_back({static_cast<FamilyId>(family), level, std::move(copy)});
      }
    }
  }
  SILT_RETURN_IF_ERROR(storage_->SyncDir(path));

  // The tables are in place and durable before a MANIFEST names them, and that names all of them before CURRENT makes it
  // a store: one that was interrupted is none.
  FileNumber manifest_number = 1;
  for (const auto& added : edit.new_files) manifest_number = std::max(manifest_number, added.file->number + 1);
  edit.format_version = kEngineFormatVersion;
  for (const FamilyOptions& family : options_.families) edit.family_names.push_back(family.name);
  edit.wal_number = 0;
  edit.next_file_number = manifest_number + 1;
  Manifest manifest(storage_, path);
  SILT_RETURN_IF_ERROR(manifest.Switch(manifest_number, 0, edit.Encode()).status);
  size_t slash = path.find_last_of('/');
  return storage_->SyncDir(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace silt::lsm
