// Names: lookup, and what adds or removes them (rename has a file of its own).
#include <fmt/format.h>

#include "fs/lock_set.h"
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

Outcome CheckName(std::string_view name) {
  if (name.size() > kMaxNameBytes) return Fail(ENAMETOOLONG);
  if (name.empty() || name == "." || name == "..") return Fail(EINVAL);
  if (name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) return Fail(EINVAL);
  return {};
}

void Store::PutEntry(InodeNumber directory, const NewEntry& entry, lsm::WriteBatch* batch) {
  schema::NameRecord name{.entry_id = entry.entry_id, .ino = entry.ino, .type = entry.type};
  schema::EntryRecord record{.ino = entry.ino, .type = entry.type, .name = entry.name};
  batch->Put(schema::kMeta, schema::NameKey(directory, entry.name), name.Encode());
  batch->Put(schema::kMeta, schema::EntryKey(directory, entry.entry_id), record.Encode());
}

Outcome Store::AddedEntry(InodeRecord* directory, uint32_t type, const Time& now) const {
  if (type == S_IFDIR) {
    if (directory->nlink >= kMaxLinks) return Fail(EMLINK);
    ++directory->nlink;
  }
  if (++directory->entries > schema::kLargeDirectory) directory->flags |= schema::kDirectoryWasLarge;
  directory->mtime = directory->ctime = now;
  return {};
}

void Store::RemovedEntry(InodeNumber ino, InodeRecord* directory, uint32_t type, const Time& now,
                         lsm::WriteBatch* batch) const {
  if (type == S_IFDIR && directory->nlink > 2) --directory->nlink;
  if (directory->entries > 0) --directory->entries;
  directory->mtime = directory->ctime = now;
  if (directory->entries == 0 && (directory->flags & schema::kDirectoryWasLarge)) {
    // Thousands of tombstones would otherwise lie in the way of whoever lists the directory next.
    for (const auto& range : {schema::NamesOf(ino), schema::EntriesOf(ino)}) {
      batch->DeleteRange(schema::kMeta, range.begin, range.end);
    }
    directory->flags &= ~schema::kDirectoryWasLarge;
  }
}

Result<Attributes> Store::Lookup(InodeNumber parent, std::string_view name) {
  if (auto good = CheckName(name); !good) return tl::unexpected(good.error());
  std::optional<schema::NameRecord> found;
  {
    auto directory = LockDirectory(parent, LockMode::kShared, false);
    if (!directory) return tl::unexpected(directory.error());
    auto record = records_.Name(parent, name);
    if (!record) return tl::unexpected(record.error());
    if (!*record) return Fail(ENOENT);
    found = *record;
    // Counted while the name cannot go: so the inode stays until it is forgotten, whatever comes between.
    lookups_.Add(found->ino);
  }
  auto inode = Lock(found->ino, LockMode::kShared, found->type == S_IFDIR);
  if (inode && inode->record().nlink > 0) return AttributesOf(found->ino, inode->record());
  const bool unlinked = inode.has_value();  // by way of another name, since the directory was let go
  const int error = unlinked ? ENOENT : inode.error().value();
  const bool missing = !unlinked && error == ENOENT;
  if (unlinked) inode->Release();
  Forget(found->ino, 1);
  if (missing) return records_.Damaged(found->ino, fmt::format("named \"{}\" in {}, but does not exist", name, parent));
  return Fail(error);
}

Result<Attributes> Store::LookupInode(InodeNumber ino) {
  // Counted before it is looked at, so that it stays if it is there.
  lookups_.Add(ino);
  Result<Attributes> found = Fail(ENOENT);
  if (auto inode = Lock(ino, LockMode::kShared); !inode) {
    found = tl::unexpected(inode.error());
  } else if (inode->record().nlink > 0) {
    found = AttributesOf(ino, inode->record());
  }
  if (!found) Forget(ino, 1);
  return found;
}

void Store::SetOwner(const Caller& caller, const InodeRecord& directory, InodeRecord* record) {
  record->uid = caller.uid;
  record->gid = caller.gid;
  if ((directory.mode & S_ISGID) == 0) return;
  record->gid = directory.gid;
  if (record->IsDirectory()) record->mode |= S_ISGID;
}

Result<Attributes> Store::Make(const Caller& caller, InodeNumber parent, std::string_view name, InodeRecord record) {
  if (auto good = CheckName(name); !good) return tl::unexpected(good.error());
  auto directory = LockDirectory(parent, LockMode::kExclusive, true);
  if (!directory) return tl::unexpected(directory.error());
  auto existing = records_.Name(parent, name);
  if (!existing) return tl::unexpected(existing.error());
  if (*existing) return Fail(EEXIST);
  if (auto grows = MayGrow(record.target.size() + 2 * name.size()); !grows) return tl::unexpected(grows.error());

  const Time now = Now();
  const uint32_t type = record.mode & S_IFMT;
  InodeRecord parent_record = directory->record();
  if (auto added = AddedEntry(&parent_record, type, now); !added) return tl::unexpected(added.error());
  SetOwner(caller, parent_record, &record);
  record.nlink = record.IsDirectory() ? 2 : 1;
  record.atime = record.mtime = record.ctime = record.btime = now;
  record.parent = record.IsDirectory() ? parent : 0;

  auto number = numbers_.Take();
  if (!number) return tl::unexpected(number.error());
  lsm::WriteBatch batch;
  auto inherited = InheritPermissions(parent, parent_record, caller.umask, *number, &record, &batch);
  if (!inherited) return tl::unexpected(inherited.error());
  PutInode(*number, record, &batch);
  PutEntry(parent, {.name = name, .entry_id = *number, .ino = *number, .type = type}, &batch);
  auto committed = CommitRecord(&*directory, std::move(parent_record), &batch);
  if (!committed) return tl::unexpected(committed.error());
  inode_count_.Created();
  inodes_.Insert(*number, record);
  lookups_.Add(*number);
  return AttributesOf(*number, record);
}

Result<Attributes> Store::MakeNode(const Caller& caller, InodeNumber parent, std::string_view name, uint32_t mode,
                                   uint64_t rdev) {
  InodeRecord record;
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;  // as mknod(2)
  record.mode = mode & (S_IFMT | 07777u);
  if (!schema::ValidType(record.mode & S_IFMT) || record.IsSymlink()) return Fail(EINVAL);
  if (record.IsDirectory()) return Fail(EPERM);
  if (record.IsDevice()) record.rdev = rdev;
  return Make(caller, parent, name, std::move(record));
}

Result<Attributes> Store::MakeDirectory(const Caller& caller, InodeNumber parent, std::string_view name,
                                        uint32_t mode) {
  InodeRecord record;
  record.mode = S_IFDIR | (mode & 07777u);
  return Make(caller, parent, name, std::move(record));
}

Result<Attributes> Store::MakeSymlink(const Caller& caller, InodeNumber parent, std::string_view name,
                                      std::string_view target) {
  if (target.empty()) return Fail(ENOENT);
  if (target.size() > kMaxSymlinkBytes) return Fail(ENAMETOOLONG);
  InodeRecord record;
  record.mode = S_IFLNK | 0777u;
  record.target = target;
  return Make(caller, parent, name, std::move(record));
}

Result<Attributes> Store::MakeTemporary(const Caller& caller, InodeNumber directory, uint32_t mode) {
  auto locked = LockDirectory(directory, LockMode::kShared, false);
  if (!locked) return tl::unexpected(locked.error());
  if (locked->record().nlink == 0) return Fail(EPERM);  // not ENOENT, as with names: ext4 does so
  if (auto grows = MayGrow(0); !grows) return tl::unexpected(grows.error());
  InodeRecord record;
  record.mode = S_IFREG | (mode & 07777u);
  SetOwner(caller, locked->record(), &record);
  record.atime = record.mtime = record.ctime = record.btime = Now();
  auto number = numbers_.Take();
  if (!number) return tl::unexpected(number.error());
  lsm::WriteBatch batch;
  auto inherited = InheritPermissions(directory, locked->record(), caller.umask, *number, &record, &batch);
  if (!inherited) return tl::unexpected(inherited.error());
  PutInode(*number, record, &batch);
  batch.Put(schema::kMeta, schema::OrphanKey(*number), schema::EncodeMark());
  if (auto committed = records_.Commit(batch); !committed) return tl::unexpected(committed.error());
  inode_count_.Created();
  inodes_.Insert(*number, record);
  lookups_.Add(*number);
  (void)lookups_.MarkOrphan(*number);  // it was counted just now
  return AttributesOf(*number, record);
}

Result<Attributes> Store::Link(InodeNumber ino, InodeNumber parent, std::string_view name) {
  if (auto good = CheckName(name); !good) return tl::unexpected(good.error());
  auto is_directory = IsDirectory(ino);
  if (!is_directory) return tl::unexpected(is_directory.error());
  if (*is_directory) return Fail(EPERM);
  auto directory = LockDirectory(parent, LockMode::kExclusive, true);
  if (!directory) return tl::unexpected(directory.error());
  auto existing = records_.Name(parent, name);
  if (!existing) return tl::unexpected(existing.error());
  if (*existing) return Fail(EEXIST);
  auto file = Lock(ino, LockMode::kExclusive);
  if (!file) return tl::unexpected(file.error());
  InodeRecord record = file->record();
  const bool was_orphan = record.nlink == 0;
  if (record.nlink >= kMaxLinks) return Fail(EMLINK);
  if (auto grows = MayGrow(2 * name.size()); !grows) return tl::unexpected(grows.error());

  auto entry_id = numbers_.Take();
  if (!entry_id) return tl::unexpected(entry_id.error());
  const Time now = Now();
  InodeRecord parent_record = directory->record();
  const uint32_t type = record.mode & S_IFMT;
  if (auto added = AddedEntry(&parent_record, type, now); !added) return tl::unexpected(added.error());
  ++record.nlink;
  record.ctime = now;
  lsm::WriteBatch batch;
  PutEntry(parent, {.name = name, .entry_id = *entry_id, .ino = ino, .type = type}, &batch);
  if (was_orphan) batch.Delete(schema::kMeta, schema::OrphanKey(ino));
  PutInode(parent, parent_record, &batch);
  Attributes attributes = AttributesOf(ino, record);
  auto committed = CommitRecord(&*file, std::move(record), &batch);
  if (!committed) return tl::unexpected(committed.error());
  directory->Publish(std::move(parent_record));
  lookups_.Add(ino);
  if (was_orphan) lookups_.UnmarkOrphan(ino);
  return attributes;
}

Outcome Store::Unlink(InodeNumber parent, std::string_view name) {
  if (auto good = CheckName(name); !good) return good;
  auto directory = LockDirectory(parent, LockMode::kExclusive, false);
  if (!directory) return tl::unexpected(directory.error());
  auto entry = records_.Name(parent, name);
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return Fail(ENOENT);
  if ((*entry)->type == S_IFDIR) return Fail(EISDIR);
  if (read_only_) return Fail(EROFS);
  auto locked = inodes_.Lock((*entry)->ino, LockMode::kExclusive, false);
  if (!locked) return tl::unexpected(locked.error());
  if (!locked->present()) return records_.Damaged((*entry)->ino, "is named in a directory, but does not exist");

  const Time now = Now();
  lsm::WriteBatch batch;
  InodeRecord parent_record = directory->record();
  batch.Delete(schema::kMeta, schema::NameKey(parent, name));
  batch.Delete(schema::kMeta, schema::EntryKey(parent, (*entry)->entry_id));
  RemovedEntry(parent, &parent_record, (*entry)->type, now, &batch);
  Unlinking unlinking(this, &*locked);
  if (auto added = unlinking.AddTo(&batch, now); !added) return added;
  if (auto committed = CommitRecord(&*directory, std::move(parent_record), &batch); !committed) return committed;
  unlinking.Committed();
  return {};
}

Outcome Store::RemoveDirectory(InodeNumber parent, std::string_view name) {
  if (auto good = CheckName(name); !good) return good;
  if (auto directory = LockDirectory(parent, LockMode::kShared, false); !directory) {
    return tl::unexpected(directory.error());
  }
  // The child may have to be locked first: look without a lock, lock both in order, look again.
  while (true) {
    auto seen = records_.Name(parent, name);
    if (!seen) return tl::unexpected(seen.error());
    if (!*seen) return Fail(ENOENT);
    if ((*seen)->type != S_IFDIR) return Fail(ENOTDIR);
    if (read_only_) return Fail(EROFS);
    const InodeNumber child = (*seen)->ino;
    LockSet locks;
    if (auto held = locks.Acquire(&inodes_, {{parent, true}, {child, true}}); !held) return held;
    auto entry = records_.Name(parent, name);
    if (!entry) return tl::unexpected(entry.error());
    if (!*entry || (*entry)->ino != child) continue;
    if (!locks[child].present()) return records_.Damaged(child, "is named in a directory, but does not exist");
    if (locks[child].record().entries > 0) return Fail(ENOTEMPTY);

    const Time now = Now();
    lsm::WriteBatch batch;
    InodeRecord parent_record = locks[parent].record();
    batch.Delete(schema::kMeta, schema::NameKey(parent, name));
    batch.Delete(schema::kMeta, schema::EntryKey(parent, (*entry)->entry_id));
    RemovedEntry(parent, &parent_record, S_IFDIR, now, &batch);
    Unlinking unlinking(this, &locks[child]);
    if (auto added = unlinking.AddTo(&batch, now); !added) return added;
    if (auto committed = CommitRecord(&locks[parent], std::move(parent_record), &batch); !committed) return committed;
    unlinking.Committed();
    return {};
  }
}

}  // namespace silt::fs
