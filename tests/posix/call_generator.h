// Random calls on few names, so that they meet.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/posix/call.h"

namespace silt::posix {

struct CallGeneration {
  uint64_t seed = 0;
  size_t count = 200;
  int users = 2;         // 0: everything as root
  bool tmpfile = false;  // O_TMPFILE works here
  bool truncate = true;  // by path; not with the writeback cache, which moves no time where the size stays
  bool remounts = false;
};
// Depends on nothing but its argument.
std::vector<Call> GenerateCalls(const CallGeneration& how);

}  // namespace silt::posix
