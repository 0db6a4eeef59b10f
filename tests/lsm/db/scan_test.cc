// What scans have the store do behind them.
#include <fmt/format.h>

#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

class ScanTest : public DbTest {
 protected:
  ScanTest() { options_.memtable_bytes = 4 << 20; }

  static std::string Key(int i) { return fmt::format("key{:06}", i); }
  void DeleteManyInMemory() {
    for (int i = 0; i < kKeys; ++i) Put(Key(i), "value");
    Put("z", "the next entry");
    ASSERT_TRUE(db_->Flush().ok());
    for (int i = 0; i < kKeys; ++i) Delete(Key(i));
    flushes_before_ = db_->GetStats().flushes;
  }
  std::string FirstKey() {
    auto scan = db_->NewIterator({}, 0);
    scan->SeekToFirst();
    EXPECT_TRUE(scan->Valid());
    return std::string(scan->key());
  }
  uint64_t Flushes() {
    EXPECT_TRUE(db_->WaitForBackgroundWork().ok());
    return db_->GetStats().flushes - flushes_before_;
  }
  uint64_t EntriesInTables() const {
    const DbStats stats = db_->GetStats();
    uint64_t entries = 0;
    for (const LevelStats& level : stats.families[0].levels) entries += level.entries;
    return entries;
  }

  static constexpr int kKeys = 5000;
  uint64_t flushes_before_ = 0;
};

TEST_F(ScanTest, AScanOverManyDeletesInMemoryHasThemFlushedAndCompactedAway) {
  Open();
  DeleteManyInMemory();
  EXPECT_EQ(Flushes(), 0u);
  EXPECT_EQ(FirstKey(), "z");
  EXPECT_EQ(Flushes(), 1u);
  EXPECT_EQ(EntriesInTables(), 1u);
  EXPECT_EQ(FirstKey(), "z");
  EXPECT_EQ(Flushes(), 1u);
}

TEST_F(ScanTest, AScanBackwardsDoesTheSame) {
  Open();
  DeleteManyInMemory();
  Put("a", "before");
  auto scan = db_->NewIterator({}, 0);
  scan->SeekForPrev("m");
  EXPECT_EQ(scan->key(), "a");
  scan.reset();
  EXPECT_EQ(Flushes(), 1u);
}

TEST_F(ScanTest, AScanOfAnOlderMemTableDoesNotFlushTheNewOne) {
  Open();
  DeleteManyInMemory();
  auto scan = db_->NewIterator({}, 0);
  ASSERT_TRUE(db_->Flush().ok());
  Put("new", "value");
  scan->SeekToFirst();
  EXPECT_EQ(scan->key(), "z");
  EXPECT_EQ(Flushes(), 1u);  // the one above
}

TEST_F(ScanTest, NothingIsFlushedWhereWorkInTheBackgroundIsSwitchedOff) {
  options_.disable_auto_compaction = true;
  Open();
  DeleteManyInMemory();
  EXPECT_EQ(FirstKey(), "z");
  EXPECT_EQ(Flushes(), 0u);
}

}  // namespace
}  // namespace silt::lsm
