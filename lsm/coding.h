// Integers as bytes: little-endian fixed, LEB128 varints, length-prefixed strings. Decoders never read past their input.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace silt::lsm {

static_assert(std::endian::native == std::endian::little, "siltfs stores little-endian integers by copying them");

template <class T>
void EncodeFixed(char* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <class T>
T DecodeFixed(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

template <class T>
void PutFixed(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Takes a fixed integer off the front of *in; false if it is too short.
template <class T>
[[nodiscard]] bool GetFixed(std::string_view* in, T* value) {
  if (in->size() < sizeof(T)) return false;
  *value = DecodeFixed<T>(in->data());
  in->remove_prefix(sizeof(T));
  return true;
}

inline constexpr size_t kMaxVarint64 = 10;

// Writes at most kMaxVarint64 bytes; returns one past the last.
char* EncodeVarint64(char* out, uint64_t value);
inline void PutVarint64(std::string* out, uint64_t value) {
  if (value < 0x80) {
    out->push_back(static_cast<char>(value));
    return;
  }
  char buffer[kMaxVarint64];
  out->append(buffer, static_cast<size_t>(EncodeVarint64(buffer, value) - buffer));
}
int VarintLength(uint64_t value);

// Decodes [in, limit); returns one past the varint, or nullptr when it is cut off or overlong.
const char* DecodeVarint64(const char* in, const char* limit, uint64_t* value);
const char* DecodeVarint32(const char* in, const char* limit, uint32_t* value);
[[nodiscard]] inline bool GetVarint64(std::string_view* in, uint64_t* value) {
  if (!in->empty() && static_cast<uint8_t>(in->front()) < 0x80) {  // as most are
    *value = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    return true;
  }
  const char* end = DecodeVarint64(in->data(), in->data() + in->size(), value);
  if (end == nullptr) return false;
  in->remove_prefix(static_cast<size_t>(end - in->data()));
  return true;
}
[[nodiscard]] bool GetVarint32(std::string_view* in, uint32_t* value);

inline void PutLengthPrefixed(std::string* out, std::string_view value) {
  PutVarint64(out, value.size());
  out->append(value);
}
// The view points into *in's bytes.
[[nodiscard]] inline bool GetLengthPrefixed(std::string_view* in, std::string_view* value) {
  uint64_t length = 0;
  if (!GetVarint64(in, &length) || length > in->size()) return false;
  *value = in->substr(0, length);
  in->remove_prefix(length);
  return true;
}

}  // namespace silt::lsm
