#include "lsm/coding.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace silt::lsm {
namespace {

std::vector<uint64_t> InterestingNumbers() {
  std::vector<uint64_t> numbers = {0, std::numeric_limits<uint64_t>::max()};
  for (int shift = 0; shift < 64; ++shift) {
    uint64_t power = uint64_t{1} << shift;
    for (uint64_t n : {power - 1, power, power + 1}) numbers.push_back(n);
  }
  return numbers;
}

TEST(CodingTest, FixedIntegersAreLittleEndian) {
  std::string out;
  PutFixed<uint32_t>(&out, 0x04030201);
  PutFixed<uint64_t>(&out, 0x0807060504030201);
  EXPECT_EQ(out, "\x01\x02\x03\x04\x01\x02\x03\x04\x05\x06\x07\x08");
  std::string_view in = out;
  uint32_t a = 0;
  uint64_t b = 0;
  EXPECT_TRUE(GetFixed(&in, &a));
  EXPECT_TRUE(GetFixed(&in, &b));
  EXPECT_EQ(a, 0x04030201u);
  EXPECT_EQ(b, 0x0807060504030201u);
  EXPECT_FALSE(GetFixed(&in, &a)) << "nothing is left";
}

TEST(CodingTest, VarintsComeBackWithTheirLength) {
  for (uint64_t n : InterestingNumbers()) {
    std::string out;
    PutVarint64(&out, n);
    EXPECT_EQ(out.size(), static_cast<size_t>(VarintLength(n)));
    EXPECT_LE(out.size(), kMaxVarint64);
    out.append("rest");
    std::string_view in = out;
    uint64_t back = 0;
    ASSERT_TRUE(GetVarint64(&in, &back));
    EXPECT_EQ(back, n);
    EXPECT_EQ(in, "rest");
  }
}

TEST(CodingTest, VarintsCutOffAnywhereAreRefused) {
  for (uint64_t n : InterestingNumbers()) {
    std::string out;
    PutVarint64(&out, n);
    for (size_t length = 0; length < out.size(); ++length) {
      std::string_view in(out.data(), length);
      uint64_t back = 0;
      EXPECT_FALSE(GetVarint64(&in, &back));
      EXPECT_EQ(in.size(), length) << "a failed decode takes nothing";
    }
  }
}

TEST(CodingTest, OverlongVarintsAreRefused) {
  uint64_t n = 0;
  std::string eleven(10, '\x80');
  eleven.push_back('\x00');
  std::string_view in = eleven;
  EXPECT_FALSE(GetVarint64(&in, &n));
  std::string too_big(9, '\xff');
  too_big.push_back('\x02');  // bit 64
  in = too_big;
  EXPECT_FALSE(GetVarint64(&in, &n));
}

TEST(CodingTest, Varint32RefusesWiderNumbers) {
  for (uint64_t n : InterestingNumbers()) {
    std::string out;
    PutVarint64(&out, n);
    std::string_view in = out;
    uint32_t back = 0;
    bool fits = n <= std::numeric_limits<uint32_t>::max();
    ASSERT_EQ(GetVarint32(&in, &back), fits);
    if (fits) {
      EXPECT_EQ(back, n);
    }
  }
}

TEST(CodingTest, LengthPrefixesNeverReachPastTheInput) {
  std::string out;
  PutLengthPrefixed(&out, "abc");
  PutLengthPrefixed(&out, "");
  std::string_view in = out;
  std::string_view value;
  ASSERT_TRUE(GetLengthPrefixed(&in, &value));
  EXPECT_EQ(value, "abc");
  ASSERT_TRUE(GetLengthPrefixed(&in, &value));
  EXPECT_EQ(value, "");
  EXPECT_FALSE(GetLengthPrefixed(&in, &value));
  for (uint64_t length : {uint64_t{4}, std::numeric_limits<uint64_t>::max()}) {
    std::string lie;
    PutVarint64(&lie, length);
    lie.append("abc");
    in = lie;
    EXPECT_FALSE(GetLengthPrefixed(&in, &value));
  }
}

}  // namespace
}  // namespace silt::lsm
