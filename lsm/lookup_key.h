// A user key that is being looked up, with its hash: every memtable and table asks its filter for the same one.
#pragma once

#include <xxhash.h>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace silt::lsm {

inline uint64_t FilterHash(std::string_view user_key) { return XXH3_64bits(user_key.data(), user_key.size()); }

struct LookupKey {
  template <std::convertible_to<std::string_view> Key>
  LookupKey(const Key& key) : user_key(key), hash(FilterHash(user_key)) {}  // a key can stand where this is wanted

  std::string_view user_key;
  uint64_t hash;
};

}  // namespace silt::lsm
