// A system call as a line of text, which the scripts in scripts/ and the replays of tree_tester are made of:
//
//   [@USER] NAME ARGUMENT... [= RESULT]          @1 mkdir a/b 0755 = EACCES
//
// USER is 0 (root, the default), 1 or 2. Words are separated by blanks and may hold \xNN, \s (a blank) and {TEXT*COUNT}
// for text that is repeated; "" is the empty word. RESULT is "ok" (whatever it returns, it does not fail), the name of
// an errno, or what the call returns as text. side.cc lists the calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace silt::posix {

struct Call {
  int user = 0;
  std::string name;
  std::vector<std::string> arguments;  // as written; see Unescape
  std::optional<std::string> expected;
};

std::optional<Call> ParseCall(std::string_view line);
std::string Format(const Call& call);

std::string Unescape(std::string_view word);
// Blanks, control characters and bytes above 0x7e as \xNN.
std::string Escape(std::string_view bytes);

}  // namespace silt::posix
