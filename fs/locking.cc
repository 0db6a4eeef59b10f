// Locking inodes for an operation, and the steps that most operations share.
#include <algorithm>

#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

constexpr uint64_t kRecordBytes = 512;  // keys and records that come with what is stored

}  // namespace

Result<LockedInode> Store::Lock(InodeNumber ino, LockMode mode, bool directory) {
  if (closed_) return Fail(EIO);
  auto locked = inodes_.Lock(ino, mode, directory);
  if (!locked) return locked;
  if (!locked->present()) return Fail(ENOENT);
  return locked;
}

Result<LockedInode> Store::LockDirectory(InodeNumber ino, LockMode mode, bool linked) {
  auto locked = Lock(ino, mode, true);
  if (!locked) return locked;
  if (!locked->record().IsDirectory()) return Fail(ENOTDIR);
  if (linked && locked->record().nlink == 0) return Fail(ENOENT);
  return locked;
}

Result<LockedInode> Store::LockFile(InodeNumber ino, LockMode mode) {
  auto locked = Lock(ino, mode);
  if (!locked) return locked;
  if (locked->record().IsDirectory()) return Fail(EISDIR);
  if (!locked->record().IsRegular()) return Fail(EINVAL);
  return locked;
}

Result<bool> Store::IsDirectory(InodeNumber ino) {
  auto locked = Lock(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  return locked->record().IsDirectory();
}

Result<LockedInode> Store::LockAny(InodeNumber ino, LockMode mode) {
  auto directory = IsDirectory(ino);
  if (!directory) return tl::unexpected(directory.error());
  return Lock(ino, mode, *directory);
}

void Store::PutInode(InodeNumber ino, const InodeRecord& record, lsm::WriteBatch* batch) {
  lookups_.AttributesStale(ino);
  batch->Put(schema::kMeta, schema::InodeKey(ino), record.Encode());
}

Outcome Store::CommitRecord(LockedInode* locked, InodeRecord record, lsm::WriteBatch* batch,
                            lsm::SequenceNumber* sequence) {
  const uint64_t promised_before = locked->record().promised;
  const uint64_t promised_after = record.promised;
  PutInode(locked->ino(), record, batch);
  PutPromise(locked->ino(), promised_before, promised_after, batch);
  const uint64_t stored_before = StoredBytes(locked->record());
  const uint64_t stored_after = StoredBytes(record);
  if (auto committed = records_.Commit(*batch, sequence); !committed) return committed;
  locked->Publish(std::move(record));
  PromisesChanged(promised_before, promised_after);
  if (stored_after < stored_before) reclaimer_.Freed(stored_before - stored_after);
  return {};
}

Outcome Store::MayGrow(uint64_t bytes) {
  if (read_only_) return Fail(EROFS);
  return AdmitOrReclaim([&] { return space_.Admit(bytes + kRecordBytes); });
}

Outcome Store::MayWrite(uint64_t bytes, const InodeRecord& before, const InodeRecord& after) {
  const uint64_t added = after.blocks > before.blocks ? after.blocks - before.blocks : 0;
  const uint64_t grown = std::min(bytes, added * superblock_.block_size);
  if (grown > 0) {
    if (auto grows = MayGrow(grown); !grows) return grows;
  }
  if (grown == bytes) return {};
  return AdmitOrReclaim([&] { return space_.AdmitReplacing(bytes - grown + kRecordBytes); });
}

Outcome Store::AdmitOrReclaim(const std::function<bool()>& admit) {
  if (admit() || (reclaimer_.Reclaim() && admit())) return {};
  return Fail(ENOSPC);
}

}  // namespace silt::fs
