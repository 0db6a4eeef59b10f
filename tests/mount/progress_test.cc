// What progress says. How it looks on a terminal: tests/e2e/cases/progress.py.
#include "mount/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace silt::mount {
namespace {

using std::chrono::seconds;

TEST(Progress, SaysHowMuchHowFastAndHowLong) {
  ProgressLine line = DescribeProgress(uint64_t{1} << 30, uint64_t{4} << 30, seconds(2));
  EXPECT_EQ(line.percent, 25);
  EXPECT_EQ(line.detail, "1.0 GiB of 4.0 GiB, 512.0 MiB/s, 6 s left");
  EXPECT_EQ(DescribeProgress(1 << 20, uint64_t{1} << 30, seconds(10)).detail,
            "1.0 MiB of 1.0 GiB, 102.4 KiB/s, 2 h 50 min left");
}

TEST(Progress, TheBeginningMakesNoPromises) {
  EXPECT_EQ(DescribeProgress(0, 100, seconds(5)).detail, "0 B of 100 B");
  EXPECT_EQ(DescribeProgress(50, 100, std::chrono::milliseconds(10)).detail, "50 B of 100 B");
}

TEST(Progress, NoWorkAndTooMuchOfItAreWithinBounds) {
  EXPECT_EQ(DescribeProgress(0, 0, seconds(5)).percent, 0);
  EXPECT_EQ(DescribeProgress(200, 100, seconds(5)).percent, 100);
}

TEST(Progress, TheBarFitsItsTerminal) {
  ProgressLine line{.percent = 50, .detail = "much more than fits"};
  EXPECT_EQ(ProgressBar("fsck", line, 200), "fsck  50% [##########..........] much more than fits");
  EXPECT_EQ(ProgressBar("fsck", line, 30).size(), 30u);
  EXPECT_EQ(ProgressBar("fsck", {.percent = 100, .detail = ""}, 200), "fsck 100% [####################] ");
}

TEST(Progress, StylesByName) {
  EXPECT_EQ(ParseProgressStyle("plain"), ProgressStyle::kPlain);
  EXPECT_EQ(ParseProgressStyle("none"), ProgressStyle::kNone);
  EXPECT_EQ(ParseProgressStyle("fancy"), std::nullopt);
}

TEST(Progress, PlainLinesComeEveryTenPercent) {
  testing::internal::CaptureStderr();
  {
    Progress progress("scrub", ProgressStyle::kPlain);
    for (uint64_t done = 0; done <= 1000; ++done) progress.Update(done, 1000);
  }
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 11) << said;
  EXPECT_THAT(said, testing::StartsWith("scrub: 0%, 0 B of 1000 B\nscrub: 10%"));
}

}  // namespace
}  // namespace silt::mount
