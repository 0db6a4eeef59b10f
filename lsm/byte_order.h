// The order of user keys: by their bytes, unsigned. Inline, since searches compare keys all the time, and short ones,
// for which a call of memcmp costs more than the comparison.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "lsm/coding.h"

namespace silt::lsm {

inline constexpr size_t kInlineCompareBytes = 64;

// Eight bytes as a number that sorts as they do.
inline uint64_t LoadBigEndian(const char* bytes) { return __builtin_bswap64(DecodeFixed<uint64_t>(bytes)); }

// <0, 0, >0, as std::string_view::compare.
inline int CompareBytes(std::string_view a, std::string_view b) {
  size_t common = std::min(a.size(), b.size());
  if (common < sizeof(uint64_t) || common > kInlineCompareBytes) return a.compare(b);
  size_t last = common - sizeof(uint64_t);  // the last eight bytes may overlap those before
  for (size_t at = 0;; at = std::min(at + sizeof(uint64_t), last)) {
    uint64_t x = LoadBigEndian(a.data() + at);
    uint64_t y = LoadBigEndian(b.data() + at);
    if (x != y) return x < y ? -1 : 1;
    if (at == last) break;
  }
  return a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
}

inline bool SameBytes(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CompareBytes(a, b) == 0;
}

}  // namespace silt::lsm
