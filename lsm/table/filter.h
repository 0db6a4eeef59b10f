// A filter over the user keys of a whole table: a Bloom filter cut into blocks of one cache line, so that a probe costs
// one cache miss (Putze, Sanders, Singler 2007). Bytes: lsm/FORMAT.md "Table".
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/lookup_key.h"

namespace silt::lsm {

class FilterBuilder {
 public:
  explicit FilterBuilder(int bits_per_key) : bits_per_key_(bits_per_key) {}
  // Repeats of the key before are dropped.
  void Add(std::string_view user_key);
  bool Empty() const { return hashes_.empty(); }
  std::string Finish() const;

 private:
  int bits_per_key_;
  std::vector<uint64_t> hashes_;
};

// Immutable; thread-safe.
class Filter {
 public:
  Filter() = default;
  // False when the bytes are no filter.
  [[nodiscard]] bool Open(std::string_view bytes);
  // False: the table has no entry of the key. True without a filter.
  bool MayContain(const LookupKey& key) const;
  size_t MemoryUsage() const { return size_t{blocks_} * kBlockBytes; }

  static constexpr size_t kBlockBytes = 64;

 private:
  struct AlignedDelete {
    void operator()(uint8_t* bytes) const { ::operator delete[](bytes, std::align_val_t{kBlockBytes}); }
  };
  std::unique_ptr<uint8_t[], AlignedDelete> bits_;
  uint32_t blocks_ = 0;
  int probes_ = 0;
};

}  // namespace silt::lsm
