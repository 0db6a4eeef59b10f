// While requests come thick, the bound on the processors' sleep is asked for; then it is taken back.
#include "mount/awake_processors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/mount/temporary_directory.h"

namespace silt::mount {
namespace {

using std::chrono::milliseconds;

TEST(RequestBurstTest, IsThickWhenTheLastBurstWasWithinTheWindow) {
  RequestBurst burst;
  RequestBurst::Clock::time_point now{milliseconds(1000)};
  EXPECT_FALSE(burst.IsThick(now)) << "the first burst has none before it";
  now += RequestBurst::kWindow - milliseconds(1);
  EXPECT_TRUE(burst.IsThick(now));
  now += RequestBurst::kWindow;
  EXPECT_FALSE(burst.IsThick(now));
}

TEST(AwakeBoundTest, AVirtualProcessorMustNotSleepAtAllARealOneMayHalt) {
  EXPECT_EQ(AwakeProcessors::BoundMicros("haltpoll"), 0);
  EXPECT_GT(AwakeProcessors::BoundMicros("intel_idle"), 0);
  EXPECT_GT(AwakeProcessors::BoundMicros(""), 0);
}

class AwakeProcessorsTest : public testing::Test {
 protected:
  std::string Path(const char* name) const { return directory_.path() + "/" + name; }
  void Write(const char* name, const std::string& text) const { std::ofstream(Path(name)) << text; }
  static void Burst(AwakeProcessors* processors) {
    for (uint64_t i = 0; i < 2 * RequestBurst::kBurst; ++i) processors->OnRequest();
  }
  // Until the thread beside has done what it was asked for; the test's own time limit ends what never comes.
  static void Await(const AwakeProcessors& processors, bool awake) {
    while (processors.awake() != awake) std::this_thread::yield();
  }

  TemporaryDirectory directory_;
};

TEST_F(AwakeProcessorsTest, AsksForTheBoundWhileRequestsComeThickAndTakesItBack) {
  Write("device", "");
  Write("driver", "haltpoll\n");
  AwakeProcessors processors(Path("device"), Path("driver"));
  EXPECT_FALSE(processors.awake());
  Burst(&processors);
  while (processors.times() == 0) Burst(&processors);
  Await(processors, false);  // no more requests
  EXPECT_EQ(processors.times(), 1U);
  int32_t bound = -1;
  ASSERT_TRUE(std::ifstream(Path("device"), std::ios::binary).read(reinterpret_cast<char*>(&bound), sizeof(bound)));
  EXPECT_EQ(bound, 0);
  while (processors.times() == 1) Burst(&processors);  // and again
  Await(processors, false);
}

TEST_F(AwakeProcessorsTest, AFewRequestsAreNoReason) {
  Write("device", "");
  AwakeProcessors processors(Path("device"), Path("driver"));
  for (uint64_t i = 0; i < RequestBurst::kBurst; ++i) processors.OnRequest();
  EXPECT_EQ(processors.times(), 0U);
  EXPECT_EQ(std::filesystem::file_size(Path("device")), 0U);
}

TEST_F(AwakeProcessorsTest, WhereTheDeviceCannotBeOpenedItIsSaidAndNothingIsKeptAwake) {
  AwakeProcessors processors(Path("none"), Path("driver"));
  while (!processors.refused()) Burst(&processors);
  EXPECT_FALSE(processors.awake());
  EXPECT_EQ(processors.times(), 0U);
}

}  // namespace
}  // namespace silt::mount
