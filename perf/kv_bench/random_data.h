// Keys and values that are the same for every engine and every run with the same seed.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace silt::bench {

// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough to choose keys.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // 0 <= result < bound; the high half of a 128-bit product (Lemire 2019, without its correction).
  uint64_t Below(uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(Next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

// 16 decimal digits, as LevelDB's db_bench has them.
inline std::string KeyOf(uint64_t number) {
  return fmt::format("{:016}", number);
}

// Hands out values that compress to about `compressibility` of their size.
class ValueSource {
 public:
  ValueSource(uint64_t seed, size_t value_bytes, double compressibility) : value_bytes_(value_bytes) {
    Random random(seed);
    while (pool_.size() < (1 << 20) + value_bytes) {
      // A run of random letters, repeated until the piece is long enough to shrink to the wanted share.
      std::string piece(static_cast<size_t>(100 * compressibility) + 1, ' ');
      for (char& c : piece) c = static_cast<char>(' ' + random.Below(95));
      for (size_t i = 0; i < 100; ++i) pool_ += piece[i % piece.size()];
    }
  }
  std::string_view Next() {
    if (position_ + value_bytes_ > pool_.size()) position_ = 0;
    std::string_view value(pool_.data() + position_, value_bytes_);
    position_ += value_bytes_;
    return value;
  }

 private:
  size_t value_bytes_;
  std::string pool_;
  size_t position_ = 0;
};

}  // namespace silt::bench
