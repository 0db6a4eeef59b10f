// Snapshots and scans go on seeing what they saw, whatever is overwritten, flushed, compacted or deleted meanwhile.
#include <fmt/format.h>

#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

using SnapshotTest = DbTest;

TEST_F(SnapshotTest, EachSeesTheNewestVersionOfItsTime) {
  Open();
  std::vector<const Snapshot*> snapshots;
  for (int version = 0; version < 6; ++version) {
    for (int i = 0; i < 50; ++i) {
      if (version == 4) {
        Delete(fmt::format("k{:02}", i));
      } else {
        Put(fmt::format("k{:02}", i), fmt::format("{}.{}", version, i));
        Put(fmt::format("k{:02}", i), std::to_string(version));
      }
    }
    snapshots.push_back(db_->GetSnapshot());
    if (version % 2 == 1) {
      ASSERT_TRUE(db_->Flush().ok());
    }
  }
  auto check = [&] {
    for (size_t version = 0; version < snapshots.size(); ++version) {
      if (snapshots[version] == nullptr) continue;
      std::string expected = version == 4 ? "-" : std::to_string(version);
      for (const char* key : {"k00", "k27", "k49"}) ASSERT_EQ(Get(key, 0, snapshots[version]), expected) << version;
      ASSERT_EQ(Scan({.snapshot = snapshots[version]}).empty(), version == 4);
    }
  };
  check();
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  check();
  EXPECT_GT(db_->GetStats().families[0].levels[kNumLevels - 1].entries, 250u);
  for (size_t gone : {1, 3, 4, 0, 2, 5}) {
    db_->ReleaseSnapshot(snapshots[gone]);
    snapshots[gone] = nullptr;
    Put("another", "one");
    ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
    check();
  }
  EXPECT_EQ(Get("k00"), "5");
  EXPECT_EQ(db_->GetStats().snapshots, 0u);
}

// Nobody writes any more: it is the release that makes the deletions worth compacting.
TEST_F(SnapshotTest, ReleasingTheLastOneLetsCompactionReclaimWhatItHeld) {
  Open();
  for (int i = 0; i < 500; ++i) Put(fmt::format("k{:04}", i), std::string(100, 'v'));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  const Snapshot* snapshot = db_->GetSnapshot();
  for (int i = 0; i < 500; ++i) Delete(fmt::format("k{:04}", i));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  auto entries = [&] {
    uint64_t sum = 0;
    DbStats stats = db_->GetStats();
    for (const LevelStats& level : stats.families[0].levels) sum += level.entries;
    return sum;
  };
  EXPECT_GE(entries(), 1000u);
  EXPECT_EQ(Get("k0100", 0, snapshot), std::string(100, 'v'));
  db_->ReleaseSnapshot(snapshot);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_EQ(entries(), 0u);
}

// 20,000 deletions in a row once made a seek behind them take milliseconds (rocksdb#10300): nothing of them stays.
TEST_F(SnapshotTest, DeletedKeysDoNotPileUpInFrontOfLaterSeeks) {
  Open();
  for (int i = 0; i < 20'000; ++i) Put(fmt::format("dir/{:06}", i), "v");
  Put("next", "v");
  for (int i = 0; i < 20'000; ++i) Delete(fmt::format("dir/{:06}", i));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  uint64_t tombstones = 0;
  DbStats stats = db_->GetStats();
  for (const LevelStats& level : stats.families[0].levels) tombstones += level.tombstones;
  EXPECT_LT(tombstones, 200u);
  EXPECT_EQ(Scan(), "next=v ");
}

TEST_F(SnapshotTest, ThePinThatIsHeldLongestIsToldByItsAge) {
  Open();
  Put("a", "1");
  EXPECT_EQ(db_->GetStats().oldest_pin_seconds, 0u);
  const Snapshot* snapshot = db_->GetSnapshot();
  clock_.SleepMicros(100'000'000);
  auto it = db_->NewIterator({}, 0);
  clock_.SleepMicros(50'000'000);
  EXPECT_GE(db_->GetStats().oldest_pin_seconds, 150u);
  EXPECT_EQ(db_->GetStats().snapshots, 1u);
  db_->ReleaseSnapshot(snapshot);
  uint64_t of_the_iterator = db_->GetStats().oldest_pin_seconds;
  EXPECT_GE(of_the_iterator, 50u);
  EXPECT_LT(of_the_iterator, 150u);
  it.reset();
  EXPECT_EQ(db_->GetStats().oldest_pin_seconds, 0u);
}

TEST_F(SnapshotTest, AScanKeepsItsTablesAndThenTheyAreDeleted) {
  Open();
  for (int i = 0; i < 1000; ++i) Put(fmt::format("k{:05}", i), "old");
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  auto it = db_->NewIterator({}, 0);
  it->SeekToFirst();
  for (int i = 0; i < 1000; ++i) Put(fmt::format("k{:05}", i), "new");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  int seen = 0;
  for (; it->Valid(); it->Next(), ++seen) ASSERT_EQ(it->value(), "old");
  EXPECT_TRUE(it->status().ok());
  EXPECT_EQ(seen, 1000);
  size_t while_scanned = FilesEndingWith(".sst").size();
  it.reset();
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_LT(FilesEndingWith(".sst").size(), while_scanned);
  uint64_t live = 0;
  DbStats stats = db_->GetStats();
  for (const LevelStats& level : stats.families[0].levels) live += level.files;
  EXPECT_EQ(FilesEndingWith(".sst").size(), live);
}

// At whatever moment the power goes: what is at the copy's place is no store, or has everything.
TEST_F(SnapshotTest, AnInterruptedCheckpointIsNoStore) {
  Open();
  for (int i = 0; i < 50; ++i) Put(fmt::format("k{:02}", i), "v");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  Put("later", "v", 1);
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  std::string expected = Scan();
  db_.reset();
  auto whole = disk_->CrashClone(1, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
  int interrupted = 0;
  for (uint64_t cut = 0;; ++cut) {
    disk_ = whole->CrashClone(1);
    options_.storage = disk_.get();
    options_.create_if_missing = true;
    Open();
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    disk_->CutPowerAt(disk_->OperationCount() + cut);
    bool done = db_->Checkpoint("/copy").ok();
    disk_->CutPower();
    db_.reset();
    options_.create_if_missing = false;
    for (uint64_t seed = 0; seed < 8; ++seed) {
      auto after = disk_->CrashClone(seed);
      options_.storage = after.get();
      auto copy = Db::Open(options_, "/copy");
      if (!copy) {
        EXPECT_TRUE(copy.error().IsNotFound()) << copy.error().ToString();
        EXPECT_FALSE(done) << "a copy that was acknowledged is gone";
        ++interrupted;
        continue;
      }
      db_ = std::move(*copy);
      EXPECT_EQ(Scan(), expected) << "power cut at operation " << cut << ", seed " << seed;
      EXPECT_EQ(Get("later", 1), "v");
      db_.reset();
    }
    if (done || HasFailure()) break;
  }
  EXPECT_GT(interrupted, 10);
}

TEST_F(SnapshotTest, ACheckpointIsAStoreOfItsOwn) {
  Open();
  for (int i = 0; i < 500; ++i) Put(fmt::format("k{:05}", i), "old", static_cast<FamilyId>(i % 2));
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  EXPECT_EQ(db_->Checkpoint("/copy").code(), StatusCode::kInvalidArgument);
  for (int i = 0; i < 500; ++i) Put(fmt::format("k{:05}", i), "new", static_cast<FamilyId>(i % 2));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  Crash(3);  // it was durable when the call returned
  for (const char* path : {"/copy", kStore}) {
    Options options = options_;
    options.create_if_missing = false;
    auto db = Db::Open(options, path);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    for (int i = 0; i < 500; ++i) {
      PinnedValue value;
      ASSERT_TRUE((*db)->Get({}, static_cast<FamilyId>(i % 2), fmt::format("k{:05}", i), &value).ok());
      if (path != kStore) {
        ASSERT_EQ(value.view(), "old");
      }
    }
    ASSERT_TRUE((*db)->Put(0, "k00000", "mine").ok());
    ASSERT_TRUE((*db)->Flush().ok());
  }
}

}  // namespace
}  // namespace silt::lsm
