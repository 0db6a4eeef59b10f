// One request as the access log keeps it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "mount/request_counters.h"

namespace silt::mount {

struct AccessRecord {
  std::chrono::system_clock::time_point when;
  Request kind = Request::kLookup;
  uint64_t inode = 0;        // that the request is about; for a name, its directory
  std::string name;          // in that directory; empty when the request is about the inode itself
  uint64_t other_inode = 0;  // of a rename, the new directory; of a link, the file; of a copy, its destination; or 0
  std::string other_name;    // of a rename, the new name
  std::string detail;        // an extended attribute's name, a symlink's target
  bool ranged = false;
  uint64_t offset = 0;  // and size: of what is read, written, allocated, copied
  uint64_t size = 0;
  uint32_t uid = 0, gid = 0, pid = 0;
  std::optional<int> error;  // errno, 0 for success; nullopt: not known
  std::chrono::nanoseconds took{0};
  uint64_t found_inode = 0;  // that the reply tells for the name; or 0
};

// A request as it came from the kernel: header, argument, payload. nullopt for what the log leaves out: forgets, what is
// no operation on files, and what makes no sense. Names are cut to 255 bytes.
std::optional<AccessRecord> DecodeAccess(std::span<const char> bytes);

// "2026-11-21T15:00:39.123456Z create /a/b = OK 12.3us uid=0 gid=0 pid=17", without a newline. `path_of` gives an
// inode's path ("/a"), or its number in words where it is not known.
std::string FormatAccess(const AccessRecord& record, const std::function<std::string(uint64_t inode)>& path_of);

}  // namespace silt::mount
