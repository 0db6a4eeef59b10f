// Asks whoever started the tester for what it cannot do itself: one word on stdout, "ok" on stdin when it is done.
#pragma once

#include <iostream>
#include <string>
#include <string_view>

namespace silt::posix {

// "remount" or "kill" (kill -9 of the daemon, then mount again). False when the controller says that it failed.
inline bool Ask(std::string_view what) {
  std::cout << "? " << what << std::endl;
  std::string answer;
  return std::getline(std::cin, answer) && answer == "ok";
}

}  // namespace silt::posix
