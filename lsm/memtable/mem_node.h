// One entry of a memtable: key and value inline, in the arena.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "lsm/byte_order.h"
#include "lsm/internal_key.h"
#include "lsm/types.h"

namespace silt::lsm {

// What entries are ordered by: family, user key ascending, trailer descending.
struct MemKey {
  FamilyId family = 0;
  std::string_view user_key;
  uint64_t trailer = 0;
};

// In the arena: key_size value_size | family | user key | trailer | value, so that user key and trailer are an internal
// key as they lie. Immutable.
class MemNode {
 public:
  static constexpr size_t Bytes(const MemKey& key, std::string_view value) {
    return sizeof(MemNode) + 1 + key.user_key.size() + kTrailerSize + value.size();
  }
  // REQUIRES: Bytes(key, value) bytes at `memory`; key and value are shorter than 4 GiB.
  static const MemNode* Create(char* memory, const MemKey& key, std::string_view value) {
    auto* node = new (memory) MemNode(static_cast<uint32_t>(key.user_key.size()), static_cast<uint32_t>(value.size()));
    char* out = memory + sizeof(MemNode);
    *out++ = static_cast<char>(key.family);
    if (!key.user_key.empty()) std::memcpy(out, key.user_key.data(), key.user_key.size());
    EncodeFixed<uint64_t>(out + key.user_key.size(), key.trailer);
    if (!value.empty()) std::memcpy(out + key.user_key.size() + kTrailerSize, value.data(), value.size());
    return node;
  }

  FamilyId family() const { return static_cast<FamilyId>(*bytes()); }
  std::string_view user_key() const { return {bytes() + 1, key_size_}; }
  std::string_view internal_key() const { return {bytes() + 1, key_size_ + kTrailerSize}; }
  uint64_t trailer() const { return DecodeFixed<uint64_t>(bytes() + 1 + key_size_); }
  std::string_view value() const { return {bytes() + 1 + key_size_ + kTrailerSize, value_size_}; }
  MemKey key() const { return {family(), user_key(), trailer()}; }

 private:
  MemNode(uint32_t key_size, uint32_t value_size) : key_size_(key_size), value_size_(value_size) {}
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }

  uint32_t key_size_;  // of the user key
  uint32_t value_size_;
};

// <0, 0, >0 for node before, at, after the key.
inline int CompareNode(const MemNode& node, const MemKey& key) {
  if (node.family() != key.family) return node.family() < key.family ? -1 : 1;
  int order = CompareBytes(node.user_key(), key.user_key);
  if (order != 0) return order;
  uint64_t trailer = node.trailer();
  return trailer > key.trailer ? -1 : (trailer < key.trailer ? 1 : 0);
}

}  // namespace silt::lsm
