#include "fs/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace silt::fs {
namespace {

uint8_t ByteAt(std::string_view bytes, size_t at) {
  return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0;
}

// How many bytes the character at the beginning has; 0 if it is none (RFC 3629: no overlong forms, no surrogates).
size_t CharacterLength(std::string_view bytes) {
  const uint8_t first = ByteAt(bytes, 0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((ByteAt(bytes, i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t second = ByteAt(bytes, 1);
  const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                   (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return bad ? 0 : length;
}

bool IsPlain(std::string_view character) {
  if (character.size() != 1) return !character.empty();
  const char c = character.front();
  return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

}  // namespace

std::string Printable(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    std::string_view character = bytes.substr(0, CharacterLength(bytes));
    if (IsPlain(character)) {
      text += character;
      bytes.remove_prefix(character.size());
    } else {
      text += fmt::format("\\x{:02x}", static_cast<uint8_t>(bytes.front()));
      bytes.remove_prefix(1);
    }
  }
  return text;
}

}  // namespace silt::fs
