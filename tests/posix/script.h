// Files of written cases: "case NAME [needs FEATURE] [without blocks]", then its calls, indented, one a line (call.h).
// # begins a comment.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "tests/posix/call.h"

namespace silt::posix {

struct ScriptCase {
  std::string name;
  std::string needs;    // "tmpfile", "write-through" (no writeback cache), or nothing
  std::string without;  // "blocks": allocated blocks may differ from ext4's; or nothing
  std::vector<Call> calls;
  std::vector<size_t> lines;  // where they stand

  bool needs_users() const;
  bool needs_remount() const;
};

// The error names file and line.
tl::expected<std::vector<ScriptCase>, std::string> ReadScript(const std::string& path);
tl::expected<std::vector<Call>, std::string> ReadCalls(const std::string& path);

}  // namespace silt::posix
