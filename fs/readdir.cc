// Listing directories: a scan of the entries, and with attributes a second scan of the inodes beside it.
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

namespace {

// Walks a directory's entries behind `cookie` and calls visit(entry id, record) until it returns false.
template <class Visit>
Outcome ForEachEntry(RecordStore* records, InodeNumber directory, uint64_t cookie, const Visit& visit) {
  if (cookie >= schema::kLastNumber) return {};
  schema::KeyRange range = schema::EntriesOf(directory);
  range.begin = schema::EntryKey(directory, cookie + 1);
  auto it = records->Scan(schema::kMeta, range);
  for (it->Seek(range.begin); it->Valid(); it->Next()) {
    auto key = schema::ParseMetaKey(it->key());
    auto entry = schema::EntryRecord::Decode(it->value());
    if (!key || !entry) return records->Damaged(directory, "an entry record does not decode");
    if (!visit(key->entry_id, *entry)) return {};
  }
  if (!it->status().ok()) return records->Failed(directory, it->status());
  return {};
}

// Finds inode records whose numbers mostly ascend and mostly are neighbours, as entries list them.
class InodeCursor {
 public:
  explicit InodeCursor(RecordStore* records)
      : records_(records), it_(records->Scan(schema::kMeta, schema::AllOf(schema::KeyKind::kInode))) {}

  // Fails for damage; an inode that is missing behind an entry is damage too.
  Result<InodeRecord> Find(InodeNumber ino) {
    const std::string key = schema::InodeKey(ino);
    for (int step = 0; step < kMaxSteps && it_->Valid() && it_->key() < key; ++step) it_->Next();
    if (!it_->Valid() || it_->key() != key) it_->Seek(key);
    if (!it_->Valid() && !it_->status().ok()) return records_->Failed(ino, it_->status());
    if (!it_->Valid() || it_->key() != key) return records_->Damaged(ino, "an entry names it, but it does not exist");
    auto record = InodeRecord::Decode(it_->value());
    if (!record) return records_->Damaged(ino, "its inode record does not decode");
    return *record;
  }

 private:
  static constexpr int kMaxSteps = 4;  // a seek costs about as much

  RecordStore* const records_;
  std::unique_ptr<lsm::Iterator> it_;
};

}  // namespace

Outcome Store::ReadDirectory(InodeNumber ino, uint64_t cookie,
                             const std::function<bool(const DirectoryEntry&)>& visit) {
  auto directory = LockDirectory(ino, LockMode::kShared, false);
  if (!directory) return tl::unexpected(directory.error());
  lookups_.AttributesStale(ino);  // reading drops the kernel's atime
  if (directory->record().entries == 0) return {};
  return ForEachEntry(&records_, ino, cookie, [&](uint64_t id, const schema::EntryRecord& entry) {
    return visit({.name = entry.name, .ino = entry.ino, .type = entry.type, .cookie = id});
  });
}

// The directory's lock is held to the end, so that every entry's inode exists when its lookup is counted.
Outcome Store::ReadDirectoryPlus(InodeNumber ino, uint64_t cookie,
                                 const std::function<bool(const DirectoryEntry&, const Attributes&)>& visit) {
  auto directory = LockDirectory(ino, LockMode::kShared, false);
  if (!directory) return tl::unexpected(directory.error());
  lookups_.AttributesStale(ino);  // reading drops the kernel's atime
  if (directory->record().entries == 0) return {};
  InodeCursor inodes(&records_);
  return ForEachEntry(&records_, ino, cookie, [&](uint64_t id, const schema::EntryRecord& entry) {
    DirectoryEntry shown{.name = entry.name, .ino = entry.ino, .type = entry.type, .cookie = id};
    Attributes none;
    none.mode = entry.type;
    if (lookups_.HasAttributes(entry.ino)) return visit(shown, none);
    auto record = inodes.Find(entry.ino);
    if (!record) {
      shown.damaged = true;  // one must not hide its neighbours
      return visit(shown, none);
    }
    if (!visit(shown, AttributesOf(entry.ino, *record))) return false;
    lookups_.Add(entry.ino);
    return true;
  });
}

}  // namespace silt::fs
