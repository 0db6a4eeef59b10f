// Writers are slowed down a little and increasingly before they are ever stopped.
#include "lsm/db/backpressure.h"

#include <gtest/gtest.h>

namespace silt::lsm {
namespace {

// Microseconds that 10 MB in writes of 1000 bytes take, if waiting is all that takes time.
uint64_t TimeFor10Mb(Backpressure* pressure, double fill = 0) {
  uint64_t now = 1'000'000;
  for (int i = 0; i < 10'000; ++i) now += pressure->Delay(now, 1000, fill);
  return now - 1'000'000;
}

TEST(BackpressureTest, GrowsWithTheRunsOfLevel0AndStopsLast) {
  Options options;
  Backpressure pressure(options);
  uint64_t before = 0;
  for (int runs = 0; runs < options.l0_stop_runs; ++runs) {
    pressure.Update({.l0_runs = runs, .immutable_memtables = 0, .pending_compaction_bytes = 0});
    uint64_t time = TimeFor10Mb(&pressure);
    if (runs < options.l0_slowdown_runs) {
      EXPECT_EQ(time, 0u) << runs;
    } else {
      EXPECT_GT(time, before) << runs;
    }
    EXPECT_FALSE(pressure.MustStop());
    before = time;
  }
  pressure.Update({.l0_runs = options.l0_stop_runs, .immutable_memtables = 0, .pending_compaction_bytes = 0});
  EXPECT_TRUE(pressure.MustStop());
}

TEST(BackpressureTest, ALastMemtableThatFillsUpSlowsDownToo) {
  Options options;
  Backpressure pressure(options);
  pressure.Update({.l0_runs = 0, .immutable_memtables = 2, .pending_compaction_bytes = 0});
  EXPECT_EQ(TimeFor10Mb(&pressure, 0.4), 0u);
  uint64_t some = TimeFor10Mb(&pressure, 0.7);
  EXPECT_GT(some, 0u);
  EXPECT_GT(TimeFor10Mb(&pressure, 0.95), some);
}

TEST(BackpressureTest, WritersThatWaitSideBySideShareOneAllowance) {
  Options options;
  Backpressure pressure(options);
  pressure.Update({.l0_runs = options.l0_stop_runs - 1, .immutable_memtables = 0, .pending_compaction_bytes = 0});
  uint64_t first = pressure.Delay(1'000'000, 100'000, 0);
  uint64_t second = pressure.Delay(1'000'000, 100'000, 0);
  uint64_t third = pressure.Delay(1'000'000, 100'000, 0);
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST(BackpressureTest, WhoWritesLittleDoesNotWaitForWhatBulkWritesHaveUsedUp) {
  Options options;
  Backpressure pressure(options);
  pressure.Update({.l0_runs = options.l0_slowdown_runs, .immutable_memtables = 0, .pending_compaction_bytes = 0});
  for (int i = 0; i < 8; ++i) pressure.Delay(1'000'000, 1 << 20, 0);
  EXPECT_GT(pressure.Delay(1'000'000, Backpressure::kBulkBytes, 0), 0u);
  EXPECT_EQ(pressure.Delay(1'000'000, 1000, 0), 0u);
}

TEST(BackpressureTest, WithoutCompactionsNobodyWaitsForThem) {
  Options options;
  options.disable_auto_compaction = true;
  Backpressure pressure(options);
  pressure.Update({.l0_runs = 1000, .immutable_memtables = 0, .pending_compaction_bytes = uint64_t{1} << 50});
  EXPECT_FALSE(pressure.MustStop());
  EXPECT_EQ(TimeFor10Mb(&pressure), 0u);
}

}  // namespace
}  // namespace silt::lsm
