#include "lsm/memtable/skiplist.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace silt::lsm {
namespace {

// A node that is missing from an upper level costs no answer, only time: so the levels are looked at themselves.
TEST(SkipList, EveryLevelHoldsAQuarterOfTheOneBelowInOrder) {
  Arena arena;
  MemTableIndex index(&arena);
  std::mt19937_64 random(4);
  constexpr uint64_t kEntries = 40'000;
  int streams[3] = {};
  for (uint64_t sequence = 1; sequence <= kEntries; ++sequence) {
    size_t stream = random() % 4;
    int number = stream < 3 ? streams[stream]++ : static_cast<int>(random() % 20'000);
    std::string key = "INEX"[stream % 4] + std::to_string(1'000'000 + number);
    if (random() % 3 == 0) key[0] = 'Y';  // shares a finger with I
    index.Insert({0, key, PackTrailer(sequence, EntryKind::kPut)}, {});
  }
  double below = 0;
  for (int level = 0; level < MemTableIndex::kMaxHeight; ++level) {
    double count = 0;
    for (const MemNode* node = index.First(level); node != nullptr; node = node->Next(level)) {
      const MemNode* next = node->Next(level);
      if (next != nullptr) {
        ASSERT_LT(CompareNode(*node, next->key()), 0);
      }
      ++count;
    }
    if (level == 0) {
      EXPECT_EQ(count, kEntries);
    } else if (below > 2000) {
      EXPECT_NEAR(count, below / 4, below / 40) << "level " << level;
    }
    below = count;
  }
}

}  // namespace
}  // namespace silt::lsm
