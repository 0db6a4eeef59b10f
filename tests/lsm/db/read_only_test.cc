// A read-only open beside the process that has the store open and goes on working.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

std::string Key(int i) {
  return fmt::format("key{:04}", i);
}

class ReadOnlyTest : public DbTest {
 protected:
  static constexpr int kKeys = 40;

  ReadOnlyTest() { options_.disable_auto_compaction = true; }
  ~ReadOnlyTest() override { disk_->SetReadHook(nullptr); }

  // Four tables, each over all keys, and some more keys in the WAL.
  void Fill() {
    Open();
    for (int table = 0; table < 4; ++table) {
      for (int i = table; i < kKeys; i += 4) Put(Key(i), "old");
      ASSERT_TRUE(db_->Flush().ok());
    }
    Put("logged", "old");
  }
  // What the owner does: afterwards no file is left that a MANIFEST named before, and the WALs have been recycled.
  void ReplaceAllFiles(const std::string& value) {
    std::vector<std::string> before = FilesEndingWith(".sst");
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < kKeys; ++i) Put(Key(i), value);
      Put("logged", value);
      ASSERT_TRUE(db_->Flush().ok());
    }
    ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    for (const std::string& name : before) ASSERT_FALSE(disk_->FileExists(name)) << name;
  }
  Result<std::unique_ptr<Db>> OpenBeside() {
    Options options = options_;
    options.read_only = true;
    return Db::Open(options, kStore);
  }
  // The owner works when the reader is about to make its read number `when` (from 0), and not again; not at all when
  // the reader makes fewer.
  Result<std::unique_ptr<Db>> OpenWhileTheOwnerWorks(int when, bool* worked) {
    int reads = 0;
    *worked = false;
    disk_->SetReadHook([&](const std::string&, uint64_t, size_t) {
      if (*worked || reads++ != when) return Status::Ok();
      *worked = true;  // the owner's own reads come here, too
      ReplaceAllFiles("new");
      return Status::Ok();
    });
    auto db = OpenBeside();
    disk_->SetReadHook(nullptr);
    return db;
  }
  // Of all keys; "mixed" when they do not have the same.
  static std::string ValueIn(Db* db) {
    auto it = db->NewIterator({}, 0);
    std::string all;
    int count = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++count) {
      if (count > 0 && it->value() != all) return "mixed";
      all = it->value();
    }
    if (!it->status().ok()) return it->status().ToString();
    return count == kKeys + 1 ? all : fmt::format("{} keys of {}", count, kKeys + 1);
  }
};

TEST_F(ReadOnlyTest, SeesOneMomentWhateverTheOwnerDoesBetweenAnyTwoOfItsReads) {
  Fill();
  bool worked = true;
  int when = 0;
  int sent_back = 0;
  for (; worked; ++when) {
    ASSERT_NO_FATAL_FAILURE(ReplaceAllFiles("old"));
    for (int i = 0; i < kKeys; i += 4) Put(Key(i), "old");
    Delete("logged");
    ASSERT_TRUE(db_->Flush().ok());
    Put("logged", "old");  // in the WAL alone
    auto beside = OpenWhileTheOwnerWorks(when, &worked);
    ASSERT_TRUE(beside.has_value()) << when << ": " << beside.error().ToString();
    std::string value = ValueIn(beside->get());
    EXPECT_TRUE(value == "old" || (worked && value == "new")) << when << ": " << value;
    sent_back += value == "new" ? 1 : 0;
  }
  EXPECT_GT(when, 5);
  EXPECT_GT(sent_back, 2);
}

TEST_F(ReadOnlyTest, WhatItHasOpenIsReadAfterTheOwnerHasDeletedIt) {
  Fill();
  auto beside = OpenBeside();
  ASSERT_TRUE(beside.has_value()) << beside.error().ToString();
  ASSERT_NO_FATAL_FAILURE(ReplaceAllFiles("new"));
  EXPECT_EQ(ValueIn(beside->get()), "old");
  PinnedValue value;
  ASSERT_TRUE((*beside)->Get({}, 0, Key(7), &value).ok());
  EXPECT_EQ(value.view(), "old");
  std::string damage;
  auto tell = [&](const std::string& file, const Status& what) { damage += file + ": " + what.ToString() + "\n"; };
  ASSERT_TRUE((*beside)->Verify({.damage = tell, .progress = {}}).ok());
  EXPECT_EQ(damage, "");
  EXPECT_EQ(ValueIn(db_.get()), "new");
}

TEST_F(ReadOnlyTest, ATableThatItMayNotKeepOpenIsMissedByName) {
  Fill();
  options_.max_open_tables = 3;
  auto beside = OpenBeside();
  ASSERT_TRUE(beside.has_value()) << beside.error().ToString();
  ASSERT_NO_FATAL_FAILURE(ReplaceAllFiles("new"));
  EXPECT_THAT(ValueIn(beside->get()), testing::MatchesRegex("corruption: [0-9]+\\.sst is missing"));
}

TEST_F(ReadOnlyTest, DoesNotFollowTheOwnerForEver) {
  Fill();
  bool inside = false;
  int rounds = 0;
  disk_->SetReadHook([&](const std::string& path, uint64_t, size_t) {
    if (inside || !path.ends_with(".sst")) return Status::Ok();
    inside = true;
    ReplaceAllFiles(std::to_string(++rounds));
    Put(Key(0), "0");  // a second table, for the one that is being opened was found
    EXPECT_TRUE(db_->Flush().ok());
    inside = false;
    return Status::Ok();
  });
  auto beside = OpenBeside();
  disk_->SetReadHook(nullptr);
  ASSERT_FALSE(beside.has_value());
  EXPECT_EQ(beside.error().code(), StatusCode::kBusy) << beside.error().ToString();
  EXPECT_GE(rounds, 3);
  EXPECT_LE(rounds, 20);
}

TEST_F(ReadOnlyTest, ATableThatIsMissingForGoodIsDamage) {
  Fill();
  std::string table = FilesEndingWith(".sst").front();
  db_.reset();
  ASSERT_TRUE(disk_->DeleteFile(table).ok());
  int manifest_reads = 0;
  disk_->SetReadHook([&](const std::string& path, uint64_t, size_t) {
    manifest_reads += path.ends_with("/CURRENT") ? 1 : 0;
    return Status::Ok();
  });
  auto beside = OpenBeside();
  disk_->SetReadHook(nullptr);
  ASSERT_FALSE(beside.has_value());
  EXPECT_TRUE(beside.error().IsCorruption());
  EXPECT_THAT(beside.error().message(), testing::HasSubstr(table.substr(table.rfind('/') + 1) + " is missing"));
  EXPECT_LE(manifest_reads, 4);
}

TEST_F(ReadOnlyTest, ADamagedTableIsLeftToWhoReadsIt) {
  Fill();
  std::string table = FilesEndingWith(".sst").front();
  db_.reset();
  ASSERT_TRUE(disk_->CutFile(table, 100).ok());
  auto beside = OpenBeside();
  ASSERT_TRUE(beside.has_value()) << beside.error().ToString();
  EXPECT_THAT(ValueIn(beside->get()), testing::StartsWith("corruption: " + table.substr(table.rfind('/') + 1)));
}

}  // namespace
}  // namespace silt::lsm
