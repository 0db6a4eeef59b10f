#include "lsm/table/filter.h"

#include <gtest/gtest.h>

namespace silt::lsm {
namespace {

std::string KeyNumber(uint64_t i) {
  return "inode" + std::to_string(i);
}

double FalsePositives(int bits_per_key, uint64_t keys) {
  FilterBuilder builder(bits_per_key);
  for (uint64_t i = 0; i < keys; ++i) builder.Add(KeyNumber(i));
  Filter filter;
  EXPECT_TRUE(filter.Open(builder.Finish()));
  for (uint64_t i = 0; i < keys; ++i) EXPECT_TRUE(filter.MayContain(KeyNumber(i)));
  constexpr uint64_t kProbes = 100'000;
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kProbes; ++i) wrong += filter.MayContain(KeyNumber(keys + i)) ? 1U : 0U;
  return static_cast<double>(wrong) / kProbes;
}

TEST(Filter, ForgetsNoKeyAndLetsFewOthersThrough) {
  EXPECT_LT(FalsePositives(10, 1), 0.02);
  EXPECT_LT(FalsePositives(10, 1000), 0.015);
  EXPECT_LT(FalsePositives(10, 300'000), 0.0125);
  EXPECT_LT(FalsePositives(16, 100'000), 0.0025);
  EXPECT_LT(FalsePositives(24, 50'000), 0.0008);
  EXPECT_LT(FalsePositives(4, 50'000), 0.2);
  EXPECT_LT(FalsePositives(1, 50'000), 0.8);
}

TEST(Filter, SizeFollowsTheKeys) {
  FilterBuilder builder(10);
  for (uint64_t i = 0; i < 2'000'000; ++i) builder.Add(KeyNumber(i));
  EXPECT_NEAR(static_cast<double>(builder.Finish().size()), 2.5e6, 100);
}

TEST(Filter, RepeatsOfAKeyTakeNoRoom) {
  FilterBuilder builder(10);
  for (int i = 0; i < 10'000; ++i) builder.Add("same");
  EXPECT_LT(builder.Finish().size(), 100U);
}

TEST(Filter, MalformedBytesAreRefused) {
  FilterBuilder builder(10);
  for (uint64_t i = 0; i < 100; ++i) builder.Add(KeyNumber(i));
  std::string good = builder.Finish();
  Filter filter;
  EXPECT_TRUE(filter.Open(good));
  EXPECT_FALSE(filter.Open(""));
  EXPECT_FALSE(filter.Open(good.substr(1)));
  for (size_t from_end = 1; from_end <= 8; ++from_end) {
    std::string bad = good;
    bad[bad.size() - from_end] = static_cast<char>(bad[bad.size() - from_end] ^ 0x40);
    EXPECT_FALSE(filter.Open(bad)) << from_end;
  }
}

}  // namespace
}  // namespace silt::lsm
