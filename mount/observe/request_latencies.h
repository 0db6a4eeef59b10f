// How long requests of each kind took since the mount began.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "mount/observe/latency_histogram.h"
#include "mount/request_counters.h"

namespace silt::mount {

// Thread-safe. Recording is two relaxed additions on cache lines that few threads share.
class RequestLatencies {
 public:
  using Duration = std::chrono::nanoseconds;

  void Record(Request kind, Duration took) {
    const auto nanos = static_cast<uint64_t>(took.count() > 0 ? took.count() : 0);
    Histogram& histogram = (*shards_)[ShardOfThread()][static_cast<size_t>(kind)];
    histogram.counts[LatencyBuckets::Of(nanos)].fetch_add(1, std::memory_order_relaxed);
    histogram.sum_nanos.fetch_add(nanos, std::memory_order_relaxed);
  }

  LatencySnapshot Get(size_t kind) const {
    LatencySnapshot snapshot;
    for (const auto& shard : *shards_) {
      for (size_t bucket = 0; bucket < snapshot.counts.size(); ++bucket) {
        snapshot.counts[bucket] += shard[kind].counts[bucket].load(std::memory_order_relaxed);
      }
      snapshot.sum_nanos += shard[kind].sum_nanos.load(std::memory_order_relaxed);
    }
    return snapshot;
  }

 private:
  static constexpr size_t kShards = 4;
  struct alignas(64) Histogram {
    std::array<std::atomic<uint64_t>, LatencyBuckets::kCount> counts{};
    std::atomic<uint64_t> sum_nanos{0};
  };

  static size_t ShardOfThread() {
    static std::atomic<size_t> threads{0};
    thread_local const size_t shard = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
    return shard;
  }

  std::unique_ptr<std::array<std::array<Histogram, kRequestKinds>, kShards>> shards_ =
      std::make_unique<std::array<std::array<Histogram, kRequestKinds>, kShards>>();
};

}  // namespace silt::mount
