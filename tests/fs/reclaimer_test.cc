// Deleted space: given back before anybody is told that the disk is full, and unasked when much was deleted.
#include "fs/reclaimer.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "fs/space.h"
#include "fs/store.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kBlock = 4096;

// A full disk, on which a flush gives back what `to_come` says.
class FullDiskTest : public ::testing::Test {
 protected:
  FullDiskTest() {
    EXPECT_TRUE(FormatOn(NewMemoryDb(memory_).get(), {}, {}).ok());
    memory_->on_flush = [this] {
      std::lock_guard lock(mutex_);
      ++flushes_;
      info_.free_bytes += to_come_;
      to_come_ = 0;
      flushed_.notify_all();
    };
    OpenOptions options;
    options.commit_interval_micros = 0;
    fs_ = std::move(*OpenOn(NewMemoryDb(memory_), options, [this]() -> lsm::Result<lsm::SpaceInfo> {
      std::lock_guard lock(mutex_);
      return info_;
    }));
    file_ = Make("f");
    EXPECT_EQ(Write(0, kMiB), 0);
    Fill();
  }

  InodeNumber Make(std::string_view name) { return fs_->MakeNode({}, kRootInode, name, S_IFREG | 0644, 0)->ino; }
  int Write(uint64_t offset, size_t size) {
    std::string data(size, 'w');
    return ErrorOf(fs_->Write(file_, offset, {data.data(), data.size()}, {}));
  }
  void Fill() {
    {
      std::lock_guard lock(mutex_);
      info_.free_bytes = SpaceGuard::Reserve(info_.total_bytes);
    }
    EXPECT_EQ(fs_->Stat()->available_bytes, 0u);
  }
  void Comes(uint64_t bytes) {
    std::lock_guard lock(mutex_);
    to_come_ = bytes;
  }
  int flushes() {
    std::lock_guard lock(mutex_);
    return flushes_;
  }

  std::mutex mutex_;
  std::condition_variable flushed_;
  lsm::SpaceInfo info_{.total_bytes = 1024 * kMiB, .free_bytes = 512 * kMiB};
  uint64_t to_come_ = 0;
  int flushes_ = 0;
  std::shared_ptr<MemoryStore> memory_ = std::make_shared<MemoryStore>();
  std::unique_ptr<Filesystem> fs_;
  InodeNumber file_ = 0;
};

TEST_F(FullDiskTest, AWriteHasTheSpaceOfWhatWasDeletedBefore) {
  EXPECT_EQ(Write(2 * kMiB, kMiB), ENOSPC);
  ASSERT_TRUE(fs_->Allocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kMiB));
  Comes(8 * kMiB);
  EXPECT_EQ(Write(2 * kMiB, kMiB), 0);
}

TEST_F(FullDiskTest, SoHaveNamesAndPreallocation) {
  ASSERT_TRUE(fs_->Allocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kMiB / 2));
  Comes(kMiB);
  EXPECT_EQ(ErrorOf(fs_->MakeDirectory({}, kRootInode, "d", 0755)), 0);
  Fill();
  ASSERT_TRUE(fs_->Allocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kMiB));
  Comes(kMiB);
  EXPECT_EQ(ErrorOf(fs_->Allocate(file_, 0, 2 * kMiB, kMiB / 2)), 0);
}

// What lies in memtables will be in tables; what is found there to be compressible is given back.
TEST_F(FullDiskTest, WhatIsNotFlushedYetIsNotFree) {
  {
    std::lock_guard lock(mutex_);
    info_.free_bytes = SpaceGuard::Reserve(info_.total_bytes) + 64 * kMiB;
  }
  memory_->memtable_bytes = 60 * kMiB;
  EXPECT_EQ(fs_->Stat()->available_bytes, 4 * kMiB);
  EXPECT_EQ(ErrorOf(fs_->Allocate(file_, 0, 0, 8 * kMiB)), ENOSPC);
  auto on_flush = memory_->on_flush;
  memory_->on_flush = [this, on_flush] {
    memory_->memtable_bytes = 0;
    on_flush();
  };
  EXPECT_EQ(Write(0, 1), 0);
  EXPECT_EQ(ErrorOf(fs_->Allocate(file_, 0, 0, 8 * kMiB)), 0);
}

TEST_F(FullDiskTest, WhatWasDeletedIsAvailableBeforeItHasComeBack) {
  AttributeChange cut;
  cut.size = 0;
  Comes(kMiB);
  ASSERT_TRUE(fs_->SetAttributes(file_, cut));
  EXPECT_EQ(fs_->Stat()->available_bytes, kMiB);
  EXPECT_EQ(flushes(), 0);
  {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(flushed_.wait_for(lock, std::chrono::seconds(60), [&] { return flushes_ > 0; })) << "not asked for";
  }
  EXPECT_EQ(Write(0, kMiB - kBlock), 0);
}

// Where much is available it comes back with later writes, and is not counted twice.
TEST_F(FullDiskTest, WhereSpaceIsNotTightItIsNotCounted) {
  {
    std::lock_guard lock(mutex_);
    info_.free_bytes = 900 * kMiB;
  }
  const uint64_t before = fs_->Stat()->available_bytes;
  AttributeChange cut;
  cut.size = 0;
  ASSERT_TRUE(fs_->SetAttributes(file_, cut));
  EXPECT_EQ(fs_->Stat()->available_bytes, before);
}

TEST_F(FullDiskTest, NothingIsDoneAgainWhenNothingWasWritten) {
  EXPECT_EQ(Write(2 * kMiB, kMiB), ENOSPC);
  const int before = flushes();
  EXPECT_EQ(Write(2 * kMiB, kMiB), ENOSPC);
  EXPECT_EQ(Write(2 * kMiB, kMiB), ENOSPC);
  EXPECT_EQ(flushes(), before);
}

// Of a Reclaimer alone: how often it has flushed.
class ReclaimerTest : public ::testing::Test {
 protected:
  ReclaimerTest() {
    EXPECT_TRUE(FormatOn(db_.get(), {}, {}).ok());
    memory_->on_flush = [this] {
      std::lock_guard lock(mutex_);
      ++flushes_;
      flushed_.notify_all();
    };
  }
  bool AwaitFlushes(int count) {
    std::unique_lock lock(mutex_);
    return flushed_.wait_for(lock, std::chrono::seconds(60), [&] { return flushes_ >= count; });
  }

  std::shared_ptr<MemoryStore> memory_ = std::make_shared<MemoryStore>();
  std::unique_ptr<lsm::Db> db_ = NewMemoryDb(memory_);
  RecordStore records_{db_.get(), {}};
  lsm::SpaceInfo info_{.total_bytes = 1024 * kMiB, .free_bytes = 512 * kMiB};
  SpaceGuard space_{[this]() -> lsm::Result<lsm::SpaceInfo> { return info_; }, lsm::Clock::System()};
  std::mutex mutex_;
  std::condition_variable flushed_;
  int flushes_ = 0;
};

TEST_F(ReclaimerTest, MuchThatWasDeletedIsGivenBackUnasked) {
  Reclaimer reclaimer(&records_, &space_, 64 * kMiB, std::chrono::milliseconds(0));
  for (int i = 0; i < 63; ++i) reclaimer.Freed(kMiB);
  reclaimer.Freed(kMiB);
  EXPECT_TRUE(AwaitFlushes(1));
  reclaimer.Freed(64 * kMiB);
  EXPECT_TRUE(AwaitFlushes(2));
}

TEST_F(ReclaimerTest, SoIsLittleWhereSpaceIsTight) {
  Reclaimer reclaimer(&records_, &space_, 64 * kMiB, std::chrono::milliseconds(0));
  reclaimer.Freed(kMiB);
  EXPECT_EQ(reclaimer.Pending(512 * kMiB), kMiB);
  info_.free_bytes = 200 * kMiB;
  ASSERT_TRUE(space_.Look());
  reclaimer.Freed(0);
  EXPECT_TRUE(AwaitFlushes(1));
}

// What has come back already is not pending.
TEST_F(ReclaimerTest, PendingIsWhatHasNotComeBackYet) {
  Reclaimer reclaimer(&records_, &space_, kMiB, std::chrono::milliseconds(0));
  memory_->on_flush = [&] {
    EXPECT_EQ(reclaimer.Pending(512 * kMiB), 8 * kMiB);
    EXPECT_EQ(reclaimer.Pending(515 * kMiB), 5 * kMiB);
    EXPECT_EQ(reclaimer.Pending(600 * kMiB), 0u);
    std::lock_guard lock(mutex_);
    ++flushes_;
    flushed_.notify_all();
  };
  reclaimer.Freed(8 * kMiB);
  EXPECT_TRUE(AwaitFlushes(1));
  reclaimer.Stop();
  EXPECT_EQ(reclaimer.Pending(512 * kMiB), 0u);
}

TEST_F(ReclaimerTest, LittleIsNot) {
  Reclaimer reclaimer(&records_, &space_, 64 * kMiB, std::chrono::milliseconds(0));
  reclaimer.Freed(63 * kMiB);
  reclaimer.Stop();
  EXPECT_EQ(flushes_, 0);
}

TEST_F(ReclaimerTest, WhoAsksDoesNotWaitForMore) {
  Reclaimer reclaimer(&records_, &space_, kMiB, std::chrono::hours(1));
  reclaimer.Freed(kMiB);
  EXPECT_TRUE(reclaimer.Reclaim());
  EXPECT_EQ(flushes_, 1);
}

TEST_F(ReclaimerTest, DoesNotWaitForMoreWhenItIsStopped) {
  Reclaimer reclaimer(&records_, &space_, kMiB, std::chrono::hours(1));
  reclaimer.Freed(kMiB);
  reclaimer.Stop();
  EXPECT_EQ(flushes_, 1);
  EXPECT_FALSE(reclaimer.Reclaim());
  reclaimer.Freed(kMiB);
  EXPECT_EQ(flushes_, 1);
}

// As after a crash that came right after the deletion.
TEST_F(FullDiskTest, WhatWasDeletedBeforeTheMountIsGivenBackToo) {
  const uint64_t worth = SpaceGuard::Reserve(info_.total_bytes) / 4;
  const auto mount_with = [&](uint64_t deleted) {
    fs_.reset();
    memory_->unflushed_deletions = deleted;
    fs_ = std::move(*OpenOn(NewMemoryDb(memory_), {}, [this]() -> lsm::Result<lsm::SpaceInfo> { return info_; }));
  };
  mount_with(worth - 1);
  fs_.reset();
  const int before = flushes();
  mount_with(worth);
  fs_.reset();
  EXPECT_EQ(flushes(), before + 1);
  mount_with(worth - 1);
  fs_.reset();
  EXPECT_EQ(flushes(), before + 1);
}

// Every way of deleting data counts, and only data that was stored.
TEST_F(FullDiskTest, AllThatDeletesCounts) {
  const uint64_t worth = SpaceGuard::Reserve(info_.total_bytes) / 4;
  {
    std::lock_guard lock(mutex_);
    info_.free_bytes = 900 * kMiB;
  }
  ASSERT_TRUE(fs_->Stat());
  const uint64_t quarter = worth / 4;
  for (uint64_t at = 0; at < 4 * quarter; at += kMiB) ASSERT_EQ(Write(at, kMiB), 0);
  ASSERT_TRUE(fs_->Allocate(file_, 0, 8 * quarter, quarter));
  ASSERT_TRUE(fs_->Allocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * quarter, quarter));  // never stored
  AttributeChange cut;
  cut.size = 3 * quarter + kBlock;
  ASSERT_TRUE(fs_->SetAttributes(file_, cut));
  ASSERT_TRUE(fs_->Allocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, quarter));
  const int before = flushes();
  ASSERT_TRUE(fs_->Unlink(kRootInode, "f"));
  fs_->Forget(file_, 1);
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(flushed_.wait_for(lock, std::chrono::seconds(60), [&] { return flushes_ > before; }));
}

}  // namespace
}  // namespace silt::fs::test
