// copy_file_range(2): data is copied, holes stay holes. A batch for each extent of data, of bounded size.
#include <algorithm>

#include "fs/lock_set.h"
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

constexpr size_t kMaxChunk = 1 << 20;

bool IsFile(const LockedInode& locked) {
  return locked.present() && locked.record().IsRegular();
}

}  // namespace

Result<size_t> Store::CopyRange(InodeNumber from, uint64_t from_offset, InodeNumber to, uint64_t to_offset,
                                size_t length) {
  uint64_t source_size = 0;
  for (InodeNumber ino : {to, from}) {
    auto locked = LockFile(ino, LockMode::kShared);
    if (!locked) return tl::unexpected(locked.error());
    source_size = locked->record().size;
  }
  if (read_only_) return Fail(EROFS);
  if (from_offset >= source_size) return 0;
  length = std::min<uint64_t>(length, source_size - from_offset);
  if (to_offset > schema::kMaxFileSize || length > schema::kMaxFileSize - to_offset) return Fail(EFBIG);
  if (from == to && from_offset < to_offset + length && to_offset < from_offset + length) return Fail(EINVAL);
  size_t copied = 0;
  while (copied < length) {
    // Locked anew for each chunk, so that others get their turn during a long copy.
    auto chunk = CopyChunk(from, from_offset + copied, to, to_offset + copied, length - copied);
    if (!chunk && copied == 0) return chunk;
    if (!chunk || *chunk == 0) break;
    copied += *chunk;
  }
  return copied;
}

Result<size_t> Store::CopyChunk(InodeNumber from, uint64_t from_offset, InodeNumber to, uint64_t to_offset,
                                size_t length) {
  LockSet locks;
  if (auto held = locks.Acquire(&inodes_, {{from, false}, {to, false}}); !held) return tl::unexpected(held.error());
  if (closed_) return Fail(EIO);
  if (!IsFile(locks[from]) || !IsFile(locks[to])) return Fail(ENOENT);
  const InodeRecord& source = locks[from].record();
  if (from_offset >= source.size) return 0;
  length = std::min<uint64_t>(length, source.size - from_offset);
  auto data = data_.SeekData(from, source, from_offset);
  if (!data && data.error().value() != ENXIO) return tl::unexpected(data.error());
  const uint64_t data_at = data ? *data : source.size;

  InodeRecord record = locks[to].record();
  lsm::WriteBatch batch;
  if (data_at > from_offset) {
    length = std::min<uint64_t>(length, data_at - from_offset);
    if (auto grows = MayGrow(0); !grows) return tl::unexpected(grows.error());
    if (auto punched = data_.Punch(to, &record, to_offset, length, &batch); !punched) {
      return tl::unexpected(punched.error());
    }
    record.size = std::max(record.size, to_offset + length);
  } else {
    length = std::min(length, kMaxChunk);
    auto hole = data_.SeekHole(from, source, from_offset, from_offset + length);
    if (!hole) return tl::unexpected(hole.error());
    length = std::min<uint64_t>(length, *hole - from_offset);
    std::string bytes(length, '\0');
    if (auto read = data_.Read(from, source, from_offset, bytes); !read) return tl::unexpected(read.error());
    if (auto written = data_.Write(to, &record, to_offset, bytes, &batch); !written) {
      return tl::unexpected(written.error());
    }
    if (auto may = MayWrite(length, locks[to].record(), record); !may) return tl::unexpected(may.error());
  }
  if (auto changed = ContentChanged(to, &record, ClearSetId::kNo, &batch); !changed) return tl::unexpected(changed.error());
  auto committed = CommitRecord(&locks[to], std::move(record), &batch);
  if (!committed) return tl::unexpected(committed.error());
  return length;
}

}  // namespace silt::fs
