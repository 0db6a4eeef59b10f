// The WALs as one sequence: what recovery accepts, where it stops, and what it refuses.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lsm/filenames.h"
#include "tests/lsm/db/crash_workload.h"

namespace silt::lsm {
namespace {

class RecoveryTest : public DbTest {
 protected:
  // A store with several WALs that are all needed: flushes find no space, so that nothing becomes obsolete.
  void FillSeveralWals(bool sync) {
    options_.memtable_bytes = 4 << 10;
    options_.max_immutable_memtables = 4;
    disk_->SetFaultHook([](const SimOperation& op) -> std::optional<SimFault> {
      if (!op.path.ends_with(".sst")) return std::nullopt;
      return SimFault{Status::NoSpace("full")};
    });
    Open();
    for (int i = 0; i < kKeys && FilesEndingWith(".wal").size() < 5; ++i) {
      Put(Key(i), std::string(200, 'v'));
      written_ = i + 1;
    }
    if (sync) {
      ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
      Put("last", "1");
    }
    disk_->SetFaultHook({});
    auto copy = disk_->CrashClone(0, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
    disk_->CutPower();
    db_.reset();
    disk_ = std::move(copy);
    options_.storage = disk_.get();
    wals_ = FilesEndingWith(".wal");
    ASSERT_GE(wals_.size(), 4u);
  }

  Status TryOpen() {
    auto db = Db::Open(options_, kStore);
    if (!db) return db.error();
    db_ = std::move(*db);
    return Status::Ok();
  }
  // How many keys from the first on are there; -1 if there is a gap.
  int Prefix() {
    int found = 0;
    bool ended = false;
    for (int i = 0; i < kKeys; ++i) {
      bool there = Get(Key(i)) != "-";
      if (there && ended) return -1;
      ended = ended || !there;
      found += there ? 1 : 0;
    }
    return found;
  }

  static std::string Key(int i) { return fmt::format("key{:06}", i); }
  static constexpr int kKeys = 200;
  std::vector<std::string> wals_;
  int written_ = 0;
};

TEST_F(RecoveryTest, AllWalsAreReplayedInOrder) {
  FillSeveralWals(false);
  ASSERT_TRUE(TryOpen().ok());
  EXPECT_EQ(Prefix(), written_);
}

TEST_F(RecoveryTest, AMissingWalInTheMiddleIsRefusedByName) {
  FillSeveralWals(false);
  ASSERT_TRUE(disk_->DeleteFile(wals_[1]).ok());
  Status status = TryOpen();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find("000003.wal is missing"), std::string::npos) << status.message();
}

TEST_F(RecoveryTest, AMissingFirstWalIsRefusedWhenTheManifestNamesIt) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  Put("b", "2");
  Kill();
  for (const std::string& wal : FilesEndingWith(".wal")) ASSERT_TRUE(disk_->DeleteFile(wal).ok());
  Status status = TryOpen();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find(".wal is missing"), std::string::npos) << status.message();
}

TEST_F(RecoveryTest, AnUnsyncedWalThatEndsEarlyEndsTheSequence) {
  FillSeveralWals(false);
  ASSERT_TRUE(disk_->CutFile(wals_[1], 600).ok());
  ASSERT_TRUE(TryOpen().ok());
  int prefix = Prefix();
  EXPECT_GT(prefix, 0);
  EXPECT_LT(prefix, written_ / 2);
  // And it stays so: what follows is written behind that end.
  Put(Key(prefix), "new");
  Kill();
  ASSERT_TRUE(TryOpen().ok());
  EXPECT_EQ(Prefix(), prefix + 1);
}

TEST_F(RecoveryTest, ASyncedWalThatEndsEarlyIsDamage) {
  FillSeveralWals(true);
  ASSERT_TRUE(disk_->CutFile(wals_[1], 600).ok());
  Status status = TryOpen();
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find("000003.wal"), std::string::npos) << status.message();
}

TEST_F(RecoveryTest, AReadOnlyOpenOfATornSequenceDiscardsNothing) {
  FillSeveralWals(false);
  ASSERT_TRUE(disk_->CutFile(wals_[1], 600).ok());
  std::vector<std::string> before = disk_->AllFiles();
  options_.read_only = true;
  ASSERT_TRUE(TryOpen().ok());
  EXPECT_GT(Prefix(), 0);
  db_.reset();
  EXPECT_EQ(disk_->AllFiles(), before);
}

TEST_F(RecoveryTest, RecoveringTwiceFindsTheSame) {
  FillSeveralWals(false);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(TryOpen().ok());
    ASSERT_EQ(Prefix(), written_);
    Kill();
  }
}

// The daemon dies before anything is synced; the machine goes on, the next daemon syncs its own writes, and then the
// power goes: nothing may be missing before what it synced.
TEST_F(RecoveryTest, WhatWasRecoveredIsDurableBeforeWhatFollowsIt) {
  Open();
  Put("a", "1");
  disk_->SetFaultHook([](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op != SimOp::kSync || !op.path.ends_with(".wal")) return std::nullopt;
    return SimFault{Status::IoError("killed")};
  });
  db_.reset();
  disk_->SetFaultHook({});
  Open();
  ASSERT_EQ(Get("a"), "1");
  Put("b", "2");
  ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto after = disk_->CrashClone(seed);
    Options options = options_;
    options.storage = after.get();
    auto db = Db::Open(options, kStore);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    for (const char* key : {"a", "b"}) {
      PinnedValue value;
      ASSERT_TRUE((*db)->Get({}, 0, key, &value).ok()) << key << ", seed " << seed;
    }
  }
}

// At every moment of making a store, whatever the power cut keeps: there is none, or an empty one.
TEST_F(RecoveryTest, ACrashWhileAStoreIsCreatedLeavesOneThatCanBeCreated) {
  std::set<std::string> kinds;
  for (uint64_t at = 0;; ++at) {
    auto disk = std::make_unique<SimStorage>();
    options_.storage = disk.get();
    disk->CutPowerAt(at);
    bool done = Db::Open(options_, kStore).has_value() && !disk->PowerIsOff();
    disk->CutPower();
    for (uint64_t seed = 0; seed < 6; ++seed) {
      auto after = disk->CrashClone(seed);
      options_.storage = after.get();
      options_.create_if_missing = false;
      auto existing = Db::Open(options_, kStore);
      ASSERT_TRUE(existing.has_value() || existing.error().IsNotFound()) << existing.error().ToString();
      bool exists = existing.has_value();
      EXPECT_TRUE(StoreExists(options_, kStore) || !exists);
      existing = {};
      options_.create_if_missing = true;
      options_.error_if_exists = true;
      auto made = Db::Open(options_, kStore);
      EXPECT_EQ(made.has_value(), !exists) << "power cut at operation " << at << ", seed " << seed;
      options_.error_if_exists = false;
      made = {};
      auto db = Db::Open(options_, kStore);
      ASSERT_TRUE(db.has_value()) << db.error().ToString();
      EXPECT_TRUE((*db)->Put(0, "a", "1").ok() && (*db)->Flush().ok());
      kinds.insert(exists ? "a store" : "none");
    }
    if (done) break;
  }
  EXPECT_EQ(kinds.size(), 2u);
}

TEST_F(RecoveryTest, AManifestWithoutCurrentIsNoStoreYet) {
  ASSERT_TRUE(disk_->CreateDir(kStore).ok());
  ASSERT_TRUE(disk_->NewWritableFile("/store/MANIFEST-000001").has_value());
  options_.create_if_missing = false;
  EXPECT_TRUE(TryOpen().IsNotFound());
  options_.create_if_missing = options_.error_if_exists = true;
  ASSERT_TRUE(TryOpen().ok());
  Put("a", "1");
  options_.error_if_exists = false;
  Reopen();
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(RecoveryTest, AStoreThatLostItsCurrentIsNotCreatedAnew) {
  Open();
  Put("a", "1");
  db_.reset();
  ASSERT_TRUE(disk_->DeleteFile("/store/CURRENT").ok());
  Status status = TryOpen();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("CURRENT"), std::string::npos) << status.message();
  ASSERT_TRUE(Repair(options_, kStore).has_value());
  Open();
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(RecoveryTest, LeftoversOfInterruptedWorkAreSwept) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  db_.reset();
  for (const char* name : {"/store/000900.sst", "/store/000901.tmp", "/store/MANIFEST-000902", "/store/notes.txt"}) {
    ASSERT_TRUE(disk_->NewWritableFile(name).has_value());
  }
  Open();
  EXPECT_FALSE(disk_->FileExists("/store/000900.sst"));
  EXPECT_FALSE(disk_->FileExists("/store/000901.tmp"));
  EXPECT_FALSE(disk_->FileExists("/store/MANIFEST-000902"));
  EXPECT_TRUE(disk_->FileExists("/store/notes.txt"));  // not ours
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(RecoveryTest, ObsoleteWalsAreRecycled) {
  Open();
  for (int i = 0; i < 2000; ++i) Put(Key(i % 200), std::string(200, 'v'));
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_GT(disk_->OperationCount(SimOp::kReuse), 3u);
  EXPECT_LE(FilesEndingWith(".wal").size(), 6u);
  Kill();
  Open();
  EXPECT_EQ(Get(Key(199)), std::string(200, 'v'));
}

}  // namespace
}  // namespace silt::lsm
