// The filesystem: every operation that a mount needs, expressed on inode numbers, each one atomic batch on the engine.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/result.h"
#include "lsm/db.h"
#include "lsm/storage/storage.h"

namespace silt::fs {

using InodeNumber = uint64_t;
inline constexpr InodeNumber kRootInode = 1;
inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxSymlinkBytes = 4095;
inline constexpr uint32_t kMaxLinks = 2'000'000'000;
// For SetXattr beside XATTR_CREATE and XATTR_REPLACE: who sets this access ACL may not leave the set-group-id bit on (it
// is not in the file's group, and has no CAP_FSETID).
inline constexpr int kXattrClearSgid = 1 << 16;

struct Time {
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
  friend auto operator<=>(const Time&, const Time&) = default;
};

// What stat(2) shows, and btime.
struct Attributes {
  InodeNumber ino = 0;
  uint32_t mode = 0;  // type and permission bits, as in st_mode
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t rdev = 0;
  uint64_t size = 0;
  uint64_t blocks = 0;  // allocated, in units of 512 bytes
  uint32_t block_size = 4096;
  Time atime, mtime, ctime, btime;
};

// On whose behalf an operation runs. The kernel has checked permissions (default_permissions). The umask counts where no
// default ACL takes its place.
struct Caller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;
};

// The set-id bits that a change takes away, where the kernel leaves that to the filesystem (KILLPRIV_V2). As
// setattr_should_drop_suidgid in Linux.
enum class ClearSetId : uint8_t {
  kNo,
  kSuidAndExecutableSgid,  // sgid without group execution, which once marked mandatory locking, stays
  kSuidAndSgid,            // it goes too: the caller is not in the file's group
};

// Which reads move the atime (mount(8)): those of what changed since it was last read, or was last read a day ago; or
// all.
enum class AtimeRule : uint8_t { kNever, kRelative, kStrict };

// What SetAttributes changes; absent fields stay. A change always updates ctime (or sets it to `ctime`).
struct AttributeChange {
  std::optional<uint32_t> mode;  // permission bits only
  std::optional<uint32_t> uid, gid;
  std::optional<uint64_t> size;
  std::optional<Time> atime, mtime, ctime;
  bool atime_now = false, mtime_now = false;
  ClearSetId clear_set_id = ClearSetId::kNo;
};

// What a rename moved: their ctime changed.
struct Moved {
  InodeNumber ino = 0;        // 0: nothing, the names were of one file
  InodeNumber exchanged = 0;  // with RENAME_EXCHANGE: what came in its place
};

struct DirectoryEntry {
  std::string_view name;  // valid during the callback
  InodeNumber ino = 0;
  uint32_t type = 0;      // S_IFMT bits
  uint64_t cookie = 0;    // continue after this entry: stable across unlinks and remounts
  bool damaged = false;   // ReadDirectoryPlus: its inode cannot be read
};

struct FilesystemStats {
  uint64_t block_size = 4096;
  uint64_t total_bytes = 0, free_bytes = 0, available_bytes = 0;  // of the host; available excludes the reserve
  uint64_t used_bytes = 0;                                        // of the store itself
  uint64_t inodes = 0, free_inodes = 0;  // in use and free; how many more fit, if they are small
  bool inodes_counted = false;           // false: not counted yet, and those in use are at most as many
};

struct FormatOptions {
  uint32_t block_size = 4096;  // a power of two, 4 KiB to 64 KiB
  lsm::Compression compression = lsm::Compression::kSnappy;
  uint32_t root_uid = 0, root_gid = 0, root_mode = 0755;
};

struct Superblock {
  std::string uuid;  // 8-4-4-4-12 hex digits
  uint32_t format_version = 0;
  uint32_t block_size = 0;
  lsm::Compression compression = lsm::Compression::kSnappy;
  uint64_t next_inode = 0;  // high-water mark: every number in use is below it
};

struct OpenOptions {
  std::string lock_description;         // e.g. "pid 12, mounted at /mnt"
  uint64_t memory_bytes = 256 << 20;    // budget for memtables, caches and inode state together
  uint64_t commit_interval_micros = 5'000'000;  // what is older than this is made durable without being asked
  bool read_only = false;
  lsm::Storage* storage = nullptr;      // nullptr: the machine's own disk
  lsm::Clock* clock = lsm::Clock::System();
  // Wall-clock time for timestamps; nullptr: the system's.
  std::function<Time()> now;
  lsm::LogSink log;
};

// Thread-safe. Names that are too long, empty, "." or ".." or hold '/' or NUL are refused (ENAMETOOLONG, EINVAL).
// After an operation returned, it survives a crash of the process; after SyncAll, or commit_interval later, a
// power cut. What a power cut leaves is a prefix of the operations in order.
class Filesystem {
 public:
  // Makes a store at `path` (created if missing; REQUIRES: empty, or a store and `force`, which destroys it).
  static lsm::Status Format(lsm::Storage* storage, const std::string& path, const FormatOptions& options, bool force);
  // Also reaps orphans. Status codes as lsm::Db::Open; kNotSupported for a newer filesystem format.
  static lsm::Result<std::unique_ptr<Filesystem>> Open(const OpenOptions& options, const std::string& path);
  // Engine options (families, table settings, budgets) that a store is opened with; for tools that open it directly.
  static lsm::Options EngineOptions(const OpenOptions& options);
  virtual ~Filesystem() = default;

  // Lookup, create and link calls that return Attributes count one kernel reference ("lookup") to the inode, which
  // Forget gives back. An inode without links lives until its references are gone.
  virtual Result<Attributes> Lookup(InodeNumber parent, std::string_view name) = 0;  // ENOENT
  // By number, for handles (name_to_handle_at(2)) that outlive names and mounts. ENOENT: it is gone, and no other inode
  // will ever have the number.
  virtual Result<Attributes> LookupInode(InodeNumber ino) = 0;
  virtual void Forget(InodeNumber ino, uint64_t lookups) = 0;
  virtual Result<Attributes> GetAttributes(InodeNumber ino) = 0;
  virtual Result<Attributes> SetAttributes(InodeNumber ino, const AttributeChange& change) = 0;
  virtual Result<InodeNumber> Parent(InodeNumber directory) = 0;

  // Regular files, devices, FIFOs and sockets (mode holds the type).
  virtual Result<Attributes> MakeNode(const Caller& caller, InodeNumber parent, std::string_view name, uint32_t mode,
                                      uint64_t rdev) = 0;
  virtual Result<Attributes> MakeDirectory(const Caller& caller, InodeNumber parent, std::string_view name,
                                           uint32_t mode) = 0;
  virtual Result<Attributes> MakeSymlink(const Caller& caller, InodeNumber parent, std::string_view name,
                                         std::string_view target) = 0;
  virtual Result<std::string> ReadSymlink(InodeNumber ino) = 0;
  // A regular file without a name (O_TMPFILE), with the rights that one in this directory gets. It goes with its last
  // reference unless Link gives it a name.
  virtual Result<Attributes> MakeTemporary(const Caller& caller, InodeNumber directory, uint32_t mode) = 0;
  // Also of a file that has no name any more, as long as it is referenced: who asks has seen to that (linkat(2)).
  virtual Result<Attributes> Link(InodeNumber ino, InodeNumber parent, std::string_view name) = 0;
  virtual Outcome Unlink(InodeNumber parent, std::string_view name) = 0;
  virtual Outcome RemoveDirectory(InodeNumber parent, std::string_view name) = 0;
  // flags: 0, RENAME_NOREPLACE or RENAME_EXCHANGE; RENAME_WHITEOUT may be combined with the first two's absence.
  // A whiteout belongs to the caller.
  virtual Result<Moved> Rename(const Caller& caller, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                               std::string_view new_name, uint32_t flags) = 0;

  // Calls `visit` for each entry after `cookie` (0: from the first; . and .. are not among them), in a stable order
  // (creation), until it returns false. What changes meanwhile may or may not be seen; nothing that stayed is skipped,
  // nothing is given twice.
  virtual Outcome ReadDirectory(InodeNumber ino, uint64_t cookie,
                                const std::function<bool(const DirectoryEntry&)>& visit) = 0;
  // The same with attributes, two scans side by side. An entry for which the visitor returns false was not taken (it is
  // given again next time); each one taken counts one lookup. Without attributes (attributes.ino is 0) and not counted
  // come damaged entries, and those of which the kernel knows all there is to tell: it was told of them, has not
  // forgotten them, and has them as they are.
  virtual Outcome ReadDirectoryPlus(InodeNumber ino, uint64_t cookie,
                                    const std::function<bool(const DirectoryEntry&, const Attributes&)>& visit) = 0;

  // Fills `out` with what is at `offset`; returns how much: less only at the end of the file.
  virtual Result<size_t> Read(InodeNumber ino, uint64_t offset, std::span<char> out) = 0;
  // Read and the listings leave the atime alone: who is asked to keep it says Accessed after a read. Whether that would
  // move it is known before (false where the inode cannot be looked at). Both are quick where it would not.
  virtual bool AtimeIsDue(InodeNumber ino, AtimeRule rule) = 0;
  virtual void Accessed(InodeNumber ino, AtimeRule rule) = 0;
  // All or nothing. clear_set_id as in AttributeChange. `sync`: durable on return (O_SYNC, O_DSYNC).
  struct WriteFlags {
    ClearSetId clear_set_id = ClearSetId::kNo;
    bool sync = false;
  };
  virtual Result<size_t> Write(InodeNumber ino, uint64_t offset, std::span<const char> data, const WriteFlags& flags) = 0;
  // fsync(2) of any file or directory: the log is one, and everything acknowledged so far becomes durable.
  virtual Outcome SyncAll() = 0;
  // mode: FALLOC_FL_* of fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE with or without KEEP_SIZE;
  // EOPNOTSUPP for others.
  virtual Outcome Allocate(InodeNumber ino, int mode, uint64_t offset, uint64_t length) = 0;
  // whence: SEEK_DATA or SEEK_HOLE. ENXIO past the end.
  virtual Result<uint64_t> SeekExtent(InodeNumber ino, uint64_t offset, int whence) = 0;
  // Returns bytes copied; fewer at the source's end. EINVAL for overlapping ranges of one file.
  virtual Result<size_t> CopyRange(InodeNumber from, uint64_t from_offset, InodeNumber to, uint64_t to_offset,
                                   size_t length) = 0;

  virtual Result<std::string> GetXattr(InodeNumber ino, std::string_view name) = 0;  // ENODATA
  // flags: 0, XATTR_CREATE, XATTR_REPLACE, kXattrClearSgid. POSIX ACLs (system.posix_acl_access and _default) are checked
  // (EINVAL) and kept in step with the mode: one that says no more than the mode leaves none behind.
  virtual Outcome SetXattr(InodeNumber ino, std::string_view name, std::string_view value, int flags) = 0;
  virtual Outcome RemoveXattr(InodeNumber ino, std::string_view name) = 0;
  virtual Result<std::vector<std::string>> ListXattr(InodeNumber ino) = 0;

  virtual Result<FilesystemStats> Stat() = 0;
  virtual const Superblock& superblock() const = 0;
  virtual lsm::Db& db() = 0;  // for statistics, compaction and scrubbing
  virtual uint64_t LiveInodes() const = 0;     // inodes that the kernel references
  // After an open, inodes are counted in the background, if there are many. Returns when they are, when they cannot be,
  // or when the time is over.
  virtual void WaitForInodeCount(std::chrono::microseconds at_most) = 0;
  // Syncs and closes the engine. Later calls fail with EIO. Idempotent.
  virtual lsm::Status Close() = 0;
};

}  // namespace silt::fs
