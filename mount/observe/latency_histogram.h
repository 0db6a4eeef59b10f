// How long things took, in buckets a quarter of an octave wide: a quantile is right to an eighth or so of its value.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace silt::mount {

// The buckets' edges. Bucket 0 holds what took less than kFirstNanos, the last one everything beyond some 68 s.
struct LatencyBuckets {
  static constexpr int kFirstBit = 8;
  static constexpr uint64_t kFirstNanos = uint64_t{1} << kFirstBit;
  static constexpr int kOctaves = 28;
  static constexpr int kPerOctave = 4;
  static constexpr size_t kCount = kOctaves * kPerOctave + 2;

  static size_t Of(uint64_t nanos);
  // Exclusive; the last bucket has none and gives the largest number.
  static uint64_t UpperNanos(size_t bucket);
  static uint64_t LowerNanos(size_t bucket) { return bucket == 0 ? 0 : UpperNanos(bucket - 1); }
};

// Counts read out of a histogram: plain numbers.
struct LatencySnapshot {
  std::array<uint64_t, LatencyBuckets::kCount> counts{};
  uint64_t sum_nanos = 0;

  uint64_t Count() const;
  // Within its bucket a quantile is placed by its share of the bucket's count. 0 for no counts.
  double QuantileMicros(double quantile) const;
  // What was added since `before`, which is an earlier snapshot of the same histogram.
  LatencySnapshot Since(const LatencySnapshot& before) const;
};

}  // namespace silt::mount
