#include "lsm/memtable/memtable_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace silt::lsm {
namespace {

constexpr size_t kMemTableBytes = 4 << 20;
constexpr int kEntries = kMemTableBytes / 150;  // as many as fit with values of 100 bytes

TEST(MemTableFilterTest, KnowsEveryKeyAndFewOthers) {
  MemTableFilter filter(kMemTableBytes);
  for (int i = 0; i < kEntries; ++i) filter.Add(1, "key" + std::to_string(i));
  int wrong = 0;
  for (int i = 0; i < kEntries; ++i) {
    EXPECT_TRUE(filter.MayContain(1, "key" + std::to_string(i)));
    wrong += filter.MayContain(1, "other" + std::to_string(i)) ? 1 : 0;
  }
  EXPECT_LT(wrong, kEntries / 20);
}

TEST(MemTableFilterTest, TellsFamiliesApart) {
  MemTableFilter filter(kMemTableBytes);
  for (int i = 0; i < kEntries; ++i) filter.Add(1, "key" + std::to_string(i));
  int wrong = 0;
  for (int i = 0; i < kEntries; ++i) wrong += filter.MayContain(2, "key" + std::to_string(i)) ? 1 : 0;
  EXPECT_LT(wrong, kEntries / 20);
}

TEST(MemTableFilterTest, IsSmallBesideItsMemTableAndWorksForATinyOne) {
  EXPECT_LE(MemTableFilter(kMemTableBytes).MemoryUsage(), kMemTableBytes / 100);
  MemTableFilter tiny(1);
  tiny.Add(0, "");
  EXPECT_TRUE(tiny.MayContain(0, ""));
}

}  // namespace
}  // namespace silt::lsm
