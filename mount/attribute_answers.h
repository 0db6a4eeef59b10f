// Which answers with attributes may still be on their way, so that a change can take them back.
//
// The kernel keeps attributes for ever, until a change of its own makes it forget them. An answer that was made before
// that change and is taken in after it would bring the old ones back, for ever, where the change does not count the
// inode's version up (fs/fuse/inode.c, fuse_change_attributes). That is so with a directory when something changes within
// (fuse_dir_changed), which LOOKUP and READDIRPLUS of the directory above, and GETATTR, are not ordered with; and with
// what a rename moves. FUSE_NOTIFY_INVAL_INODE counts the version up; but it costs a system call, and the kernel asks
// anew. So it is sent only if somebody else than who makes the change was told lately: a thread of its own has taken in
// what it asked for.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "fs/filesystem.h"
#include "lsm/clock.h"

namespace silt::mount {

// Thread-safe. Threads are told apart as the kernel numbers them in requests; 0 is one that it cannot number.
class AttributeAnswers {
 public:
  static constexpr uint64_t kTakenInMicros = 60'000'000;  // after that an answer has been taken in, or never will be
  static constexpr size_t kPerShard = 4096;

  explicit AttributeAnswers(lsm::Clock* clock) : clock_(clock) {}

  // From before attributes are read until it is written down who was told.
  class Answering {
   public:
    explicit Answering(AttributeAnswers* answers) : answers_(answers) { ++answers_->being_made_; }
    ~Answering() { --answers_->being_made_; }
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;

   private:
    AttributeAnswers* const answers_;
  };

  void Told(fs::InodeNumber directory, int32_t thread);
  // After a change of the directory, made for `thread`: whether an answer of before may be on its way to another. What
  // is written down is forgotten, since it will be taken back.
  bool MayBeOnTheWay(fs::InodeNumber directory, int32_t thread);

  // The same for inodes that are no directories: roughly (others may be taken for them), but at next to no cost.
  void ToldFile(fs::InodeNumber file, int32_t thread);
  bool FileMayBeOnTheWay(fs::InodeNumber file, int32_t thread) const;

 private:
  struct Teller {
    int32_t thread = 0;  // 0: several
    uint64_t at = 0;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<fs::InodeNumber, Teller> told;  // guarded by mutex
    uint64_t all_until = 0;                            // guarded by mutex: until then any may be on its way
  };

  // Who was last told of one of a slot's files, as in Teller, and when, in seconds or so; 0: nobody.
  struct alignas(8) FileTeller {
    int32_t thread = 0;
    uint32_t at = 0;
  };

  Shard& ShardOf(fs::InodeNumber ino) { return shards_[ino % shards_.size()]; }
  uint32_t Now() const { return static_cast<uint32_t>(clock_->MonotonicMicros() >> 20) + 1; }
  static bool IsOld(FileTeller teller, uint32_t now) { return teller.at == 0 || now - teller.at > kTakenInMicros >> 20; }

  lsm::Clock* const clock_;
  std::atomic<int> being_made_{0};
  std::array<Shard, 16> shards_;
  static_assert(std::atomic<FileTeller>::is_always_lock_free);
  std::array<std::atomic<FileTeller>, 4096> files_{};
};

}  // namespace silt::mount
