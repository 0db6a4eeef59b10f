#include "lsm/table/block_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace silt::lsm {
namespace {

BlockRef Block(size_t size, char fill = 'b') {
  auto bytes = std::make_unique<char[]>(size);
  std::fill_n(bytes.get(), size, fill);
  return std::make_shared<BlockData>(std::move(bytes), size);
}

TEST(BlockCache, FindsWhatWasInsertedAndCounts) {
  BlockCache cache(1 << 20);
  EXPECT_EQ(cache.Lookup(1, 0), nullptr);
  cache.Insert(1, 0, Block(100, 'x'), CachePriority::kLow);
  ASSERT_NE(cache.Lookup(1, 0), nullptr);
  EXPECT_EQ(cache.Lookup(1, 0)->view(), std::string(100, 'x'));
  EXPECT_EQ(cache.Lookup(2, 0), nullptr);
  EXPECT_EQ(cache.Lookup(1, 1), nullptr);
  EXPECT_EQ(cache.hits(), 2U);
  EXPECT_EQ(cache.misses(), 3U);
  EXPECT_GT(cache.UsedBytes(), 100U);
}

TEST(BlockCache, StaysWithinItsCapacityAndKeepsWhatIsUsed) {
  constexpr size_t kCapacity = 1 << 20;
  BlockCache cache(kCapacity);
  cache.Insert(9, 0, Block(1000), CachePriority::kLow);
  for (uint64_t i = 0; i < 10'000; ++i) {
    cache.Insert(1, i, Block(1000), CachePriority::kLow);
    ASSERT_LE(cache.UsedBytes(), kCapacity);
    ASSERT_NE(cache.Lookup(9, 0), nullptr);
  }
  EXPECT_GT(cache.UsedBytes(), kCapacity * 9 / 10);
  EXPECT_EQ(cache.Lookup(1, 0), nullptr);
  EXPECT_NE(cache.Lookup(1, 9999), nullptr);
}

TEST(BlockCache, HighPriorityBlocksSurviveAScanButDoNotTakeEverything) {
  constexpr size_t kCapacity = 4 << 20;
  BlockCache cache(kCapacity);
  for (uint64_t i = 0; i < 1000; ++i) cache.Insert(1, i, Block(1000), CachePriority::kHigh);
  for (uint64_t i = 0; i < 20'000; ++i) cache.Insert(2, i, Block(1000), CachePriority::kLow);
  size_t kept = 0;
  for (uint64_t i = 0; i < 1000; ++i) kept += cache.Lookup(1, i) != nullptr ? 1U : 0U;
  EXPECT_EQ(kept, 1000U);

  for (uint64_t i = 0; i < 20'000; ++i) cache.Insert(3, i, Block(1000), CachePriority::kHigh);
  for (uint64_t i = 0; i < 20'000; ++i) cache.Insert(4, i, Block(1000), CachePriority::kLow);
  size_t low = 0;
  for (uint64_t i = 0; i < 20'000; ++i) low += cache.Lookup(4, i) != nullptr ? 1U : 0U;
  EXPECT_GT(low * 1000, kCapacity / 3);
  EXPECT_LE(cache.UsedBytes(), kCapacity);
}

TEST(BlockCache, InsertIfRoomFillsTheCacheAndPushesNothingOut) {
  BlockCache cache(1 << 20);
  uint64_t inserted = 0;
  for (uint64_t i = 0; i < 10'000; ++i) inserted += cache.InsertIfRoom(1, i, Block(1000), CachePriority::kLow) ? 1U : 0U;
  EXPECT_GT(cache.UsedBytes(), size_t{1 << 20} * 9 / 10);
  uint64_t there = 0;
  for (uint64_t i = 0; i < 10'000; ++i) there += cache.Lookup(1, i) != nullptr ? 1U : 0U;
  EXPECT_EQ(there, inserted);
  BlockRef again = Block(1000);
  EXPECT_FALSE(cache.InsertIfRoom(1, 0, again, CachePriority::kLow));
}

TEST(BlockCache, EraseFileDropsThatFileOnly) {
  BlockCache cache(4 << 20);
  for (uint64_t i = 0; i < 500; ++i) {
    cache.Insert(i % 3, i, Block(100), i % 2 == 0 ? CachePriority::kLow : CachePriority::kHigh);
  }
  size_t before = cache.UsedBytes();
  cache.EraseFile(1);
  for (uint64_t i = 0; i < 500; ++i) EXPECT_EQ(cache.Lookup(i % 3, i) != nullptr, i % 3 != 1);
  EXPECT_NEAR(static_cast<double>(cache.UsedBytes()), static_cast<double>(before) * 2 / 3, 500);
  cache.EraseFile(0);
  cache.EraseFile(2);
  cache.EraseFile(77);
  EXPECT_EQ(cache.UsedBytes(), 0U);
}

TEST(BlockCache, AHeldBlockOutlivesItsEviction) {
  BlockCache cache(64 << 10);
  cache.Insert(1, 0, Block(500, 'h'), CachePriority::kLow);
  BlockRef held = cache.Lookup(1, 0);
  for (uint64_t i = 1; i < 1000; ++i) cache.Insert(1, i, Block(500), CachePriority::kLow);
  EXPECT_EQ(cache.Lookup(1, 0), nullptr);
  EXPECT_EQ(held->view(), std::string(500, 'h'));
}

TEST(BlockCache, ABlockLargerThanAShardIsNotKept) {
  BlockCache cache(16 << 10);
  cache.Insert(1, 0, Block(100 << 10), CachePriority::kLow);
  EXPECT_EQ(cache.UsedBytes(), 0U);
  BlockCache none(0);
  none.Insert(1, 0, Block(1), CachePriority::kHigh);
  EXPECT_EQ(none.Lookup(1, 0), nullptr);
}

TEST(BlockCache, ManyThreadsMayUseIt) {
  BlockCache cache(256 << 10);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (int i = 0; i < 20'000; ++i) {
        uint64_t file = random() % 4;
        uint64_t offset = random() % 500;
        auto fill = static_cast<char>('a' + (file * 7 + offset) % 26);
        if (BlockRef block = cache.Lookup(file, offset); block == nullptr) {
          cache.Insert(file, offset, Block(200 + offset, fill),
                       i % 5 == 0 ? CachePriority::kHigh : CachePriority::kLow);
        } else if (block->size() != 200 + offset || block->data()[offset] != fill) {
          ++wrong;
        }
        if (i % 1000 == 0) cache.EraseFile(file);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.UsedBytes(), 256U << 10);
}

}  // namespace
}  // namespace silt::lsm
