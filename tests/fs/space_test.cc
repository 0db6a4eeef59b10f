#include "fs/space.h"

#include <gtest/gtest.h>

namespace silt::fs {
namespace {

using lsm::Fail;
using lsm::Result;
using lsm::SpaceInfo;
using lsm::Status;

constexpr uint64_t kGiB = 1ull << 30;

class SteppedClock final : public lsm::Clock {
 public:
  uint64_t MonotonicMicros() override { return now; }
  uint64_t UnixSeconds() override { return now / 1'000'000; }
  void SleepMicros(uint64_t micros) override { now += micros; }
  uint64_t now = 1;
};

class SpaceTest : public testing::Test {
 protected:
  Result<SpaceInfo> Probe() {
    ++looks_;
    return answer_;
  }
  SteppedClock clock_;
  Result<SpaceInfo> answer_ = Fail(Status::NotSupported("the filesystem does not say"));
  int looks_ = 0;
  SpaceGuard space_{[this] { return Probe(); }, &clock_};
};

TEST_F(SpaceTest, WhereTheHostDoesNotSayEverythingIsLetThrough) {
  EXPECT_TRUE(space_.Admit(kGiB));
  EXPECT_TRUE(space_.AdmitReplacing(kGiB));
  EXPECT_TRUE(space_.Promise(kGiB));
  EXPECT_FALSE(space_.IsTight());
  auto seen = space_.Look();
  ASSERT_TRUE(seen);
  EXPECT_FALSE(seen->known);
  EXPECT_GT(seen->total, 0u);
  EXPECT_GT(seen->available, kGiB);
}

TEST_F(SpaceTest, AHostThatDoesNotSayIsNotAskedForEachWrite) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(space_.Admit(4096));
  EXPECT_EQ(looks_, 1);
  clock_.now += SpaceGuard::kRecheckMicros;
  EXPECT_TRUE(space_.Admit(4096));
  EXPECT_EQ(looks_, 2);
}

TEST_F(SpaceTest, AFullDiskIsAnother) {
  answer_ = SpaceInfo{.total_bytes = kGiB, .free_bytes = 0};
  EXPECT_FALSE(space_.Admit(4096));
  EXPECT_FALSE(space_.Promise(4096));
  EXPECT_TRUE(space_.IsTight());
  EXPECT_TRUE(space_.Look()->known);
}

TEST_F(SpaceTest, NobodyIsRefusedByALookThatFails) {
  answer_ = SpaceInfo{.total_bytes = kGiB, .free_bytes = 0};
  EXPECT_FALSE(space_.Admit(4096));
  answer_ = Fail(Status::IoError("statvfs"));
  EXPECT_TRUE(space_.Admit(4096));
  EXPECT_FALSE(space_.Look());
}

}  // namespace
}  // namespace silt::fs
