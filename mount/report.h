// How a verb speaks to people: one line on stderr that says what, where and what to do; progress on a terminal.
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

// A line on stderr that is rewritten in place; silent unless stderr is a terminal. Not thread-safe.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Update(uint64_t done, uint64_t total);

 private:
  std::string label_;
  bool terminal_;
  int last_percent_ = -1;
};

}  // namespace silt::mount
