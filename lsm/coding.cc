#include "lsm/coding.h"

#include <limits>

namespace silt::lsm {

char* EncodeVarint64(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

int VarintLength(uint64_t value) {
  int length = 1;
  for (; value >= 0x80; value >>= 7) ++length;
  return length;
}

const char* DecodeVarint64(const char* in, const char* limit, uint64_t* value) {
  uint64_t result = 0;
  for (uint32_t shift = 0; shift <= 63 && in < limit; shift += 7) {
    auto byte = static_cast<uint8_t>(*in++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return in;
    }
  }
  return nullptr;
}

const char* DecodeVarint32(const char* in, const char* limit, uint32_t* value) {
  if (in < limit && static_cast<uint8_t>(*in) < 0x80) {
    *value = static_cast<uint8_t>(*in);
    return in + 1;
  }
  uint64_t wide = 0;
  const char* end = DecodeVarint64(in, limit, &wide);
  if (end == nullptr || wide > std::numeric_limits<uint32_t>::max()) return nullptr;
  *value = static_cast<uint32_t>(wide);
  return end;
}

bool GetVarint32(std::string_view* in, uint32_t* value) {
  const char* end = DecodeVarint32(in->data(), in->data() + in->size(), value);
  if (end == nullptr) return false;
  in->remove_prefix(static_cast<size_t>(end - in->data()));
  return true;
}

}  // namespace silt::lsm
