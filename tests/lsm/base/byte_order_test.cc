#include "lsm/byte_order.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace silt::lsm {
namespace {

int Sign(int order) { return (order > 0 ? 1 : 0) - (order < 0 ? 1 : 0); }

void ExpectSameOrder(std::string_view a, std::string_view b) {
  EXPECT_EQ(Sign(CompareBytes(a, b)), Sign(a.compare(b))) << testing::PrintToString(a) << testing::PrintToString(b);
  EXPECT_EQ(SameBytes(a, b), a == b);
}

TEST(ByteOrderTest, OrdersAsMemcmpDoesAtEveryLengthAndPlaceOfTheDifference) {
  for (size_t length = 0; length <= kInlineCompareBytes + 9; ++length) {
    std::string base(length, '\x7f');
    ExpectSameOrder(base, base);
    ExpectSameOrder(base, base + '\0');
    for (size_t at = 0; at < length; ++at) {
      for (char other : {'\0', '\x7e', '\x80', '\xff'}) {
        std::string changed = base;
        changed[at] = other;
        ExpectSameOrder(base, changed);
        ExpectSameOrder(changed, base);
        ExpectSameOrder(changed, base + "tail");
      }
    }
  }
}

TEST(ByteOrderTest, OrdersAsMemcmpDoesForRandomKeysWithSharedPrefixes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string a(random() % 40, '\0');
    for (char& byte : a) byte = static_cast<char>(random() % 3 * 127);
    std::string b = a.substr(0, random() % (a.size() + 1));
    for (size_t more = random() % 20; more > 0; --more) b.push_back(static_cast<char>(random() % 3 * 127));
    ExpectSameOrder(a, b);
  }
}

}  // namespace
}  // namespace silt::lsm
