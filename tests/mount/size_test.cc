#include "mount/size.h"

#include <gtest/gtest.h>

namespace silt::mount {
namespace {

TEST(SizeTest, UnitsArePowersOf1024InAnyCase) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("4096"), 4096u);
  EXPECT_EQ(ParseSize("4K"), 4096u);
  EXPECT_EQ(ParseSize("4k"), 4096u);
  EXPECT_EQ(ParseSize("4KiB"), 4096u);
  EXPECT_EQ(ParseSize("4kb"), 4096u);
  EXPECT_EQ(ParseSize("256M"), uint64_t{256} << 20);
  EXPECT_EQ(ParseSize("3G"), uint64_t{3} << 30);
  EXPECT_EQ(ParseSize("1T"), uint64_t{1} << 40);
  EXPECT_EQ(ParseSize("17b"), 17u);
}

TEST(SizeTest, WhatIsNoSizeIsRefused) {
  for (const char* text :
       {"", "K", "-1", "+1", " 1", "1 K", "1.5G", "4X", "4KK", "4Kix", "0x10", "99999999999999999999"}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << '"' << text << '"';
  }
}

TEST(SizeTest, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(ParseSize("15E"), uint64_t{15} << 60);
  EXPECT_EQ(ParseSize("16E"), std::nullopt);
  EXPECT_EQ(ParseSize("18014398509481984K"), std::nullopt);  // 2^64
}

TEST(SizeTest, SizesForPeople) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(4096), "4.0 KiB");
  EXPECT_EQ(FormatSize(uint64_t{3} << 29), "1.5 GiB");
}

}  // namespace
}  // namespace silt::mount
