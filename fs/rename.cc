// rename(2) with NOREPLACE, EXCHANGE and WHITEOUT.
//
// Entry ids: an entry that takes over a name takes over its id too, so that a listing under way gives that name once;
// a name that is new to the directory gets a new id, behind all others, so that a listing cannot miss it.
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include "fs/lock_order.h"
#include "fs/lock_set.h"
#include "fs/store.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE (1 << 1)
#define RENAME_WHITEOUT (1 << 2)
#endif

namespace silt::fs {

using schema::InodeRecord;
using schema::NameRecord;

// One rename: sees which inodes are concerned, locks them, sees that nothing changed, does it.
class RenameOperation {
 public:
  struct Place {
    InodeNumber directory;
    std::string_view name;
  };
  RenameOperation(Store* store, const Caller& caller, Place from, Place to, uint32_t flags)
      : store_(store), caller_(caller), from_(from), to_(to), flags_(flags) {}
  ~RenameOperation() { UnlockTree(); }
  RenameOperation(const RenameOperation&) = delete;
  RenameOperation& operator=(const RenameOperation&) = delete;

  Result<Moved> Run();

 private:
  bool Exchanges() const { return (flags_ & RENAME_EXCHANGE) != 0; }
  bool SameDirectory() const { return from_.directory == to_.directory; }
  bool SourceIsDirectory() const { return source_->type == S_IFDIR; }
  bool TargetIsDirectory() const { return target_ && target_->type == S_IFDIR; }

  Outcome Look();
  Outcome CheckNames() const;
  Outcome CheckTree();
  Result<bool> IsWithin(InodeNumber directory, InodeNumber ancestor);
  bool MovesDirectory() const;
  void LockTree();
  void UnlockTree();
  Result<bool> LockAndVerify();
  Outcome CheckLocked();
  Outcome Exchange();
  Outcome Move();
  Outcome PutWhiteout(lsm::WriteBatch* batch, const Time& now);
  void CopyRecords(const Time& now);
  Outcome CommitRecords(lsm::WriteBatch* batch);
  InodeRecord& to_record() { return SameDirectory() ? from_record_ : to_record_; }

  Store* const store_;
  const Caller caller_;
  const Place from_;
  const Place to_;
  const uint32_t flags_;
  bool tree_locked_ = false;
  LockSet locks_;
  std::optional<NameRecord> source_;
  std::optional<NameRecord> target_;
  // Copies that the batch is made from: both directories, what moves, and for an exchange the other.
  InodeRecord from_record_, to_record_, source_record_, target_record_;
};

Outcome RenameOperation::Look() {
  auto source = store_->records_.Name(from_.directory, from_.name);
  if (!source) return tl::unexpected(source.error());
  if (!*source) return Fail(ENOENT);
  auto target = store_->records_.Name(to_.directory, to_.name);
  if (!target) return tl::unexpected(target.error());
  source_ = *source;
  target_ = *target;
  return {};
}

Outcome RenameOperation::CheckNames() const {
  if ((flags_ & RENAME_NOREPLACE) && target_) return Fail(EEXIST);
  if (Exchanges() && !target_) return Fail(ENOENT);
  return {};
}

bool RenameOperation::MovesDirectory() const {
  return !SameDirectory() && (SourceIsDirectory() || (Exchanges() && TargetIsDirectory()));
}

void RenameOperation::LockTree() {
  if (tree_locked_) return;
  lock_order::Acquire({lock_order::kRename, 0});
  store_->rename_mutex_.lock();
  tree_locked_ = true;
}

void RenameOperation::UnlockTree() {
  locks_.Release();
  if (!tree_locked_) return;
  store_->rename_mutex_.unlock();
  lock_order::Release({lock_order::kRename, 0});
  tree_locked_ = false;
}

// REQUIRES: tree_locked_, so that no parent changes, and no inode lock.
Result<bool> RenameOperation::IsWithin(InodeNumber directory, InodeNumber ancestor) {
  constexpr int kMaxDepth = 1'000'000;  // only a damaged tree is deeper: it has a ring
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (directory == ancestor) return true;
    if (directory == kRootInode) return false;
    auto parent = store_->Parent(directory);
    if (!parent) return tl::unexpected(parent.error());
    directory = *parent;
  }
  return store_->records_.Damaged(directory, "its parents form a ring");
}

// A directory must not come to lie in itself.
Outcome RenameOperation::CheckTree() {
  if (SourceIsDirectory()) {
    auto within = IsWithin(to_.directory, source_->ino);
    if (!within) return tl::unexpected(within.error());
    if (*within) return Fail(EINVAL);
  }
  if (TargetIsDirectory()) {
    auto within = IsWithin(from_.directory, target_->ino);
    if (!within) return tl::unexpected(within.error());
    if (*within) return Fail(Exchanges() ? EINVAL : ENOTEMPTY);
  }
  return {};
}

// False: the names changed before they were locked.
Result<bool> RenameOperation::LockAndVerify() {
  std::vector<LockSet::Want> wanted = {{from_.directory, true}, {to_.directory, true}};
  wanted.push_back({source_->ino, SourceIsDirectory()});
  if (target_) wanted.push_back({target_->ino, TargetIsDirectory()});
  if (auto locked = locks_.Acquire(&store_->inodes_, std::move(wanted)); !locked) {
    return tl::unexpected(locked.error());
  }
  const auto seen_source = source_;
  const auto seen_target = target_;
  if (auto looked = Look(); !looked) return tl::unexpected(looked.error());
  auto same = [](const std::optional<NameRecord>& a, const std::optional<NameRecord>& b) {
    return a.has_value() == b.has_value() && (!a || (a->ino == b->ino && a->entry_id == b->entry_id));
  };
  return same(seen_source, source_) && same(seen_target, target_);
}

Outcome RenameOperation::CheckLocked() {
  for (InodeNumber directory : {from_.directory, to_.directory}) {
    if (!locks_[directory].present() || locks_[directory].record().nlink == 0) return Fail(ENOENT);
  }
  if (!locks_[source_->ino].present()) return store_->records_.Damaged(source_->ino, "is named, but does not exist");
  if (!target_) return {};
  if (!locks_[target_->ino].present()) return store_->records_.Damaged(target_->ino, "is named, but does not exist");
  if (Exchanges()) return {};
  if (SourceIsDirectory() && !TargetIsDirectory()) return Fail(ENOTDIR);
  if (!SourceIsDirectory() && TargetIsDirectory()) return Fail(EISDIR);
  if (TargetIsDirectory() && locks_[target_->ino].record().entries > 0) return Fail(ENOTEMPTY);
  return {};
}

void RenameOperation::CopyRecords(const Time& now) {
  from_record_ = locks_[from_.directory].record();
  to_record_ = locks_[to_.directory].record();
  source_record_ = locks_[source_->ino].record();
  source_record_.ctime = now;
  if (source_record_.IsDirectory()) source_record_.parent = to_.directory;
  from_record_.mtime = from_record_.ctime = now;
  to_record().mtime = to_record().ctime = now;
}

Outcome RenameOperation::CommitRecords(lsm::WriteBatch* batch) {
  store_->PutInode(from_.directory, from_record_, batch);
  if (!SameDirectory()) store_->PutInode(to_.directory, to_record_, batch);
  store_->PutInode(source_->ino, source_record_, batch);
  if (auto committed = store_->records_.Commit(*batch); !committed) return committed;
  if (flags_ & RENAME_WHITEOUT) store_->inode_count_.Created();
  locks_[from_.directory].Publish(std::move(from_record_));
  if (!SameDirectory()) locks_[to_.directory].Publish(std::move(to_record_));
  locks_[source_->ino].Publish(std::move(source_record_));
  return {};
}

Outcome RenameOperation::Exchange() {
  const Time now = store_->Now();
  CopyRecords(now);
  target_record_ = locks_[target_->ino].record();
  target_record_.ctime = now;
  if (target_record_.IsDirectory()) target_record_.parent = from_.directory;
  if (SourceIsDirectory() != TargetIsDirectory()) {
    InodeRecord& loses = SourceIsDirectory() ? from_record_ : to_record();
    InodeRecord& gains = SourceIsDirectory() ? to_record() : from_record_;
    --loses.nlink;
    ++gains.nlink;
  }
  lsm::WriteBatch batch;
  Store::PutEntry(from_.directory,
                  {.name = from_.name, .entry_id = source_->entry_id, .ino = target_->ino, .type = target_->type},
                  &batch);
  Store::PutEntry(to_.directory,
                  {.name = to_.name, .entry_id = target_->entry_id, .ino = source_->ino, .type = source_->type},
                  &batch);
  store_->PutInode(target_->ino, target_record_, &batch);
  if (auto committed = CommitRecords(&batch); !committed) return committed;
  locks_[target_->ino].Publish(std::move(target_record_));
  return {};
}

// What overlayfs leaves behind to hide a name below: a character device 0/0.
Outcome RenameOperation::PutWhiteout(lsm::WriteBatch* batch, const Time& now) {
  auto ino = store_->numbers_.Take();
  if (!ino) return tl::unexpected(ino.error());
  InodeRecord whiteout;
  whiteout.mode = S_IFCHR;
  whiteout.nlink = 1;
  Store::SetOwner(caller_, from_record_, &whiteout);
  whiteout.atime = whiteout.mtime = whiteout.ctime = whiteout.btime = now;
  store_->PutInode(*ino, whiteout, batch);
  Store::PutEntry(from_.directory, {.name = from_.name, .entry_id = source_->entry_id, .ino = *ino, .type = S_IFCHR},
                  batch);
  return store_->AddedEntry(&from_record_, S_IFCHR, now);
}

Outcome RenameOperation::Move() {
  const Time now = store_->Now();
  CopyRecords(now);
  lsm::WriteBatch batch;
  // Count what comes before what goes: a directory that is never empty in between keeps its ranges.
  uint64_t entry_id = 0;
  if (target_) {
    entry_id = target_->entry_id;
    to_record().nlink += SourceIsDirectory() ? 1 : 0;
    to_record().nlink -= TargetIsDirectory() ? 1 : 0;
  } else {
    // A name that is changed keeps its place in the listing: a program that renames what it lists comes to an end.
    entry_id = source_->entry_id;
    if (from_.directory != to_.directory || (flags_ & RENAME_WHITEOUT)) {
      auto taken = store_->numbers_.Take();
      if (!taken) return tl::unexpected(taken.error());
      entry_id = *taken;
    }
    if (auto added = store_->AddedEntry(&to_record(), source_->type, now); !added) return added;
  }
  batch.Delete(schema::kMeta, schema::NameKey(from_.directory, from_.name));
  batch.Delete(schema::kMeta, schema::EntryKey(from_.directory, source_->entry_id));
  if (flags_ & RENAME_WHITEOUT) {
    if (auto put = PutWhiteout(&batch, now); !put) return put;
  }
  store_->RemovedEntry(from_.directory, &from_record_, source_->type, now, &batch);
  Store::PutEntry(to_.directory, {.name = to_.name, .entry_id = entry_id, .ino = source_->ino, .type = source_->type},
                  &batch);
  if (!target_) return CommitRecords(&batch);
  Store::Unlinking unlinking(store_, &locks_[target_->ino]);
  if (auto added = unlinking.AddTo(&batch, now); !added) return added;
  if (auto committed = CommitRecords(&batch); !committed) return committed;
  unlinking.Committed();
  return {};
}

Result<Moved> RenameOperation::Run() {
  for (InodeNumber directory : {from_.directory, to_.directory}) {
    auto locked = store_->LockDirectory(directory, LockMode::kShared, false);
    if (!locked) return tl::unexpected(locked.error());
  }
  while (true) {
    if (auto looked = Look(); !looked) return tl::unexpected(looked.error());
    if (auto checked = CheckNames(); !checked) return tl::unexpected(checked.error());
    if (MovesDirectory()) {
      if (!tree_locked_) {
        LockTree();
        continue;  // who knows what the names are by now
      }
      if (auto checked = CheckTree(); !checked) return tl::unexpected(checked.error());
    }
    if (target_ && source_->ino == target_->ino) return Moved{};  // links of one file, or the very same name
    auto unchanged = LockAndVerify();
    if (!unchanged) return tl::unexpected(unchanged.error());
    if (*unchanged) break;
    locks_.Release();
  }
  if (auto checked = CheckLocked(); !checked) return tl::unexpected(checked.error());
  if (auto done = Exchanges() ? Exchange() : Move(); !done) return tl::unexpected(done.error());
  return Moved{.ino = source_->ino, .exchanged = Exchanges() ? target_->ino : 0};
}

Result<Moved> Store::Rename(const Caller& caller, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                            std::string_view new_name, uint32_t flags) {
  for (std::string_view each : {name, new_name}) {
    if (auto good = CheckName(each); !good) return tl::unexpected(good.error());
  }
  constexpr uint32_t kKnown = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
  if ((flags & ~kKnown) != 0) return Fail(EINVAL);
  if ((flags & RENAME_EXCHANGE) && flags != RENAME_EXCHANGE) return Fail(EINVAL);
  if (read_only_) return Fail(EROFS);
  return RenameOperation(this, caller, {parent, name}, {new_parent, new_name}, flags).Run();
}

}  // namespace silt::fs
