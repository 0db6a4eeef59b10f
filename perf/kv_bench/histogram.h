// Latencies in nanoseconds, kept in buckets of about 1.5% width: cheap to add to, mergeable, good for percentiles.
#pragma once

#include <array>
#include <cstdint>

namespace silt::bench {

// Not thread-safe: one a thread, merged at the end. Log-linear buckets as in HdrHistogram.
class Histogram {
 public:
  void Add(uint64_t nanoseconds);
  void Merge(const Histogram& other);
  uint64_t Count() const { return count_; }
  uint64_t Max() const { return max_; }
  double Mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  // `fraction` in 0..1; the middle of the bucket that holds it.
  double Percentile(double fraction) const;

 private:
  static constexpr int kSubBits = 6;
  static constexpr int kBuckets = (64 - kSubBits + 1) << kSubBits;
  static int BucketOf(uint64_t value);
  static double MiddleOf(int bucket);

  std::array<uint64_t, kBuckets> buckets_ = {};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace silt::bench
