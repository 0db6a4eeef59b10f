// A simulated disk for tests: files and directories in memory, each with a volatile state (what the running system
// sees) and a durable one (what a power cut leaves). It loses what was not synced, tears writes, keeps directory
// entries and file contents apart, flips bits, runs full, and returns errors on demand. Idea: Pebble's CrashClone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/storage/storage.h"

namespace silt::lsm {

// The operations that change the disk. Each is numbered (from 0, in the order in which they begin) and passes the hook.
enum class SimOp : uint8_t {
  kCreate,  // NewWritableFile, LockFile
  kReuse,   // ReuseWritableFile (a rename)
  kWrite,   // Append
  kTruncate,
  kPreallocate,  // Preallocate, WriteZeros
  kSync,
  kRename,
  kLink,
  kDelete,
  kCreateDir,
  kSyncDir,
};
inline constexpr int kSimOps = 11;

struct SimOperation {
  SimOp op;
  uint64_t index = 0;   // of this operation, counting all kinds
  std::string path{};   // for kRename, kReuse and kLink: the old path
  std::string to{};     // for those: the new one
  uint64_t offset = 0;  // for kWrite: the append position; for kTruncate and kPreallocate: the size
  uint64_t length = 0;  // for kWrite
};

// What an operation does instead of what it should.
struct SimFault {
  enum class Effect : uint8_t {
    kNothing,  // nothing happens
    kDone,     // the operation takes its whole effect all the same
    kPartial,  // kWrite only: the first `bytes` bytes are written
    kDropped,  // kSync only: as a kernel does after a failed write-back: what was dirty counts as clean from now on, is
               // still read back, but no later sync writes it and a power cut loses it
  };
  Status status;  // what the caller is told; ok makes the operation a liar (a sync that does nothing, say)
  Effect effect = Effect::kNothing;
  uint64_t bytes = 0;
};

// Called before each operation, on the thread that makes it, with no lock held: it may call CrashClone and the setters
// of the storage. nullopt lets the operation happen.
using SimFaultHook = std::function<std::optional<SimFault>(const SimOperation&)>;
// The same for reads, which are not numbered: not ok is what the reader is told.
using SimReadHook = std::function<Status(const std::string& path, uint64_t offset, size_t length)>;

struct SimCrashOptions {
  enum class Keep : uint8_t { kRandom, kAll, kNone };
  Keep data = Keep::kRandom;   // what was written since the file's last Sync: a choice for each 4 KiB block, among all
                               // the states that it went through; and one for the file's size
  Keep names = Keep::kRandom;  // what was created, renamed, linked or deleted since the directory's last SyncDir
  bool tear_sectors = false;   // choose for each 512 B instead
};

// Thread-safe. Paths are absolute or relative to the root, which exists and is durable; other directories must be
// created. It must outlive nothing: open files and locks keep the disk alive.
//
// The model
//   - File contents are durable after Sync, names after SyncDir of their directory; neither implies the other, and a
//   new
//     directory's own name is its parent's. A file none of whose names is durable is gone after a power cut.
//   - A rename inside a directory is atomic: after a power cut it happened or it did not. Between directories, SyncDir
//     of the old one makes all of it durable, SyncDir of the new one the new name only.
//   - The size is data too: unsynced growth may be lost, or survive without the bytes, which then read as zeros (or, in
//     a file that was recycled, as the old ones).
//   - Unsynced operations on different names or blocks become durable in any order.
class SimStorage final : public Storage {
 public:
  SimStorage();
  ~SimStorage() override;

  // The disk after a power cut now, as a new disk on which everything is durable, nothing locked or open, no hook set.
  // The same seed gives the same choices. This disk is unchanged.
  std::unique_ptr<SimStorage> CrashClone(uint64_t seed, const SimCrashOptions& options = {}) const;

  void SetFaultHook(SimFaultHook hook);
  void SetReadHook(SimReadHook hook);
  // The power goes off before the operation of this index: that one and everything after it, reads included, fails with
  // kIoError, and nothing changes any more. CrashClone gives the disk after the lights come back.
  void CutPowerAt(uint64_t operation_index);
  void CutPower();
  bool PowerIsOff() const;
  uint64_t OperationCount() const;
  uint64_t OperationCount(SimOp op) const;

  // At most this many bytes in 4 KiB blocks; more is kNoSpace (a write that runs out leaves its beginning written).
  void SetSpaceLimit(uint64_t bytes);
  uint64_t UsedBytes() const;

  // Damage done to a file behind everybody's back, durable at once. kNotFound; kInvalidArgument past the end.
  Status FlipBit(const std::string& path, uint64_t byte_offset, int bit);
  Status Overwrite(const std::string& path, uint64_t offset, std::string_view bytes);
  Status CutFile(const std::string& path, uint64_t size);
  // Every file (not directory) below the root, sorted.
  std::vector<std::string> AllFiles() const;

  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> ReuseWritableFile(const std::string& old_path,
                                                          const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override;
  Status DeleteFile(const std::string& path) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status LinkFile(const std::string& from, const std::string& to) override;
  Status CreateDir(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::vector<std::string>> ListDir(const std::string& path) override;
  bool FileExists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, std::string_view description) override;

  class Disk;

 private:
  explicit SimStorage(std::shared_ptr<Disk> disk);
  std::shared_ptr<Disk> disk_;
};

}  // namespace silt::lsm
