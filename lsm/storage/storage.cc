#include "lsm/storage/storage.h"

#include "lsm/filenames.h"

namespace silt::lsm {

Status WritableFile::AppendPieces(std::span<const std::string_view> pieces) {
  std::string data;
  for (std::string_view piece : pieces) data += piece;
  return Append(data);
}

Status Storage::SyncFile(const std::string& path) {
  auto file = ReuseWritableFile(path, path);
  if (!file) return file.error();
  SILT_RETURN_IF_ERROR((*file)->Sync());
  return (*file)->Close();
}

// Where directories cannot be replaced.
Result<std::shared_ptr<Storage>> Storage::OpenDirectory(const std::string&) {
  return std::shared_ptr<Storage>(std::shared_ptr<void>(), this);
}

Result<std::string> ReadFileToString(Storage* storage, const std::string& path) {
  auto file = storage->NewRandomAccessFile(path);
  if (!file) return Fail(file.error());
  std::string data((*file)->Size(), '\0');
  auto length = (*file)->Read(0, data);
  if (!length) return Fail(length.error());
  data.resize(*length);
  return data;
}

namespace {

Status WriteAndSync(Storage* storage, const std::string& path, std::string_view data) {
  auto file = storage->NewWritableFile(path);
  if (!file) return file.error();
  SILT_RETURN_IF_ERROR((*file)->Append(data));
  SILT_RETURN_IF_ERROR((*file)->Sync());
  return (*file)->Close();
}

}  // namespace

Status WriteFileAtomically(Storage* storage, const std::string& dir, const std::string& name, std::string_view data) {
  std::string temporary = JoinPath(dir, name + std::string(kTemporarySuffix));
  Status status = WriteAndSync(storage, temporary, data);
  if (status.ok()) status = storage->RenameFile(temporary, JoinPath(dir, name));
  if (!status.ok()) {
    // Only tidiness: a temporary file that stays is swept at the next open.
    static_cast<void>(storage->DeleteFile(temporary));
    return status;
  }
  return storage->SyncDir(dir);
}

}  // namespace silt::lsm
