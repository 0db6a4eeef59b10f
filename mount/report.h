// How a verb speaks to people: one line on stderr that says what, where and what to do.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "lsm/status.h"

namespace silt::mount {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// "siltfs VERB: WHERE: WHAT" on stderr, newlines flattened. An empty `where` is left out. Returns kExitFailure.
int Complain(std::string_view verb, std::string_view where, std::string_view what);
// The same from a status. A message that says `where` itself is not told it twice.
int Complain(std::string_view verb, std::string_view where, const lsm::Status& status);

// The text of a status for people.
std::string Describe(const lsm::Status& status);

// A whole object for --json, indented. Bytes that are no UTF-8 (a path may hold any) become U+FFFD.
std::string JsonText(const nlohmann::json& object);

}  // namespace silt::mount
