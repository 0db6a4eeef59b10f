#include "mount/observe/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

namespace silt::mount {

size_t LatencyBuckets::Of(uint64_t nanos) {
  if (nanos < kFirstNanos) return 0;
  const int octave = std::bit_width(nanos) - 1;
  const uint64_t quarter = (nanos >> (octave - 2)) & 3;
  const auto bucket = static_cast<size_t>(octave - kFirstBit) * kPerOctave + quarter + 1;
  return std::min(bucket, kCount - 1);
}

uint64_t LatencyBuckets::UpperNanos(size_t bucket) {
  if (bucket >= kCount - 1) return std::numeric_limits<uint64_t>::max();
  const uint64_t octave = kFirstNanos << (bucket / kPerOctave);
  return octave + octave / kPerOctave * (bucket % kPerOctave);
}

uint64_t LatencySnapshot::Count() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

double LatencySnapshot::QuantileMicros(double quantile) const {
  const double wanted = quantile * static_cast<double>(Count());
  double before = 0;
  for (size_t bucket = 0; bucket < counts.size(); ++bucket) {
    const auto here = static_cast<double>(counts[bucket]);
    if (here > 0 && before + here >= wanted) {
      const auto lower = static_cast<double>(LatencyBuckets::LowerNanos(bucket));
      // The last bucket is as wide as the one before it would be: it has no end of its own.
      const double upper = bucket + 1 < counts.size() ? static_cast<double>(LatencyBuckets::UpperNanos(bucket)) : lower;
      return (lower + (upper - lower) * std::clamp((wanted - before) / here, 0.0, 1.0)) / 1000;
    }
    before += here;
  }
  return 0;
}

LatencySnapshot LatencySnapshot::Since(const LatencySnapshot& before) const {
  LatencySnapshot difference;
  for (size_t bucket = 0; bucket < counts.size(); ++bucket) {
    difference.counts[bucket] = counts[bucket] - std::min(counts[bucket], before.counts[bucket]);
  }
  difference.sum_nanos = sum_nanos - std::min(sum_nanos, before.sum_nanos);
  return difference;
}

}  // namespace silt::mount
