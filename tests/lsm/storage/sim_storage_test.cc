// The simulated disk's model of durability: what a power cut may leave, and that it does leave each of it.
#include "lsm/storage/sim_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace silt::lsm {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using Keep = SimCrashOptions::Keep;

constexpr int kSeeds = 500;
constexpr size_t kBlock = 4096;

class SimStorageTest : public ::testing::Test {
 protected:
  SimStorageTest() {
    EXPECT_TRUE(disk_.CreateDir("/d").ok());
    EXPECT_TRUE(disk_.SyncDir("/").ok());
  }

  std::unique_ptr<WritableFile> Create(const std::string& path) {
    auto file = disk_.NewWritableFile(path);
    EXPECT_TRUE(file);
    return std::move(*file);
  }
  void WriteDurably(const std::string& path, std::string_view data) {
    auto file = Create(path);
    ASSERT_TRUE(file->Append(data).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(disk_.SyncDir("/d").ok());
  }
  // The contents after power cuts at many seeds; "-" where the file is gone.
  std::set<std::string> Outcomes(const std::string& path, const SimCrashOptions& options = {}) {
    std::set<std::string> outcomes;
    for (int seed = 0; seed < kSeeds; ++seed) {
      auto after = disk_.CrashClone(static_cast<uint64_t>(seed), options);
      outcomes.insert(ReadFileToString(after.get(), path).value_or("-"));
    }
    return outcomes;
  }
  // The names in /d after power cuts, each set as "a b c ".
  std::set<std::string> NameOutcomes(const SimCrashOptions& options = {}) {
    std::set<std::string> outcomes;
    for (int seed = 0; seed < kSeeds; ++seed) {
      auto after = disk_.CrashClone(static_cast<uint64_t>(seed), options);
      std::string names;
      for (const std::string& name : after->AllFiles()) names.append(name.substr(3)).append(" ");
      outcomes.insert(names);
    }
    return outcomes;
  }

  SimStorage disk_;
};

TEST_F(SimStorageTest, WhatWasSyncedStays) {
  WriteDurably("/d/a", "durable");
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("durable"));
  EXPECT_THAT(Outcomes("/d/a", {.data = Keep::kNone, .names = Keep::kNone}), ElementsAre("durable"));
}

TEST_F(SimStorageTest, AMissingSyncShows) {
  auto file = Create("/d/a");
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  ASSERT_TRUE(file->Append("never synced").ok());
  auto outcomes = Outcomes("/d/a");
  EXPECT_THAT(outcomes, Contains(""));
  EXPECT_THAT(outcomes, Contains("never synced"));
  EXPECT_THAT(outcomes, Contains(std::string(12, '\0'))) << "the size without the bytes";
  EXPECT_THAT(Outcomes("/d/a", {.data = Keep::kAll}), ElementsAre("never synced"));
  EXPECT_THAT(Outcomes("/d/a", {.data = Keep::kNone}), ElementsAre(""));
}

TEST_F(SimStorageTest, AMissingSyncDirShows) {
  auto file = Create("/d/a");
  ASSERT_TRUE(file->Append("x").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("-", "x"));
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("x"));
}

TEST_F(SimStorageTest, ANewDirectoryNeedsItsParentsSync) {
  ASSERT_TRUE(disk_.CreateDir("/d/sub").ok());
  auto file = Create("/d/sub/a");
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(disk_.SyncDir("/d/sub").ok());
  EXPECT_THAT(Outcomes("/d/sub/a"), ElementsAre("", "-"));
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  EXPECT_THAT(Outcomes("/d/sub/a"), ElementsAre(""));
}

TEST_F(SimStorageTest, BlocksSurviveOneByOne) {
  auto file = Create("/d/a");
  ASSERT_TRUE(file->Append(std::string(3 * kBlock, 'o')).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  auto again = disk_.ReuseWritableFile("/d/a", "/d/a");
  ASSERT_TRUE(again);
  ASSERT_TRUE((*again)->Append(std::string(3 * kBlock, 'n')).ok());
  std::set<std::string> heads;
  for (const std::string& outcome : Outcomes("/d/a")) {
    ASSERT_EQ(outcome.size(), 3 * kBlock);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(outcome.substr(i * kBlock, kBlock), std::string(kBlock, outcome[i * kBlock])) << "no torn blocks";
    }
    heads.insert({outcome[0], outcome[kBlock], outcome[2 * kBlock]});
  }
  EXPECT_EQ(heads.size(), 8u) << "every combination of old and new";
}

TEST_F(SimStorageTest, SectorsTearWhenAsked) {
  WriteDurably("/d/a", std::string(kBlock, 'o'));
  auto again = disk_.ReuseWritableFile("/d/a", "/d/a");
  ASSERT_TRUE((*again)->Append(std::string(kBlock, 'n')).ok());
  bool torn = false;
  for (const std::string& outcome : Outcomes("/d/a", {.tear_sectors = true})) {
    for (size_t at = 0; at < kBlock; at += 512) ASSERT_EQ(outcome.substr(at, 512), std::string(512, outcome[at]));
    torn = torn || (outcome.find('o') != std::string::npos && outcome.find('n') != std::string::npos);
  }
  EXPECT_TRUE(torn);
  EXPECT_EQ(Outcomes("/d/a").size(), 2u);
}

TEST_F(SimStorageTest, ABlockMaySurviveInAnyStateThatItWentThrough) {
  auto file = Create("/d/a");
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  ASSERT_TRUE(file->Append("one").ok());
  ASSERT_TRUE(file->Append("two").ok());
  auto outcomes = Outcomes("/d/a");
  EXPECT_THAT(outcomes, Contains("one"));
  EXPECT_THAT(outcomes, Contains(std::string("one\0\0\0", 6)));
  EXPECT_THAT(outcomes, Contains("onetwo"));
  EXPECT_THAT(outcomes, Not(Contains(std::string("\0\0\0two", 6))));
}

TEST_F(SimStorageTest, LostBlocksOfARecycledFileShowTheOldBytes) {
  WriteDurably("/d/old", std::string(2 * kBlock, 'o'));
  auto file = disk_.ReuseWritableFile("/d/old", "/d/new");
  ASSERT_TRUE(file);
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  ASSERT_TRUE((*file)->Append(std::string(kBlock + 100, 'n')).ok());
  EXPECT_THAT(Outcomes("/d/new", {.data = Keep::kNone}), ElementsAre(std::string(2 * kBlock, 'o')));
  EXPECT_THAT(Outcomes("/d/new", {.data = Keep::kAll}),
              ElementsAre(std::string(kBlock + 100, 'n') + std::string(kBlock - 100, 'o')));
}

TEST_F(SimStorageTest, UnsyncedTruncationMayBeLost) {
  WriteDurably("/d/a", "0123456789");
  auto file = disk_.ReuseWritableFile("/d/a", "/d/a");
  ASSERT_TRUE((*file)->Truncate(4).ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("0123", "0123456789"));
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("0123"));
}

TEST_F(SimStorageTest, NothingComesBackFromBehindASyncedTruncation) {
  WriteDurably("/d/a", "AAAAAAAA");
  auto file = Create("/d/a");  // truncates
  ASSERT_TRUE(file->Append("B").ok());
  ASSERT_TRUE(file->Preallocate(4).ok());
  EXPECT_THAT(Outcomes("/d/a", {.data = Keep::kAll}), ElementsAre(std::string("B\0\0\0", 4)));
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre(std::string("B\0\0\0", 4)));
}

TEST_F(SimStorageTest, EachUnsyncedNameHasAFateOfItsOwn) {
  for (const char* path : {"/d/a", "/d/b", "/d/c"}) Create(path);
  EXPECT_THAT(NameOutcomes(), ElementsAre("", "a ", "a b ", "a b c ", "a c ", "b ", "b c ", "c "));
  EXPECT_THAT(NameOutcomes({.names = Keep::kAll}), ElementsAre("a b c "));
  EXPECT_THAT(NameOutcomes({.names = Keep::kNone}), ElementsAre(""));
}

TEST_F(SimStorageTest, UnsyncedDeletionsMayComeBack) {
  WriteDurably("/d/a", "x");
  ASSERT_TRUE(disk_.DeleteFile("/d/a").ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("-", "x"));
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("-"));
}

TEST_F(SimStorageTest, RenamesAreAtomicAndReplaceAtomically) {
  WriteDurably("/d/current", "old");
  WriteDurably("/d/tmp", "new");
  ASSERT_TRUE(disk_.RenameFile("/d/tmp", "/d/current").ok());
  EXPECT_THAT(NameOutcomes(), ElementsAre("current ", "current tmp "));
  EXPECT_THAT(Outcomes("/d/current"), ElementsAre("new", "old"));
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  EXPECT_THAT(Outcomes("/d/current"), ElementsAre("new"));
}

TEST_F(SimStorageTest, ARenameMayPrecedeTheContentsOfWhatItRenames) {
  auto file = Create("/d/tmp");
  ASSERT_TRUE(file->Append("new").ok());
  ASSERT_TRUE(disk_.RenameFile("/d/tmp", "/d/current").ok());
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  EXPECT_THAT(Outcomes("/d/current"), Contains(""));
}

TEST_F(SimStorageTest, RenamesBetweenDirectoriesLoseNothing) {
  ASSERT_TRUE(disk_.CreateDir("/d/lost").ok());
  WriteDurably("/d/a", "x");
  ASSERT_TRUE(disk_.RenameFile("/d/a", "/d/lost/a").ok());
  EXPECT_THAT(NameOutcomes(), ElementsAre("a ", "lost/a "));
  auto with_target_synced = disk_.CrashClone(0, {.names = Keep::kNone});
  EXPECT_THAT(with_target_synced->AllFiles(), ElementsAre("/d/a"));
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  EXPECT_THAT(NameOutcomes(), ElementsAre("lost/a ")) << "SyncDir of the old directory makes both durable";
}

TEST_F(SimStorageTest, SyncOfOnlyTheNewDirectoryMayLeaveBothNames) {
  ASSERT_TRUE(disk_.CreateDir("/d/lost").ok());
  WriteDurably("/d/a", "x");
  ASSERT_TRUE(disk_.RenameFile("/d/a", "/d/lost/a").ok());
  ASSERT_TRUE(disk_.SyncDir("/d/lost").ok());
  EXPECT_THAT(NameOutcomes(), ElementsAre("a lost/a ", "lost/a "));
}

TEST_F(SimStorageTest, HardLinksStayHardLinks) {
  WriteDurably("/d/a", "x");
  ASSERT_TRUE(disk_.LinkFile("/d/a", "/d/b").ok());
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  auto after = disk_.CrashClone(1);
  EXPECT_EQ(after->UsedBytes(), kBlock);
  ASSERT_TRUE(after->Overwrite("/d/a", 0, "y").ok());
  EXPECT_EQ(ReadFileToString(after.get(), "/d/b"), "y");
}

TEST_F(SimStorageTest, TheSameSeedGivesTheSameDisk) {
  auto file = Create("/d/a");
  ASSERT_TRUE(file->Append(std::string(50 * kBlock, 'x')).ok());
  ASSERT_TRUE(disk_.SyncDir("/d").ok());
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto one = disk_.CrashClone(seed);
    auto two = disk_.CrashClone(seed);
    EXPECT_EQ(ReadFileToString(one.get(), "/d/a").value_or("-"), ReadFileToString(two.get(), "/d/a").value_or("-"));
  }
}

TEST_F(SimStorageTest, ClonesAndTheirOriginalDoNotShareFates) {
  WriteDurably("/d/a", "original");
  auto clone = disk_.CrashClone(1);
  auto file = clone->ReuseWritableFile("/d/a", "/d/a");
  ASSERT_TRUE((*file)->Append("CLONE").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(ReadFileToString(&disk_, "/d/a"), "original");
  auto mine = disk_.ReuseWritableFile("/d/a", "/d/b");
  ASSERT_TRUE((*mine)->Append("mine").ok());
  EXPECT_EQ(ReadFileToString(clone.get(), "/d/a"), "CLONEnal");
  EXPECT_THAT(Outcomes("/d/a", {.data = Keep::kNone, .names = Keep::kNone}), ElementsAre("original"));
}

TEST_F(SimStorageTest, LocksAreGoneAfterThePowerCut) {
  auto lock = disk_.LockFile("/d/LOCK", "me");
  ASSERT_TRUE(lock);
  EXPECT_FALSE(disk_.LockFile("d//LOCK", "you"));
  auto after = disk_.CrashClone(1);
  EXPECT_TRUE(after->LockFile("/d/LOCK", "you"));
}

TEST_F(SimStorageTest, DamageIsDurable) {
  WriteDurably("/d/a", "abc");
  ASSERT_TRUE(disk_.FlipBit("/d/a", 1, 0).ok());
  EXPECT_EQ(ReadFileToString(&disk_, "/d/a"), "acc");
  EXPECT_THAT(Outcomes("/d/a", {.data = Keep::kNone}), ElementsAre("acc"));
  ASSERT_TRUE(disk_.CutFile("/d/a", 2).ok());
  EXPECT_THAT(Outcomes("/d/a"), ElementsAre("ac"));
  EXPECT_EQ(disk_.FlipBit("/d/a", 2, 0).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(disk_.FlipBit("/d/none", 0, 0).code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace silt::lsm
