#include "lsm/table/table_cache.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "lsm/filenames.h"
#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

class TableCacheTest : public testing::Test {
 protected:
  TableCacheTest() {
    for (FileNumber number = 1; number <= 200; ++number) {
      BuiltTable built = Build({}, {{MakeInternalKey("k", 1000 + number, EntryKind::kPut), "v"}});
      size_ = built.file->bytes.size();
      storage_.Put(JoinPath("dir", TableName(number)), built.file->bytes);
    }
    storage_.on_open = [this](const std::string&) { ++opens_; };
  }
  MemoryStorage storage_;
  uint64_t size_ = 0;
  std::atomic<int> opens_{0};
};

TEST_F(TableCacheTest, OpensOnceAndKeepsTheMostRecentlyUsed) {
  TableCache cache(&storage_, "dir", nullptr, 10);
  for (int round = 0; round < 2; ++round) {
    for (FileNumber number = 1; number <= 10; ++number) ASSERT_TRUE(cache.Get(number, size_));
  }
  EXPECT_EQ(opens_, 10);
  EXPECT_EQ(cache.OpenTables(), 10U);
  ASSERT_TRUE(cache.Get(1, size_));
  ASSERT_TRUE(cache.Get(11, size_));  // number 2 falls out
  EXPECT_EQ(cache.OpenTables(), 10U);
  ASSERT_TRUE(cache.Get(1, size_));
  EXPECT_EQ(opens_, 11);
  ASSERT_TRUE(cache.Get(2, size_));
  EXPECT_EQ(opens_, 12);
}

TEST_F(TableCacheTest, WhatIsUsedAllTheTimeStaysOpenWhileOthersPass) {
  TableCache cache(&storage_, "dir", nullptr, 10);
  for (FileNumber number = 2; number <= 200; ++number) {
    ASSERT_TRUE(cache.Get(number, size_));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(cache.Get(1, size_));
  }
  EXPECT_EQ(opens_, 200);
  EXPECT_EQ(cache.OpenTables(), 10U);
}

TEST_F(TableCacheTest, AnEvictedTableIsClosedThoughOtherThreadsUsedIt) {
  TableCache cache(&storage_, "dir", nullptr, 10);
  ASSERT_TRUE(cache.Hold(2, size_).ok());
  std::weak_ptr<Table> of_cache, held;
  for (int t = 0; t < 3; ++t) {
    std::thread([&] {
      for (int i = 0; i < 3; ++i) {
        of_cache = *cache.Get(1, size_);
        held = *cache.Get(2, size_);
      }
    }).join();
  }
  EXPECT_FALSE(of_cache.expired());
  EXPECT_FALSE(held.expired());
  cache.Evict(1);
  cache.Evict(2);
  EXPECT_TRUE(of_cache.expired());
  EXPECT_TRUE(held.expired());
  ASSERT_TRUE(cache.Get(1, size_));
  EXPECT_EQ(opens_, 3);
}

TEST_F(TableCacheTest, StaysWithinItsBound) {
  TableCache cache(&storage_, "dir", nullptr, 64);
  for (FileNumber number = 1; number <= 200; ++number) ASSERT_TRUE(cache.Get(number, size_));
  EXPECT_LE(cache.OpenTables(), 64U);
  EXPECT_GT(cache.OpenTables(), 50U);
  EXPECT_GT(cache.MemoryUsage(), 64U * 100);
}

TEST_F(TableCacheTest, AnEvictedTableLivesOnWhileHeld) {
  BlockCache blocks(1 << 20);
  TableCache cache(&storage_, "dir", &blocks, 10);
  auto table = cache.Get(5, size_);
  ASSERT_TRUE(table);
  EXPECT_EQ(DescribeGet(**table, "k", kMaxSequence), "put@1005:v");
  EXPECT_GT(blocks.UsedBytes(), 0U);
  cache.Evict(5);
  EXPECT_EQ(blocks.UsedBytes(), 0U);
  EXPECT_EQ(cache.OpenTables(), 0U);
  EXPECT_EQ(cache.MemoryUsage(), 0U);
  EXPECT_EQ(DescribeGet(**table, "k", kMaxSequence), "put@1005:v");
  cache.Evict(5);
}

TEST_F(TableCacheTest, AFailureIsReportedAndNotKept) {
  TableCache cache(&storage_, "dir", nullptr, 10);
  auto missing = cache.Get(999, size_);
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().IsCorruption());
  EXPECT_FALSE(cache.Get(1, size_ + 1));
  EXPECT_TRUE(cache.Get(1, size_));
  EXPECT_EQ(cache.OpenTables(), 1U);
}

TEST_F(TableCacheTest, WhatIsHeldStaysOpenBesideItsBoundUntilItIsEvicted) {
  TableCache cache(&storage_, "dir", nullptr, 10);
  ASSERT_TRUE(cache.Get(1, size_));
  for (FileNumber number = 1; number <= 20; ++number) ASSERT_TRUE(cache.Hold(number, size_).ok());
  ASSERT_TRUE(cache.Hold(1, size_).ok());
  for (FileNumber number = 21; number <= 60; ++number) ASSERT_TRUE(cache.Get(number, size_));
  EXPECT_EQ(opens_, 60);
  EXPECT_EQ(cache.OpenTables(), 30U);
  for (FileNumber number = 1; number <= 20; ++number) ASSERT_TRUE(cache.Get(number, size_));
  EXPECT_EQ(opens_, 60);
  for (FileNumber number = 1; number <= 60; ++number) cache.Evict(number);
  EXPECT_EQ(cache.OpenTables(), 0U);
  EXPECT_EQ(cache.MemoryUsage(), 0U);
  EXPECT_FALSE(cache.Hold(999, size_).ok());
}

TEST_F(TableCacheTest, TwoThatMissAtOnceOpenOnceAndOthersDoNotWait) {
  TableCache cache(&storage_, "dir", nullptr, 10);  // one shard: a lock held over I/O would block everybody
  std::mutex mutex;
  std::condition_variable changed;
  bool opening = false;
  bool let_go = false;
  std::atomic<int> opens{0};
  storage_.on_open = [&](const std::string& path) {
    if (path.find("000003") == std::string::npos) return;
    ++opens;
    std::unique_lock lock(mutex);
    opening = true;
    changed.notify_all();
    changed.wait(lock, [&] { return let_go; });
  };
  std::shared_ptr<Table> first;
  std::shared_ptr<Table> second;
  std::thread one([&] { first = *cache.Get(3, size_); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return opening; });
  }
  std::thread two([&] { second = *cache.Get(3, size_); });
  EXPECT_TRUE(cache.Get(4, size_));  // while number 3 hangs
  {
    std::lock_guard lock(mutex);
    let_go = true;
  }
  changed.notify_all();
  one.join();
  two.join();
  EXPECT_EQ(opens, 1);
  EXPECT_EQ(first, second);
}

TEST_F(TableCacheTest, ATableEvictedWhileBeingOpenedIsNotKept) {
  TableCache cache(&storage_, "dir", nullptr, 10);
  storage_.on_open = [&](const std::string&) { cache.Evict(3); };
  ASSERT_TRUE(cache.Get(3, size_));
  EXPECT_EQ(cache.OpenTables(), 0U);
}

TEST_F(TableCacheTest, ManyThreadsMayUseIt) {
  TableCache cache(&storage_, "dir", nullptr, 32);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int i = 0; i < 2000; ++i) {
        FileNumber number = 1 + random() % 60;
        auto table = cache.Get(number, size_);
        if (!table || (*table)->properties().largest_sequence != 1000 + number) ++wrong;
        if (i % 50 == 0) cache.Evict(number);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.OpenTables(), 32U);
}

}  // namespace
}  // namespace silt::lsm
