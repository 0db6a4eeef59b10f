// Where a listing goes on. The kernel's offsets (d_off) count "." and ".." too, which the filesystem does not list:
//
//   0        from the start: "."
//   1        after "."
//   2        after "..": the filesystem's first entry
//   cookie   after the entry with that cookie: an entry id, which the schema keeps above these
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "fs/schema.h"

namespace silt::mount {

inline constexpr off_t kAfterDot = 1;
inline constexpr off_t kAfterDotDot = 2;
static_assert(fs::schema::kFirstNumber > kAfterDotDot);

constexpr off_t OffsetAfter(uint64_t cookie) {
  return static_cast<off_t>(cookie);
}

// The cookie to go on from; 0, from the first entry, for the offsets that come before it.
constexpr uint64_t CookieAt(off_t offset) {
  return offset <= kAfterDotDot ? 0 : static_cast<uint64_t>(offset);
}

}  // namespace silt::mount
