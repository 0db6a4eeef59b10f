// The end of inodes: unlinked and unreferenced ones go at once, others when they are forgotten or at the next mount.
#include <fmt/format.h>

#include <vector>

#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

Outcome Store::EraseInode(InodeNumber ino, const InodeRecord& record, lsm::WriteBatch* batch) {
  batch->Delete(schema::kMeta, schema::InodeKey(ino));
  PutPromise(ino, record.promised, 0, batch);
  data_.EraseAll(ino, record, batch);
  if ((record.flags & schema::kHasXattrs) == 0) return {};
  auto it = records_.Scan(schema::kMeta, schema::XattrsOf(ino));
  for (it->SeekToFirst(); it->Valid(); it->Next()) batch->Delete(schema::kMeta, it->key());
  if (!it->status().ok()) return records_.Failed(ino, it->status());
  return {};
}

Outcome Store::Unlinking::AddTo(lsm::WriteBatch* batch, const Time& now) {
  after_ = locked_->record();
  after_.nlink = after_.IsDirectory() ? 0 : after_.nlink - (after_.nlink > 0 ? 1 : 0);
  after_.ctime = now;
  const InodeNumber ino = locked_->ino();
  if (after_.nlink > 0) {
    store_->PutInode(ino, after_, batch);
    return {};
  }
  orphan_ = store_->lookups_.MarkOrphan(ino);
  if (!orphan_) {
    erased_ = true;
    return store_->EraseInode(ino, after_, batch);
  }
  store_->PutInode(ino, after_, batch);
  batch->Put(schema::kMeta, schema::OrphanKey(ino), schema::EncodeMark());
  return {};
}

void Store::Unlinking::Committed() {
  committed_ = true;
  if (erased_) {
    store_->PublishErased(locked_);
  } else {
    locked_->Publish(std::move(after_));
  }
}

Store::Unlinking::~Unlinking() {
  if (orphan_ && !committed_) store_->lookups_.UnmarkOrphan(locked_->ino());
}

void Store::Forget(InodeNumber ino, uint64_t lookups) {
  if (!lookups_.Remove(ino, lookups)) return;
  // A failure leaves the orphan to the next mount.
  if (auto reaped = Reap(ino); !reaped && !closed_) {
    records_.Log(lsm::LogLevel::kWarning,
                 fmt::format("orphan inode {} stays until the next mount: errno {}", ino, reaped.error().value()));
  }
}

Outcome Store::Reap(InodeNumber ino) {
  auto locked = LockAny(ino, LockMode::kExclusive);
  if (!locked) return tl::unexpected(locked.error());
  if (locked->record().nlink > 0) return {};  // the unlink that marked it failed
  lsm::WriteBatch batch;
  if (auto erased = EraseInode(ino, locked->record(), &batch); !erased) return erased;
  batch.Delete(schema::kMeta, schema::OrphanKey(ino));
  if (auto committed = records_.Commit(batch); !committed) return committed;
  PublishErased(&*locked);
  return {};
}

void Store::PublishErased(LockedInode* locked) {
  PromisesChanged(locked->record().promised, 0);
  reclaimer_.Freed(StoredBytes(locked->record()));
  locked->PublishAbsent();
  inode_count_.Erased();
}

// At mount: nobody references anything yet. An inode that cannot be read stays an orphan; fsck is for it.
void Store::ReapAll() {
  std::vector<InodeNumber> orphans;
  auto it = records_.Scan(schema::kMeta, schema::AllOf(schema::KeyKind::kOrphan));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (auto key = schema::ParseMetaKey(it->key())) orphans.push_back(key->ino);
  }
  if (!it->status().ok()) (void)records_.Failed(0, it->status());
  it.reset();
  size_t reaped = 0;
  for (InodeNumber ino : orphans) {
    if (Reap(ino)) ++reaped;
  }
  if (!orphans.empty()) {
    auto level = reaped == orphans.size() ? lsm::LogLevel::kInfo : lsm::LogLevel::kWarning;
    records_.Log(level, fmt::format("reaped {} of {} orphan inodes", reaped, orphans.size()));
  }
}

}  // namespace silt::fs
