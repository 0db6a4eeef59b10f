#include "tests/posix/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "tests/posix/pair_runner.h"

namespace silt::posix {
namespace {

std::string Trim(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line[begin] == '#') return {};
  return line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
}

std::optional<ScriptCase> ParseHead(const std::string& line) {
  auto head = ParseCall(line);  // the same words
  if (!head || head->name != "case" || head->arguments.empty()) return std::nullopt;
  ScriptCase one;
  one.name = head->arguments[0];
  for (size_t i = 1; i < head->arguments.size(); i += 2) {
    if (i + 1 == head->arguments.size()) return std::nullopt;
    const std::string& value = head->arguments[i + 1];
    if (head->arguments[i] == "needs" && (value == "tmpfile" || value == "write-through")) {
      one.needs = value;
    } else if (head->arguments[i] == "without" && value == "blocks") {
      one.without = value;
    } else {
      return std::nullopt;
    }
  }
  return one;
}

}  // namespace

bool ScriptCase::needs_users() const {
  return std::any_of(calls.begin(), calls.end(), [](const Call& call) { return call.user != 0; });
}

bool ScriptCase::needs_remount() const {
  return std::any_of(calls.begin(), calls.end(),
                     [](const Call& call) { return call.name == "remount" || call.name == "kill"; });
}

tl::expected<std::vector<ScriptCase>, std::string> ReadScript(const std::string& path) {
  std::ifstream file(path);
  if (!file) return tl::unexpected(fmt::format("{}: cannot be read", path));
  std::vector<ScriptCase> cases;
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string text = Trim(line);
    if (text.empty()) continue;
    auto wrong = [&] {
      return tl::unexpected(fmt::format("{}:{}: neither a call nor a case: {}", path, number, text));
    };
    if (text.starts_with("case ")) {
      auto head = ParseHead(text);
      if (!head) return wrong();
      cases.push_back(std::move(*head));
      continue;
    }
    auto call = ParseCall(text);
    if (!call || !IsKnown(*call) || cases.empty()) return wrong();
    cases.back().calls.push_back(std::move(*call));
    cases.back().lines.push_back(number);
  }
  return cases;
}

tl::expected<std::vector<Call>, std::string> ReadCalls(const std::string& path) {
  std::ifstream file(path);
  if (!file) return tl::unexpected(fmt::format("{}: cannot be read", path));
  std::vector<Call> calls;
  for (std::string line; std::getline(file, line);) {
    const std::string text = Trim(line);
    if (text.empty()) continue;
    auto call = ParseCall(text);
    if (!call || !IsKnown(*call)) return tl::unexpected(fmt::format("{}: no call: {}", path, text));
    calls.push_back(std::move(*call));
  }
  return calls;
}

}  // namespace silt::posix
