// statfs(2) tells how many inodes there are: what is deleted no longer counts, whatever ended the mount before.
#include "fs/inode_count.h"

#include <gtest/gtest.h>

#include <random>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

using std::chrono::minutes;

constexpr Caller kRoot{};
constexpr uint32_t kWhiteout = 1u << 2;  // RENAME_WHITEOUT

// Inode records, orphans' included.
uint64_t InodeKeys(lsm::Db& db) {
  const schema::KeyRange range = schema::AllOf(schema::KeyKind::kInode);
  auto it = db.NewIterator({.lower_bound = range.begin, .upper_bound = range.end}, schema::kMeta);
  uint64_t keys = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++keys;
  EXPECT_TRUE(it->status().ok());
  return keys;
}

class InodeCountTest : public FsTest {
 protected:
  uint64_t Used() {
    fs->WaitForInodeCount(minutes(1));
    auto stats = fs->Stat();
    EXPECT_TRUE(stats && stats->inodes_counted);
    const uint64_t used = stats ? stats->inodes - stats->free_inodes : 0;
    EXPECT_EQ(used, InodeKeys(fs->db()));
    return used;
  }
  // A file that nobody has open.
  InodeNumber Make(const std::string& name, InodeNumber parent = kRootInode) {
    const InodeNumber ino = fs.File(name, parent);
    fs->Forget(ino, 1);
    return ino;
  }
  // Closes nothing first.
  void PullThePlug(const lsm::SimCrashOptions& how) {
    auto after = fs.disk().CrashClone(1, how);
    fs.Close();
    fs.ReplaceDisk(std::move(after));
    fs.Open();
  }
};

TEST_P(InodeCountTest, FollowsWhatIsMadeAndDeleted) {
  EXPECT_EQ(Used(), 1u) << "the root";
  InodeNumber file = Make("file");
  fs.Directory("directory");
  EXPECT_EQ(Used(), 3u);
  ASSERT_TRUE(fs->MakeSymlink(kRoot, kRootInode, "link", "file"));
  ASSERT_TRUE(fs->MakeNode(kRoot, kRootInode, "pipe", S_IFIFO | 0600, 0));
  EXPECT_EQ(Used(), 5u);
  ASSERT_TRUE(fs->Link(file, kRootInode, "hard"));
  EXPECT_EQ(Used(), 5u) << "a second name is no second inode";
  fs->Forget(file, 1);  // of Link
  ASSERT_TRUE(fs->Unlink(kRootInode, "file"));
  EXPECT_EQ(Used(), 5u);
  ASSERT_TRUE(fs->Unlink(kRootInode, "hard"));
  EXPECT_EQ(Used(), 4u);
  ASSERT_TRUE(fs->RemoveDirectory(kRootInode, "directory"));
  fs.Reopen();
  EXPECT_EQ(Used(), 3u);
  EXPECT_EQ(ErrorOf(fs->MakeDirectory(kRoot, kRootInode, "pipe", 0700)), EEXIST);
  EXPECT_EQ(ErrorOf(fs->Unlink(kRootInode, "nothing")), ENOENT);
  EXPECT_EQ(Used(), 3u) << "what fails changes nothing";
}

TEST_P(InodeCountTest, RenamesThatReplaceOrLeaveAWhiteout) {
  Make("a");
  Make("b");
  ASSERT_TRUE(fs->Rename(kRoot, kRootInode, "a", kRootInode, "b", 0));
  EXPECT_EQ(Used(), 2u);
  ASSERT_TRUE(fs->Rename(kRoot, kRootInode, "b", kRootInode, "c", kWhiteout));
  EXPECT_EQ(Used(), 3u);
  fs.Reopen();
  EXPECT_EQ(Used(), 3u);
}

TEST_P(InodeCountTest, AnOrphanCountsUntilItIsForgottenOrTheMountEnds) {
  auto held = fs->MakeNode(kRoot, kRootInode, "held", S_IFREG | 0600, 0);
  ASSERT_TRUE(held);
  ASSERT_TRUE(fs->Unlink(kRootInode, "held"));
  auto temporary = fs->MakeTemporary(kRoot, kRootInode, 0600);
  ASSERT_TRUE(temporary);
  EXPECT_EQ(Used(), 3u);
  fs->Forget(held->ino, 1);
  EXPECT_EQ(Used(), 2u);
  fs.Reopen();
  EXPECT_EQ(Used(), 1u);
}

TEST_P(InodeCountTest, ManyAreCountedInTheBackground) {
  const InodeNumber directory = fs.Directory("d");
  for (int i = 0; i < 6000; ++i) Make(std::to_string(i), directory);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(fs->Unlink(directory, std::to_string(i)));
  EXPECT_EQ(Used(), 5002u);
  fs.Reopen();
  // While it may still count.
  for (int i = 1000; i < 1500; ++i) ASSERT_TRUE(fs->Unlink(directory, std::to_string(i)));
  for (int i = 0; i < 10; ++i) Make("new" + std::to_string(i), directory);
  ASSERT_TRUE(fs->Stat());
  EXPECT_EQ(Used(), 4512u);
  fs.Reopen();
  fs.Close();  // gives the count up
}

TEST_P(InodeCountTest, WhatIsMadeAndErasedDuringTheCountIsCountedOnce) {
  for (int i = 0; i < 100; ++i) Make(std::to_string(i));
  RecordStore records(&fs->db(), {});
  InodeCount count(&records, 1);
  count.Start();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(fs->Unlink(kRootInode, std::to_string(i)));
    count.Erased();
  }
  Make("new");
  count.Created();
  count.Wait(minutes(1));
  EXPECT_EQ(count.Get(), InodeKeys(fs->db()));
  EXPECT_EQ(count.Get(), 42u);
}

SILT_FS_BACKENDS(InodeCountTest);

class InodeCountCrashTest : public InodeCountTest {};

TEST_P(InodeCountCrashTest, IsExactAfterKillAndPowerCut) {
  using Keep = lsm::SimCrashOptions::Keep;
  std::mt19937 random(1);
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 60; ++i) {
      const std::string name = std::to_string(random() % 50);
      if (auto made = fs->MakeNode(kRoot, kRootInode, name, S_IFREG | 0600, 0)) {
        if (random() % 4 != 0) fs->Forget(made->ino, 1);
      } else {
        ASSERT_TRUE(fs->Unlink(kRootInode, name));
      }
      if (i == 30) {
        ASSERT_TRUE(fs->SyncAll());
      }
    }
    Used();
    const Keep keep = round % 2 == 0 ? Keep::kAll : Keep::kRandom;
    PullThePlug({.data = keep, .names = keep});
    EXPECT_GT(Used(), 1u);
    fs.ExpectConsistent();
  }
}

INSTANTIATE_TEST_SUITE_P(, InodeCountCrashTest, ::testing::Values(Backend::kEngine),
                         [](const auto&) { return "Engine"; });

}  // namespace
}  // namespace silt::fs::test
