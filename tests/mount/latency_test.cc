// Histograms of how long requests took.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "mount/observe/latency_histogram.h"
#include "mount/observe/request_kind.h"
#include "mount/observe/request_latencies.h"
#include "mount/stats_report.h"

namespace silt::mount {
namespace {

TEST(LatencyBuckets, EveryDurationIsWithinItsBucketsEdges) {
  for (uint64_t nanos : {uint64_t{0}, uint64_t{255}, uint64_t{256}, uint64_t{319}, uint64_t{320}, uint64_t{511}, uint64_t{512},
                         uint64_t{1'000'000}, uint64_t{60'000'000'000}, uint64_t{1} << 40}) {
    size_t bucket = LatencyBuckets::Of(nanos);
    EXPECT_GE(nanos, LatencyBuckets::LowerNanos(bucket)) << nanos;
    EXPECT_LT(nanos, LatencyBuckets::UpperNanos(bucket)) << nanos;
  }
}

TEST(LatencyBuckets, EdgesAscendByAQuarterOfAnOctaveAtMost) {
  for (size_t bucket = 1; bucket + 1 < LatencyBuckets::kCount; ++bucket) {
    EXPECT_GT(LatencyBuckets::UpperNanos(bucket), LatencyBuckets::LowerNanos(bucket));
    EXPECT_LE(LatencyBuckets::UpperNanos(bucket), LatencyBuckets::LowerNanos(bucket) * 5 / 4);
  }
}

TEST(RequestLatencies, QuantilesAreCloseToThoseOfTheValues) {
  RequestLatencies latencies;
  std::mt19937_64 random(1);
  std::vector<double> micros;
  for (int i = 0; i < 20'000; ++i) {
    auto nanos = static_cast<int64_t>(1000 * std::exp(std::normal_distribution<double>(3, 1)(random)));
    micros.push_back(static_cast<double>(nanos) / 1000);
    latencies.Record(Request::kCreate, std::chrono::nanoseconds(nanos));
  }
  std::sort(micros.begin(), micros.end());
  LatencySnapshot snapshot = latencies.Get(static_cast<size_t>(Request::kCreate));
  EXPECT_EQ(snapshot.Count(), micros.size());
  for (double quantile : {0.01, 0.5, 0.99, 0.999}) {
    double wanted = micros[static_cast<size_t>(quantile * static_cast<double>(micros.size()))];
    EXPECT_NEAR(snapshot.QuantileMicros(quantile), wanted, wanted * 0.13) << quantile;
  }
}

TEST(RequestLatencies, KindsAreApartAndAnIntervalIsADifference) {
  RequestLatencies latencies;
  latencies.Record(Request::kRead, std::chrono::microseconds(5));
  LatencySnapshot before = latencies.Get(static_cast<size_t>(Request::kRead));
  latencies.Record(Request::kRead, std::chrono::milliseconds(5));
  latencies.Record(Request::kWrite, std::chrono::seconds(5));
  LatencySnapshot since = latencies.Get(static_cast<size_t>(Request::kRead)).Since(before);
  EXPECT_EQ(since.Count(), 1u);
  EXPECT_NEAR(since.QuantileMicros(0.5), 5000, 650);
  EXPECT_EQ(since.sum_nanos, 5'000'000u);
  EXPECT_EQ(LatencySnapshot{}.QuantileMicros(0.5), 0);
}

TEST(RequestLatencies, NothingIsLostBetweenThreads) {
  RequestLatencies latencies;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) latencies.Record(Request::kGetattr, std::chrono::nanoseconds(i * 100));
      });
    }
  }
  EXPECT_EQ(latencies.Get(static_cast<size_t>(Request::kGetattr)).Count(), 8000u);
}

TEST(RequestKind, EveryCountedKindHasAnOpcodeAndEveryOtherOpcodeNone) {
  std::set<Request> kinds;
  for (uint32_t opcode = 0; opcode < 70; ++opcode) {
    if (auto kind = KindOf(opcode)) kinds.insert(*kind);
  }
  EXPECT_EQ(kinds.size(), kRequestKinds);
  EXPECT_EQ(KindOf(FUSE_INIT), std::nullopt);
  EXPECT_EQ(KindOf(FUSE_INTERRUPT), std::nullopt);
  EXPECT_EQ(KindOf(FUSE_RENAME2), Request::kRename);
  EXPECT_EQ(KindOf(4096), std::nullopt) << "CUSE_INIT";
}

TEST(StatsReport, LatenciesComeWithQuantilesAndBuckets) {
  RequestCounters requests;
  RequestLatencies latencies;
  requests.Count(Request::kCreate);
  latencies.Record(Request::kCreate, std::chrono::microseconds(300));
  nlohmann::json stats = StatsJson(lsm::DbStats{}, &requests, &latencies);
  ASSERT_EQ(stats["latency"].size(), 1u);
  EXPECT_EQ(stats["latency"]["create"]["count"], 1);
  EXPECT_NEAR(stats["latency"]["create"]["p50_micros"].get<double>(), 300, 40);
  EXPECT_EQ(stats["latency"]["create"]["buckets"].size(), 1u);
  EXPECT_THAT(StatsText(stats), testing::ContainsRegex("create +1 +300.0 "));
}

}  // namespace
}  // namespace silt::mount
