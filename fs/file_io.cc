// read, write, lseek of regular files.
#include <unistd.h>

#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

Result<size_t> Store::Read(InodeNumber ino, uint64_t offset, std::span<char> out) {
  auto locked = LockFile(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  lookups_.AttributesStale(ino);  // reading drops the kernel's atime
  return data_.Read(ino, locked->record(), offset, out);
}

Result<size_t> Store::Write(InodeNumber ino, uint64_t offset, std::span<const char> data, const WriteFlags& flags) {
  auto locked = LockFile(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  if (data.empty()) return 0;
  if (offset > schema::kMaxFileSize || data.size() > schema::kMaxFileSize - offset) return Fail(EFBIG);
  if (read_only_) return Fail(EROFS);
  InodeRecord record = locked->record();
  lsm::WriteBatch batch;
  auto written = data_.Write(ino, &record, offset, {data.data(), data.size()}, &batch);
  if (!written) return tl::unexpected(written.error());
  if (auto may = MayWrite(data.size(), locked->record(), record); !may) return tl::unexpected(may.error());
  if (auto changed = ContentChanged(ino, &record, flags.clear_set_id, &batch); !changed) {
    return tl::unexpected(changed.error());
  }
  lsm::SequenceNumber sequence = 0;
  auto committed = CommitRecord(&*locked, std::move(record), &batch, &sequence);
  if (!committed) return tl::unexpected(committed.error());
  locked->Release();
  if (flags.sync) {
    if (auto synced = records_.Sync(sequence); !synced) return tl::unexpected(synced.error());
  }
  return data.size();
}

Result<uint64_t> Store::SeekExtent(InodeNumber ino, uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return Fail(EINVAL);
  auto locked = LockFile(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  return whence == SEEK_DATA ? data_.SeekData(ino, locked->record(), offset)
                             : data_.SeekHole(ino, locked->record(), offset);
}

}  // namespace silt::fs
