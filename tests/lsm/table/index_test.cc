#include "lsm/table/index.h"

#include <gtest/gtest.h>

#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

std::string Put(std::string_view user_key, SequenceNumber sequence) {
  return MakeInternalKey(user_key, sequence, EntryKind::kPut);
}

TEST(Separator, IsShortWhereItCanBe) {
  EXPECT_EQ(ExtractUserKey(SeparatorBetween(Put("apple/pie", 4), Put("banana/split", 9))), "b");
  EXPECT_EQ(ExtractUserKey(SeparatorBetween(Put("file0001xyz", 4), Put("file0002xyz", 9))), "file0002");
  EXPECT_EQ(SeparatorBetween(Put("same", 9), Put("same", 4)), Put("same", 9));
  EXPECT_EQ(SeparatorBetween(Put("a", 9), Put("ab", 4)), Put("a", 9));
  EXPECT_EQ(SeparatorBetween(Put("k1", 9), Put("k2", 4)), Put("k1", 9));
  EXPECT_EQ(ExtractUserKey(SeparatorAfter(Put("hello", 4))), "i");
  EXPECT_EQ(ExtractUserKey(SeparatorAfter(Put("\xff\x01zz", 4))), "\xff\x02");
  EXPECT_EQ(SeparatorAfter(Put("\xff\xff", 4)), Put("\xff\xff", 4));
  EXPECT_EQ(SeparatorAfter(Put("", 4)), Put("", 4));
}

TEST(Separator, LiesBetweenItsNeighbours) {
  std::mt19937_64 random(12);
  for (int i = 0; i < 20'000; ++i) {
    std::string a = Put(RandomUserKey(random), random() % 50);
    std::string b = Put(RandomUserKey(random), random() % 50);
    int order = CompareInternal(a, b);
    if (order == 0) continue;
    if (order > 0) std::swap(a, b);
    std::string separator = SeparatorBetween(a, b);
    ASSERT_LE(CompareInternal(a, separator), 0);
    ASSERT_LT(CompareInternal(separator, b), 0);
    ASSERT_LE(separator.size(), a.size());
    ASSERT_LE(CompareInternal(b, SeparatorAfter(b)), 0);
    // Point reads look into one block only: the next block must not hold versions of a shortened separator's key.
    bool own = separator == a || ExtractUserKey(separator) < ExtractUserKey(b);
    ASSERT_TRUE(own);
  }
}

}  // namespace
}  // namespace silt::lsm
