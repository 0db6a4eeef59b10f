// Range deletions through memtables, tables, snapshots and compactions; and scans past them.
#include <fmt/format.h>

#include <random>

#include "lsm/compaction/picker.h"
#include "tests/lsm/db/crash_workload.h"

namespace silt::lsm {
namespace {

class RangeDeleteTest : public DbTest {
 protected:
  static std::string Key(int i) { return fmt::format("k{:05}", i); }
};

TEST_F(RangeDeleteTest, HidesWhatWasThereAndNotWhatComesLater) {
  Open();
  for (const char* key : {"a", "b", "c", "d"}) Put(key, "1");
  DeleteRange("b", "d");
  EXPECT_EQ(Scan(), "a=1 d=1 ");
  Put("c", "2");
  EXPECT_EQ(Scan(), "a=1 c=2 d=1 ");
  EXPECT_EQ(ScanBack(), "d=1 c=2 a=1 ");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Scan(), "a=1 c=2 d=1 ");
  EXPECT_EQ(Get("b"), "-");
  Reopen();
  EXPECT_EQ(ScanBack(), "d=1 c=2 a=1 ");
}

TEST_F(RangeDeleteTest, APutUnderATombstoneDoesNotComeBackAfterAFlush) {
  options_.disable_auto_compaction = true;
  Open();
  Put("k", "old");
  ASSERT_TRUE(db_->Flush().ok());
  Put("k", "newer");
  DeleteRange("a", "z");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Get("k"), "-");
  EXPECT_EQ(Scan(), "");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  EXPECT_EQ(Get("k"), "-");
  EXPECT_EQ(db_->GetStats().families[0].levels[kNumLevels - 1].files, 0u);
}

// The calendar stands still: no tombstone gets old.
class StandingClock final : public Clock {
 public:
  uint64_t MonotonicMicros() override { return System()->MonotonicMicros(); }
  uint64_t UnixSeconds() override { return 1'700'000'000; }
  void SleepMicros(uint64_t micros) override { System()->SleepMicros(micros); }
};

TEST_F(RangeDeleteTest, AFullDiskDoesNotWaitForTombstonesToGetOld) {
  StandingClock clock;
  options_.clock = &clock;
  Open();
  auto entries = [&] {
    uint64_t count = 0;
    const DbStats stats = db_->GetStats();  // named: it must outlive the loop
    for (const LevelStats& level : stats.families[0].levels) count += level.entries;
    return count;
  };
  for (int i = 0; i < 2000; ++i) Put(Key(i), "value");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  ASSERT_EQ(entries(), 2000u);
  for (int i = 0; i < 200; ++i) Put(Key(i), "value");  // so that the tombstone is among many entries
  DeleteRange(Key(205), Key(215));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  ASSERT_GE(entries(), 2000u);
  ASSERT_TRUE(db_->ReclaimSpace().ok());
  EXPECT_EQ(entries(), 1990u);
  db_.reset();
}

TEST_F(RangeDeleteTest, OpenTellsWhatTheLogDeletes) {
  options_.disable_auto_compaction = true;
  options_.memtable_bytes = 4 << 20;
  Open();
  std::string value(1000, '\0');
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    for (char& byte : value) byte = static_cast<char>(random());
    Put(Key(i), value);
    if (i == 499) {
      ASSERT_TRUE(db_->Flush().ok());
    }
  }
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(db_->UnflushedDeletions(), 0u);
  const auto thousands = [&] { return (db_->UnflushedDeletions() + 50'000) / 100'000 * 100; };

  DeleteRange(Key(100), Key(150));
  DeleteRange(Key(150), Key(600));
  Reopen();
  EXPECT_EQ(thousands(), 500u);
  for (int i = 700; i < 900; ++i) ASSERT_TRUE(db_->Delete(0, Key(i)).ok());
  Reopen();
  EXPECT_EQ(thousands(), 700u);
  ASSERT_TRUE(db_->Flush().ok());
  Reopen();
  EXPECT_EQ(db_->UnflushedDeletions(), 0u);
}

TEST_F(RangeDeleteTest, ASnapshotGoesOnSeeingWhatWasDeletedAfterIt) {
  Open();
  for (int i = 0; i < 100; ++i) Put(Key(i), "1");
  const Snapshot* snapshot = db_->GetSnapshot();
  DeleteRange(Key(10), Key(90));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  EXPECT_EQ(Get(Key(50)), "-");
  EXPECT_EQ(Get(Key(50), 0, snapshot), "1");
  auto count = [&](const Snapshot* at) {
    int n = 0;
    auto it = db_->NewIterator({.snapshot = at}, 0);
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++n;
    for (it->SeekToLast(); it->Valid(); it->Prev()) --n;
    EXPECT_EQ(n, 0);
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++n;
    return n;
  };
  EXPECT_EQ(count(nullptr), 20);
  EXPECT_EQ(count(snapshot), 100);
  db_->ReleaseSnapshot(snapshot);
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  EXPECT_EQ(count(nullptr), 20);
}

TEST_F(RangeDeleteTest, ATombstoneIsCutAtTheBoundsOfTheTablesThatItIsSpreadOver) {
  options_.disable_auto_compaction = true;
  Open();
  for (int i = 0; i < 600; ++i) Put(Key(i), std::string(100, 'a'));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  const Snapshot* snapshot = db_->GetSnapshot();  // keeps tombstone and data alive
  DeleteRange(Key(50), Key(550));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  for (int i = 0; i < 600; i += 60) Put(Key(i), "b");
  db_->ReleaseSnapshot(snapshot);
  // Compact a part only: its pieces of the tombstone must delete nothing elsewhere, and the others stay.
  std::string begin = Key(200), end = Key(300);
  ASSERT_TRUE(db_->CompactRange(0, &begin, &end).ok());
  for (int i = 0; i < 600; ++i) {
    std::string expected = i % 60 == 0 ? "b" : (i < 50 || i >= 550) ? std::string(100, 'a') : "-";
    ASSERT_EQ(Get(Key(i)), expected) << i;
  }
}

TEST_F(RangeDeleteTest, AWideDeletionDropsWholeTablesUnread) {
  Open();
  for (int i = 0; i < 3000; ++i) Put(Key(i), std::string(100, 'a'));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  uint64_t files = db_->GetStats().families[0].levels[kNumLevels - 1].files;
  ASSERT_GT(files, 5u);
  DeleteRange(Key(0), Key(2990));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_GT(db_->GetStats().files_deleted_whole, files / 2);
  EXPECT_EQ(Get(Key(2989)), "-");
  EXPECT_EQ(Get(Key(2990)), std::string(100, 'a'));
}

TEST_F(RangeDeleteTest, AWideDeletionDropsNoTableThatASnapshotSees) {
  Open();
  for (int i = 0; i < 1000; ++i) Put(Key(i), std::string(100, 'a'));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  const Snapshot* snapshot = db_->GetSnapshot();
  DeleteRange(Key(0), Key(990));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_EQ(db_->GetStats().files_deleted_whole, 0u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Get(Key(i), 0, snapshot), std::string(100, 'a')) << i;
  EXPECT_EQ(Get(Key(500)), "-");
  // The reads may have brought about a compaction, which kept all that the snapshot sees: what it wrote is looked at again
  // when it is old enough.
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  clock_.LetPass(kRangeTombstoneAgeSeconds);
  db_->ReleaseSnapshot(snapshot);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  uint64_t entries = 0;
  const DbStats stats = db_->GetStats();
  for (const LevelStats& level : stats.families[0].levels) entries += level.entries;
  EXPECT_EQ(entries, 10u) << "what no snapshot sees any more is still there";
}

// A scan over a deleted span seeks past it instead of stepping through what lies below.
TEST_F(RangeDeleteTest, AScanSkipsWhatADeletionHides) {
  options_.disable_auto_compaction = true;
  options_.memtable_bytes = 8 << 20;
  Open();
  for (int i = 0; i < 50000; ++i) Put(Key(i), "some value");
  ASSERT_TRUE(db_->Flush().ok());
  DeleteRange(Key(1), Key(49999));
  for (bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(db_->Flush().ok());
    }
    DbStats before = db_->GetStats();
    EXPECT_EQ(Scan(), Key(0) + "=some value " + Key(49999) + "=some value ");
    EXPECT_EQ(ScanBack(), Key(49999) + "=some value " + Key(0) + "=some value ");
    DbStats after = db_->GetStats();
    uint64_t blocks =
        after.block_cache_hits + after.block_cache_misses - before.block_cache_hits - before.block_cache_misses;
    EXPECT_LT(blocks, 40u);
  }
}

TEST_F(RangeDeleteTest, BoundsLimitAScanBothWays) {
  Open();
  for (int round = 0; round < 2; ++round) {
    for (const char* key : {"a", "b", "c", "d", "e"}) Put(key, "1");
    DeleteRange("c", "d");
    ReadOptions options{.lower_bound = "b", .upper_bound = "e"};
    EXPECT_EQ(Scan(options), "b=1 d=1 ");
    EXPECT_EQ(ScanBack(options), "d=1 b=1 ");
    auto it = db_->NewIterator(options, 0);
    it->Seek("a");
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), "b");
    it->Prev();
    EXPECT_FALSE(it->Valid());
    it->SeekForPrev("z");
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), "d");
    it->Next();
    EXPECT_FALSE(it->Valid());
    it->SeekForPrev("c");
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), "b");
    it->Next();
    ASSERT_TRUE(it->Valid());
    EXPECT_EQ(it->key(), "d");
    ASSERT_TRUE(db_->Flush().ok());
  }
}

TEST_F(RangeDeleteTest, ManyVersionsOfOneKeyAreSteppedOverQuicklyAndRight) {
  options_.memtable_bytes = 4 << 20;
  Open();
  Put("a", "1");
  const Snapshot* old = nullptr;
  for (int i = 0; i < 1000; ++i) {
    Put("k", std::to_string(i));
    if (i == 3) old = db_->GetSnapshot();
  }
  Put("z", "1");
  EXPECT_EQ(Scan(), "a=1 k=999 z=1 ");
  EXPECT_EQ(ScanBack(), "z=1 k=999 a=1 ");
  EXPECT_EQ(Scan({.snapshot = old}), "a=1 k=3 ");
  EXPECT_EQ(ScanBack({.snapshot = old}), "k=3 a=1 ");
  db_->ReleaseSnapshot(old);
}

}  // namespace
}  // namespace silt::lsm
