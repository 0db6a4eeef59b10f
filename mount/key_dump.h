// Keys and records of a store as text, for `siltfs debug`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lsm/db.h"
#include "lsm/status.h"

namespace silt::mount {

// "meta", "data", or the number of a family that the schema does not have.
std::string FamilyName(lsm::FamilyId family);
// "I 17", "N 1 "name"", "17 block 3"; the bytes in hex for a key that the schema does not know.
std::string DescribeKey(lsm::FamilyId family, std::string_view key);
std::string DescribeValue(lsm::FamilyId family, std::string_view key, std::string_view value);

struct KeyDumpOptions {
  int family = -1;     // -1: all
  std::string prefix;  // of the keys' bytes
  uint64_t limit = 0;  // 0: no limit
};

// How people give a key prefix: 0x and hex digits, or the bytes themselves (a letter is a kind of key of meta: I, N, E,
// X, O, P, S). nullopt for hex that is none.
std::optional<std::string> ParseKeyPrefix(std::string_view text);

// Calls `line` for each key in order. The status is of the walk.
lsm::Status DumpKeys(lsm::Db& db, const KeyDumpOptions& options, const std::function<void(const std::string&)>& line);

}  // namespace silt::mount
