// stat, chmod, chown, utimens, truncate.
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

Attributes Store::AttributesOf(InodeNumber ino, const InodeRecord& record) const {
  Attributes attributes;
  attributes.ino = ino;
  attributes.mode = record.mode;
  attributes.nlink = record.nlink;
  attributes.uid = record.uid;
  attributes.gid = record.gid;
  attributes.rdev = record.rdev;
  attributes.size = record.IsSymlink() ? record.target.size() : record.size;
  if (record.IsDirectory()) attributes.size = superblock_.block_size;
  attributes.blocks = record.blocks * (superblock_.block_size / 512);
  attributes.block_size = superblock_.block_size;
  attributes.atime = record.atime;
  attributes.mtime = record.mtime;
  attributes.ctime = record.ctime;
  attributes.btime = record.btime;
  return attributes;
}

Result<Attributes> Store::GetAttributes(InodeNumber ino) {
  auto locked = Lock(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  lookups_.AttributesTold(ino);
  return AttributesOf(ino, locked->record());
}

Result<InodeNumber> Store::Parent(InodeNumber directory) {
  auto locked = LockDirectory(directory, LockMode::kShared, false);
  if (!locked) return tl::unexpected(locked.error());
  return locked->record().parent;
}

Result<std::string> Store::ReadSymlink(InodeNumber ino) {
  auto locked = Lock(ino, LockMode::kShared);
  if (!locked) return tl::unexpected(locked.error());
  if (!locked->record().IsSymlink()) return Fail(EINVAL);
  lookups_.AttributesStale(ino);  // reading drops the kernel's atime
  return locked->record().target;
}

void Store::ClearSetIdBits(InodeRecord* record, ClearSetId clear) {
  if (record->IsDirectory() || clear == ClearSetId::kNo) return;
  record->mode &= ~static_cast<uint32_t>(S_ISUID);
  if ((record->mode & S_IXGRP) || clear == ClearSetId::kSuidAndSgid) record->mode &= ~static_cast<uint32_t>(S_ISGID);
}

Outcome Store::DropCapabilities(InodeNumber ino, const InodeRecord& record, lsm::WriteBatch* batch) {
  if ((record.flags & schema::kHasXattrs) == 0) return {};
  std::string key = schema::XattrKey(ino, "security.capability");
  lsm::PinnedValue value;
  auto found = records_.Get(ino, schema::kMeta, key, &value);
  if (!found) return tl::unexpected(found.error());
  if (*found) batch->Delete(schema::kMeta, key);
  return {};
}

Outcome Store::ContentChanged(InodeNumber ino, InodeRecord* record, ClearSetId clear, lsm::WriteBatch* batch) {
  record->mtime = record->ctime = Now();
  ClearSetIdBits(record, clear);
  return DropCapabilities(ino, *record, batch);
}

namespace {

bool Shrinks(const InodeRecord& record, const AttributeChange& change) {
  return change.size && *change.size <= record.size;
}

void ChangeTimes(InodeRecord* record, const AttributeChange& change, const Time& now) {
  if (change.atime) record->atime = *change.atime;
  if (change.atime_now) record->atime = now;
  if (change.mtime) record->mtime = *change.mtime;
  if (change.mtime_now) record->mtime = now;
  record->ctime = change.ctime.value_or(now);
}

}  // namespace

Result<Attributes> Store::SetAttributes(InodeNumber ino, const AttributeChange& change) {
  auto locked = change.size ? LockFile(ino, LockMode::kExclusive) : LockAny(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  InodeRecord record = locked->record();
  if (read_only_) return Fail(EROFS);
  lsm::WriteBatch batch;
  if (change.size) {
    if (*change.size > schema::kMaxFileSize) return Fail(EFBIG);
    // A disk that is full must not keep anybody from making files smaller, nor from changing modes.
    if (!Shrinks(record, change)) {
      if (auto grows = MayGrow(0); !grows) return tl::unexpected(grows.error());
    }
    auto truncated = data_.Truncate(ino, &record, *change.size, &batch);
    if (!truncated) return tl::unexpected(truncated.error());
    if (auto changed = ContentChanged(ino, &record, ClearSetId::kNo, &batch); !changed) return tl::unexpected(changed.error());
  }
  ClearSetIdBits(&record, change.clear_set_id);
  if (change.mode) record.mode = (record.mode & S_IFMT) | (*change.mode & 07777u);
  if (change.uid || change.gid) {
    if (auto dropped = DropCapabilities(ino, record, &batch); !dropped) return tl::unexpected(dropped.error());
    record.uid = change.uid.value_or(record.uid);
    record.gid = change.gid.value_or(record.gid);
  }
  ChangeTimes(&record, change, Now());
  Attributes attributes = AttributesOf(ino, record);
  auto committed = CommitRecord(&*locked, std::move(record), &batch);
  if (!committed) return tl::unexpected(committed.error());
  return attributes;
}

}  // namespace silt::fs
