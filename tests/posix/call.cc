#include "tests/posix/call.h"

#include <fmt/format.h>

#include <charconv>

namespace silt::posix {
namespace {

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    std::string_view word = line.substr(0, line.find_first_of(" \t"));
    words.emplace_back(word);
    line.remove_prefix(word.size());
  }
}

// "{x*255}" at the front of `rest`: appends what it means and removes it.
bool TakeRepetition(std::string_view* rest, std::string* out) {
  if (!rest->starts_with('{')) return false;
  const size_t end = rest->find('}');
  if (end == std::string_view::npos) return false;
  std::string_view body = rest->substr(1, end - 1);
  const size_t star = body.rfind('*');
  if (star == std::string_view::npos) return false;
  size_t count = 0;
  std::from_chars(body.data() + star + 1, body.data() + body.size(), count);
  const std::string piece = Unescape(body.substr(0, star));
  for (size_t i = 0; i < count; ++i) *out += piece;
  rest->remove_prefix(end + 1);
  return true;
}

bool TakeEscape(std::string_view* rest, std::string* out) {
  if (rest->starts_with("\\s")) {
    out->push_back(' ');
    rest->remove_prefix(2);
    return true;
  }
  unsigned value = 0;
  if (!rest->starts_with("\\x") || rest->size() < 4) return false;
  std::from_chars(rest->data() + 2, rest->data() + 4, value, 16);
  out->push_back(static_cast<char>(value));
  rest->remove_prefix(4);
  return true;
}

}  // namespace

std::string Unescape(std::string_view word) {
  if (word == "\"\"") return {};
  std::string out;
  while (!word.empty()) {
    if (TakeRepetition(&word, &out) || TakeEscape(&word, &out)) continue;
    out.push_back(word.front());
    word.remove_prefix(1);
  }
  return out;
}

std::string Escape(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte > '~' || c == '\\') {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out.empty() ? "\"\"" : out;
}

std::optional<Call> ParseCall(std::string_view line) {
  std::vector<std::string> words = Words(line);
  Call call;
  size_t next = 0;
  if (next < words.size() && words[next].starts_with('@')) {
    call.user = words[next].size() == 2 ? words[next][1] - '0' : -1;
    if (call.user < 0 || call.user > 2) return std::nullopt;
    ++next;
  }
  if (next == words.size()) return std::nullopt;
  call.name = words[next++];
  for (; next < words.size() && words[next] != "="; ++next) call.arguments.push_back(words[next]);
  if (next == words.size()) return call;
  if (next + 2 != words.size()) return std::nullopt;
  call.expected = words[next + 1];
  return call;
}

std::string Format(const Call& call) {
  std::string line = call.user == 0 ? "" : fmt::format("@{} ", call.user);
  line += call.name;
  for (const std::string& argument : call.arguments) line += " " + argument;
  if (call.expected) line += " = " + *call.expected;
  return line;
}

}  // namespace silt::posix
