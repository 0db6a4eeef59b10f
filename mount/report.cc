#include "mount/report.h"

#include <fmt/format.h>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace silt::mount {

int Complain(std::string_view verb, std::string_view where, std::string_view what) {
  std::string line = fmt::format("siltfs {}: {}{}{}", verb, where, where.empty() ? "" : ": ", what);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  fmt::print(stderr, "{}\n", line);
  return kExitFailure;
}

namespace {

// As a word of its own with something to be said of it: "s" is not in "no siltfs store there".
bool SaysWhere(std::string_view what, std::string_view where) {
  for (size_t at = what.find(where); at != std::string_view::npos; at = what.find(where, at + 1)) {
    const std::string_view behind = what.substr(at + where.size());
    if ((at == 0 || what[at - 1] == ' ') && (behind.starts_with(':') || behind.starts_with('/'))) return true;
  }
  return false;
}

}  // namespace

int Complain(std::string_view verb, std::string_view where, const lsm::Status& status) {
  std::string what = Describe(status);
  return Complain(verb, SaysWhere(what, where) ? std::string_view{} : where, what);
}

std::string JsonText(const nlohmann::json& object) {
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Describe(const lsm::Status& status) {
  if (status.message().empty()) return status.ToString();
  switch (status.code()) {
    case lsm::StatusCode::kBusy:
    case lsm::StatusCode::kInvalidArgument:
    case lsm::StatusCode::kNotSupported:
    case lsm::StatusCode::kNotFound:
    case lsm::StatusCode::kReadOnly:
      return status.message();
    default:
      return status.ToString();
  }
}

}  // namespace silt::mount
