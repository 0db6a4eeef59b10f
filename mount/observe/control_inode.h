// Numbers of the inodes under .siltfs: beyond every number that the filesystem gives out.
#pragma once

#include <cstdint>

#include "fs/schema.h"

namespace silt::mount {

inline constexpr uint64_t kControlInodes = uint64_t{1} << 63;
static_assert(fs::schema::kLastNumber < kControlInodes);

constexpr bool IsControlInode(uint64_t ino) {
  return (ino & kControlInodes) != 0;
}

}  // namespace silt::mount
