// Takes a fuzzer's bytes apart: numbers and strings from the front, zeros when nothing is left.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace silt::fuzz {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  template <class T>
  T Number() {
    T value{};
    size_t n = std::min(sizeof value, rest_.size());
    std::memcpy(&value, rest_.data(), n);
    rest_.remove_prefix(n);
    return value;
  }
  // 0 <= result <= max.
  uint64_t UpTo(uint64_t max) { return max == UINT64_MAX ? Number<uint64_t>() : Number<uint64_t>() % (max + 1); }
  std::string_view Bytes(size_t max) {
    std::string_view taken = rest_.substr(0, max);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

// For what must hold whatever the input: also in builds without assertions.
#define SILT_FUZZ_CHECK(condition)      \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (false)

}  // namespace silt::fuzz
