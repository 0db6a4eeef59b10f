// Locks and cached attributes of the inodes in use: a bounded, sharded LRU. What a lock guards is the inode's record.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "fs/record_store.h"
#include "fs/schema.h"
#include "lsm/writer_first_mutex.h"

namespace silt::fs {

// Lock order. A thread that holds a lock takes only locks further down:
//   1. Store::rename_mutex_ (moves of directories between parents)
//   2. directories, by ascending inode number
//   3. all other inodes, by ascending number
//   4. leaves, taken and released inside one call: table and count shards, number allocator, space, engine
// A type never changes, so the order of two inodes never does. Debug builds check the order at each lock.
struct InodeState {
  enum class Known : uint8_t { kNo, kPresent, kAbsent };

  explicit InodeState(InodeNumber number) : ino(number) {}

  const InodeNumber ino;
  lsm::WriterFirstMutex mutex;  // a file that is read without end must still be written now and then
  Known known = Known::kNo;                       // guarded by mutex
  schema::InodeRecord record;                     // guarded by mutex; what the Db holds while known is kPresent
  std::list<InodeState*>::iterator lru_position;  // guarded by the table's shard
};

enum class LockMode : uint8_t { kShared, kExclusive };

// A held lock of one inode, with its record. Releases when destroyed. Not thread-safe.
class LockedInode {
 public:
  LockedInode() = default;
  // Takes the lock. `directory` is what the caller believes it locks: it places the lock in the order.
  LockedInode(std::shared_ptr<InodeState> state, LockMode mode, bool directory);
  LockedInode(LockedInode&& other) noexcept;
  LockedInode& operator=(LockedInode&& other) noexcept;
  ~LockedInode() { Release(); }

  void Release();
  bool held() const { return state_ != nullptr; }
  InodeNumber ino() const { return state_->ino; }
  const schema::InodeRecord& record() const { return state_->record; }
  bool present() const { return state_->known == InodeState::Known::kPresent; }
  InodeState::Known known() const { return state_->known; }
  // REQUIRES: exclusive, and the Db holds the same.
  void Publish(schema::InodeRecord record);
  void PublishAbsent();

 private:
  std::shared_ptr<InodeState> state_;
  LockMode mode_ = LockMode::kShared;
  bool directory_ = false;
};

// Thread-safe.
class InodeTable {
 public:
  InodeTable(RecordStore* records, size_t max_inodes);

  // Locks the inode and reads its record if it is not known. The inode may be absent: ask present().
  Result<LockedInode> Lock(InodeNumber ino, LockMode mode, bool directory);
  // Makes a new inode's record known before anyone can ask for it.
  void Insert(InodeNumber ino, const schema::InodeRecord& record);
  size_t size() const;

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<InodeNumber, std::shared_ptr<InodeState>> states;  // guarded by mutex
    std::list<InodeState*> lru;                                           // guarded by mutex; most recent first
  };
  std::shared_ptr<InodeState> StateOf(InodeNumber ino);
  void Evict(Shard* shard) const;

  RecordStore* const records_;
  const size_t max_per_shard_;
  std::array<Shard, kShards> shards_;
};

}  // namespace silt::fs
