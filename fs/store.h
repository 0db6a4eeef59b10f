// The filesystem's operations on an open engine: what Filesystem::Open returns. One file for each concern implements
// it.
//
// How an operation runs: it locks the inodes that it changes (order: fs/inode_table.h), works on copies of their
// records, puts everything into one batch, commits it, and only then publishes the copies to the inode table. A failed
// commit so leaves no trace. Locks are released before the reply is sent.
//
// Attributes in replies are those of some moment between the request's arrival and its reply, and every change is
// visible before its own reply. That is what the kernel needs to cache attributes for ever: it drops the answer of a
// request during which a change of the same inode was answered (attr_version in fs/fuse of Linux).
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "fs/commit_timer.h"
#include "fs/file_data.h"
#include "fs/filesystem.h"
#include "fs/inode_count.h"
#include "fs/inode_table.h"
#include "fs/lookup_counts.h"
#include "fs/number_allocator.h"
#include "fs/reclaimer.h"
#include "fs/record_store.h"
#include "fs/space.h"

namespace silt::fs {

class Acl;

// Writes the superblock and the root into an empty Db and syncs it.
lsm::Status FormatOn(lsm::Db* db, const FormatOptions& options, Time now);
// The superblock of an open Db: kCorruption when it is missing or damaged, kNotSupported for a newer format.
lsm::Result<schema::SuperblockRecord> ReadSuperblock(lsm::Db* db);
// Open on an engine that is open already. An empty probe: space is unlimited.
lsm::Result<std::unique_ptr<Filesystem>> OpenOn(std::unique_ptr<lsm::Db> db, const OpenOptions& options,
                                                SpaceProbe probe);

class Store final : public Filesystem {
 public:
  Store(std::unique_ptr<lsm::Db> db, const OpenOptions& options, const schema::SuperblockRecord& superblock,
        SpaceProbe probe);
  ~Store() override;

  // open_on.cc
  void Start();  // reaps orphans, counts inodes, starts the commit timer
  const Superblock& superblock() const override { return superblock_; }
  lsm::Db& db() override { return *db_; }
  uint64_t LiveInodes() const override { return lookups_.size(); }
  void WaitForInodeCount(std::chrono::microseconds at_most) override { inode_count_.Wait(at_most); }
  lsm::Status Close() override;
  Result<FilesystemStats> Stat() override;
  Outcome SyncAll() override;

  // attributes.cc
  Result<Attributes> GetAttributes(InodeNumber ino) override;
  Result<Attributes> SetAttributes(InodeNumber ino, const AttributeChange& change) override;
  Result<InodeNumber> Parent(InodeNumber directory) override;
  Result<std::string> ReadSymlink(InodeNumber ino) override;

  // directory.cc
  Result<Attributes> Lookup(InodeNumber parent, std::string_view name) override;
  Result<Attributes> LookupInode(InodeNumber ino) override;
  Result<Attributes> MakeNode(const Caller& caller, InodeNumber parent, std::string_view name, uint32_t mode,
                              uint64_t rdev) override;
  Result<Attributes> MakeDirectory(const Caller& caller, InodeNumber parent, std::string_view name,
                                   uint32_t mode) override;
  Result<Attributes> MakeSymlink(const Caller& caller, InodeNumber parent, std::string_view name,
                                 std::string_view target) override;
  Result<Attributes> MakeTemporary(const Caller& caller, InodeNumber directory, uint32_t mode) override;
  Result<Attributes> Link(InodeNumber ino, InodeNumber parent, std::string_view name) override;
  Outcome Unlink(InodeNumber parent, std::string_view name) override;
  Outcome RemoveDirectory(InodeNumber parent, std::string_view name) override;

  // rename.cc
  Result<Moved> Rename(const Caller& caller, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                       std::string_view new_name, uint32_t flags) override;

  // readdir.cc
  Outcome ReadDirectory(InodeNumber ino, uint64_t cookie,
                        const std::function<bool(const DirectoryEntry&)>& visit) override;
  Outcome ReadDirectoryPlus(InodeNumber ino, uint64_t cookie,
                            const std::function<bool(const DirectoryEntry&, const Attributes&)>& visit) override;

  // file_io.cc, allocate.cc, copy.cc
  Result<size_t> Read(InodeNumber ino, uint64_t offset, std::span<char> out) override;
  Result<size_t> Write(InodeNumber ino, uint64_t offset, std::span<const char> data, const WriteFlags& flags) override;
  Result<uint64_t> SeekExtent(InodeNumber ino, uint64_t offset, int whence) override;
  Outcome Allocate(InodeNumber ino, int mode, uint64_t offset, uint64_t length) override;
  Result<size_t> CopyRange(InodeNumber from, uint64_t from_offset, InodeNumber to, uint64_t to_offset,
                           size_t length) override;

  // access_times.cc
  bool AtimeIsDue(InodeNumber ino, AtimeRule rule) override;
  void Accessed(InodeNumber ino, AtimeRule rule) override;

  // xattr.cc
  Result<std::string> GetXattr(InodeNumber ino, std::string_view name) override;
  Outcome SetXattr(InodeNumber ino, std::string_view name, std::string_view value, int flags) override;
  Outcome RemoveXattr(InodeNumber ino, std::string_view name) override;
  Result<std::vector<std::string>> ListXattr(InodeNumber ino) override;

  // orphans.cc
  void Forget(InodeNumber ino, uint64_t lookups) override;

 private:
  friend class RenameOperation;
  static constexpr uint64_t kBytesBesideBlock = 64;

  // ---- locking (locking.cc) ----
  // Present inodes only; ENOENT otherwise.
  Result<LockedInode> Lock(InodeNumber ino, LockMode mode, bool directory = false);
  // ENOTDIR for others; ENOENT too for a directory that was removed, when `linked`.
  Result<LockedInode> LockDirectory(InodeNumber ino, LockMode mode, bool linked);
  Result<LockedInode> LockFile(InodeNumber ino, LockMode mode);  // regular files: EISDIR, EINVAL for others
  // For inodes that are not known to be one or the other: looks first, so that the lock has its right place.
  Result<LockedInode> LockAny(InodeNumber ino, LockMode mode);
  Result<bool> IsDirectory(InodeNumber ino);

  // ---- records ----
  Attributes AttributesOf(InodeNumber ino, const schema::InodeRecord& record) const;
  Time Now() const { return now_(); }
  // Puts the record, commits, publishes.
  Outcome CommitRecord(LockedInode* locked, schema::InodeRecord record, lsm::WriteBatch* batch,
                       lsm::SequenceNumber* sequence = nullptr);
  void PutInode(InodeNumber ino, const schema::InodeRecord& record, lsm::WriteBatch* batch);
  Outcome MayGrow(uint64_t bytes);  // ENOSPC
  // The same for a write of `bytes` that made `before` into `after`: what falls on blocks that the file has already is
  // not new.
  Outcome MayWrite(uint64_t bytes, const schema::InodeRecord& before, const schema::InodeRecord& after);
  // ENOSPC only if `admit` says no even when what was deleted has been given back: what is removed makes room at once,
  // as elsewhere.
  Outcome AdmitOrReclaim(const std::function<bool()>& admit);
  // What a file's blocks take, without those that are only promised. Both count blocks.
  uint64_t StoredBytes(const schema::InodeRecord& record) const {
    return (record.blocks - std::min(record.blocks, record.promised)) * superblock_.block_size;
  }
  // ---- promises of space (promises.cc): blocks that are preallocated and not written yet ----
  // What a block takes, with its key and its share of an index.
  uint64_t PromisedBytes(uint64_t blocks) const { return blocks * (superblock_.block_size + kBytesBesideBlock); }
  // Keeps the P key in step with the record.
  static void PutPromise(InodeNumber ino, uint64_t before, uint64_t after, lsm::WriteBatch* batch);
  void PromisesChanged(uint64_t before, uint64_t after);
  void LoadPromises();  // of earlier mounts
  // What every change of a regular file's content does: mtime, ctime, file capabilities, suid and sgid if asked.
  Outcome ContentChanged(InodeNumber ino, schema::InodeRecord* record, ClearSetId clear, lsm::WriteBatch* batch);
  static void ClearSetIdBits(schema::InodeRecord* record, ClearSetId clear);
  Outcome DropCapabilities(InodeNumber ino, const schema::InodeRecord& record, lsm::WriteBatch* batch);

  // ---- xattrs (xattr.cc) and ACLs (acl_xattr.cc) ----
  // nullopt: there is none.
  Result<std::optional<std::string>> FindXattr(InodeNumber ino, const schema::InodeRecord& record,
                                               std::string_view name);
  static void PutXattr(InodeNumber ino, std::string_view name, std::string_view value, schema::InodeRecord* record,
                       lsm::WriteBatch* batch);
  // EEXIST, ENODATA by the flags of setxattr(2); ENOSPC for more names than can be listed.
  Outcome CheckXattrFits(InodeNumber ino, const schema::InodeRecord& record, std::string_view name, int flags);
  Result<std::string> AccessAclAsSeen(InodeNumber ino, const schema::InodeRecord& record, std::string_view stored);
  // Whether setting the ACL would change nothing. `stored`: the xattr of that name.
  Result<bool> HasAcl(InodeNumber ino, const schema::InodeRecord& record, std::string_view name,
                      const std::optional<std::string>& stored, std::string_view value);
  Outcome SetAcl(InodeNumber ino, schema::InodeRecord* record, std::string_view name, std::string_view value,
                 lsm::WriteBatch* batch);
  // Sets the mode too.
  static void PutAccessAcl(InodeNumber ino, const Acl& acl, schema::InodeRecord* record, lsm::WriteBatch* batch);
  // What a new inode's mode and ACLs become: by its directory's default ACL, by the umask where there is none.
  Outcome InheritPermissions(InodeNumber parent, const schema::InodeRecord& parent_record, uint32_t umask,
                             InodeNumber ino, schema::InodeRecord* record, lsm::WriteBatch* batch);

  // ---- directories ----
  struct NewEntry {
    std::string_view name;
    uint64_t entry_id;
    InodeNumber ino;
    uint32_t type;
  };
  static void PutEntry(InodeNumber directory, const NewEntry& entry, lsm::WriteBatch* batch);
  // Counts the entry in the directory's record and touches its times. EMLINK.
  Outcome AddedEntry(schema::InodeRecord* directory, uint32_t type, const Time& now) const;
  // The same for one that went; an emptied directory that was large loses its ranges whole.
  void RemovedEntry(InodeNumber ino, schema::InodeRecord* directory, uint32_t type, const Time& now,
                    lsm::WriteBatch* batch) const;
  // A new inode's: the caller's, but the directory's group where that is set-gid.
  static void SetOwner(const Caller& caller, const schema::InodeRecord& directory, schema::InodeRecord* record);
  Result<Attributes> Make(const Caller& caller, InodeNumber parent, std::string_view name, schema::InodeRecord record);

  // ---- the end of inodes (orphans.cc) ----
  // An inode that loses a link, in three steps: into the batch; then, by whether the commit succeeded, Finish.
  class Unlinking {
   public:
    // REQUIRES: exclusive lock. A directory loses its only link.
    Unlinking(Store* store, LockedInode* locked) : store_(store), locked_(locked) {}
    ~Unlinking();
    Unlinking(const Unlinking&) = delete;
    Unlinking& operator=(const Unlinking&) = delete;
    Outcome AddTo(lsm::WriteBatch* batch, const Time& now);
    void Committed();

   private:
    Store* const store_;
    LockedInode* const locked_;
    schema::InodeRecord after_;
    bool orphan_ = false;
    bool erased_ = false;
    bool committed_ = false;
  };
  // Every key of an inode without links.
  Outcome EraseInode(InodeNumber ino, const schema::InodeRecord& record, lsm::WriteBatch* batch);
  void PublishErased(LockedInode* locked);
  Outcome Reap(InodeNumber ino);
  void ReapAll();

  // ---- file data ----
  Outcome PunchHole(LockedInode* locked, uint64_t offset, uint64_t length);
  Outcome AllocateRange(LockedInode* locked, bool keep_size, bool zero, uint64_t offset, uint64_t end);
  Result<size_t> CopyChunk(InodeNumber from, uint64_t from_offset, InodeNumber to, uint64_t to_offset, size_t length);

  std::unique_ptr<lsm::Db> db_;
  const bool read_only_;
  const uint64_t commit_interval_micros_;
  const std::function<Time()> now_;
  const Superblock superblock_;
  std::atomic<bool> closed_{false};
  std::mutex rename_mutex_;  // first in the lock order: holds the directory tree's shape still
  RecordStore records_;
  InodeTable inodes_;
  LookupCounts lookups_;
  NumberAllocator numbers_;
  InodeCount inode_count_;
  SpaceGuard space_;
  FileData data_;
  CommitTimer timer_;
  Reclaimer reclaimer_;
};

// Of a name in a directory: EINVAL or ENAMETOOLONG for what no entry may be called.
Outcome CheckName(std::string_view name);
Time SystemTime();

}  // namespace silt::fs
