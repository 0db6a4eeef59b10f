#include "mount/readdir_offset.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace silt::mount {
namespace {

TEST(ReaddirOffsetTest, TheStartAndTheDotsComeBeforeEveryEntry) {
  EXPECT_EQ(CookieAt(0), 0u);
  EXPECT_EQ(CookieAt(kAfterDot), 0u);
  EXPECT_EQ(CookieAt(kAfterDotDot), 0u);
}

TEST(ReaddirOffsetTest, EveryCookieHasAnOffsetOfItsOwnAndComesBack) {
  for (uint64_t cookie : {fs::schema::kFirstNumber, uint64_t{17}, uint64_t{1} << 32, fs::schema::kLastNumber}) {
    off_t offset = OffsetAfter(cookie);
    EXPECT_GT(offset, kAfterDotDot);
    EXPECT_EQ(CookieAt(offset), cookie);
  }
}

}  // namespace
}  // namespace silt::mount
