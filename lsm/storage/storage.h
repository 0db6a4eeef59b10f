// The only code of the engine that touches the operating system's files. Small enough for an object store to implement:
// append-once files (and WALs that may be overwritten from their start), random reads, whole-file delete, atomic rename,
// directory sync, a lock.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/status.h"

namespace silt::lsm {

enum class AccessPattern : uint8_t { kNormal, kRandom, kSequential, kDontNeed };

// Thread-safe. Errors name the file.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  // Reads up to out.size() bytes at `offset`; fewer only at the end of the file. Retries interrupted and short reads.
  virtual Result<size_t> Read(uint64_t offset, std::span<char> out) const = 0;
  virtual uint64_t Size() const = 0;
  // Hints; may do nothing.
  virtual void Advise(uint64_t offset, uint64_t length, AccessPattern pattern) const = 0;
  virtual void Prefetch(uint64_t offset, uint64_t length) const = 0;
};

// A file written front to back. One thread may Append while another Syncs; otherwise not thread-safe.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Writes at the append position (0 at first, also for a reused file) straight to the operating system: what was
  // appended survives a crash of the process. On failure the position is unchanged, but bytes behind it may have been
  // written: Truncate before appending again.
  virtual Status Append(std::string_view data) = 0;
  // The same for data in pieces; by default it is put together first.
  virtual Status AppendPieces(std::span<const std::string_view> pieces);
  // Makes everything appended before the call durable (data and file size, not the directory entry).
  virtual Status Sync() = 0;
  // Starts writing back appended bytes before `offset` without waiting for durability. A hint.
  virtual void StartWriteback(uint64_t offset) = 0;
  // Cuts the file to `size` and makes that the append position.
  virtual Status Truncate(uint64_t size) = 0;
  // Reserves disk space for [0, size), so that appends below it do not fail for want of space; the file reads as zeros
  // there. kNoSpace when there is not enough.
  virtual Status Preallocate(uint64_t size) = 0;
  // Overwrites [begin, end), which lies behind the append position, with zeros and leaves the position alone. Appends
  // there then overwrite blocks that have been written before: once a Sync has covered the zeros, the Syncs of such
  // appends have only data to write, and no metadata of the host.
  virtual Status WriteZeros(uint64_t begin, uint64_t end) = 0;
  virtual uint64_t Position() const = 0;  // bytes appended; safe from any thread
  // Gives the descriptor back. Does not sync. Idempotent.
  virtual Status Close() = 0;
};

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
  // kIoError when the file that is locked no longer has its name: somebody deleted or replaced it, or the directory
  // that it is in, and another process may hold the name's lock now. Cheap (a look at a name). Thread-safe.
  virtual Status StillHeld() const { return Status::Ok(); }
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // for ordinary users: what the host reserves for root stays in reserve
};

// Thread-safe. Paths are the host's. "Durable" for names means: survives a power cut after SyncDir of the directory.
//
// Files are regular files on the filesystem of the directory that they are in: a symbolic link, a FIFO, a device or a
// file that is mounted in the place of one is refused with kIoError, and is never followed, waited for or written. What
// leads to the directory may be symbolic links.
class Storage {
 public:
  virtual ~Storage() = default;

  // Creates. What has the name is replaced, and as a file of other names (hard links) it is left as it is.
  virtual Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) = 0;
  // Renames `old_path` to `path` and opens it for overwriting from offset 0, keeping its blocks (WAL recycling).
  // kIoError when the file has yet other names (hard links): they would be overwritten, too.
  virtual Result<std::unique_ptr<WritableFile>> ReuseWritableFile(const std::string& old_path,
                                                                  const std::string& path) = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) = 0;

  // Makes the contents of a file durable that some earlier process may have written.
  virtual Status SyncFile(const std::string& path);

  virtual Status DeleteFile(const std::string& path) = 0;
  virtual Status RenameFile(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status LinkFile(const std::string& from, const std::string& to) = 0;
  virtual Status CreateDir(const std::string& path) = 0;  // ok if it exists
  virtual Status SyncDir(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> ListDir(const std::string& path) = 0;  // names, without . and ..
  virtual bool FileExists(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  virtual Result<SpaceInfo> Space(const std::string& path) = 0;  // of a directory; kNotSupported: the host cannot say

  // Exclusive among processes and within this one. `description` is written into the file for others to read.
  // kBusy, with the holder's description in the message, when it is held; kReadOnly when the disk or the user may not
  // write the file.
  virtual Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, std::string_view description) = 0;

  // This storage, on which `path` and what is below it are from now on the directory that has that name now: after it
  // was renamed, too, and whatever is then put in its place. Names must go on to be given as `path` and what follows.
  // The directory stays open as long as the result lives; this storage must live as long. kNotFound.
  virtual Result<std::shared_ptr<Storage>> OpenDirectory(const std::string& path);

  // The machine's disk; lives as long as the process.
  static Storage* Posix();
  // OpenDirectory of a directory that is open already (a duplicate is kept); `path` is what it is called.
  static Result<std::shared_ptr<Storage>> PosixDirectory(int directory, const std::string& path);
};

// Conveniences on any Storage.
Result<std::string> ReadFileToString(Storage* storage, const std::string& path);
// Writes `path` by way of a temporary file: write, sync, rename, sync the directory.
Status WriteFileAtomically(Storage* storage, const std::string& dir, const std::string& name, std::string_view data);

}  // namespace silt::lsm
