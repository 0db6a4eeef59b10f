#include "perf/kv_bench/histogram.h"

#include <algorithm>
#include <bit>

namespace silt::bench {

// Values below 2^kSubBits have a bucket each; above, every power of two is cut into 2^kSubBits equal buckets.
int Histogram::BucketOf(uint64_t value) {
  int width = std::bit_width(value);
  if (width <= kSubBits) return static_cast<int>(value);
  int shift = width - kSubBits - 1;
  return ((shift + 1) << kSubBits) + static_cast<int>((value >> shift) - (uint64_t{1} << kSubBits));
}

double Histogram::MiddleOf(int bucket) {
  if (bucket < (1 << kSubBits)) return bucket;
  int shift = (bucket >> kSubBits) - 1;
  uint64_t low = static_cast<uint64_t>((bucket & ((1 << kSubBits) - 1)) + (1 << kSubBits)) << shift;
  return static_cast<double>(low) + static_cast<double>(uint64_t{1} << shift) / 2;
}

void Histogram::Add(uint64_t nanoseconds) {
  ++buckets_[BucketOf(nanoseconds)];
  ++count_;
  sum_ += nanoseconds;
  max_ = std::max(max_, nanoseconds);
}

void Histogram::Merge(const Histogram& other) {
  for (int i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

double Histogram::Percentile(double fraction) const {
  auto wanted = static_cast<uint64_t>(fraction * static_cast<double>(count_));
  uint64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen > wanted) return std::min(MiddleOf(i), static_cast<double>(max_));
  }
  return static_cast<double>(max_);
}

}  // namespace silt::bench
