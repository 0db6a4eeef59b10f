// Checks in debug builds that each thread takes its locks in the order that fs/inode_table.h lays down.
#pragma once

#include <cstdint>
#include <utility>

namespace silt::fs::lock_order {

enum Rank : uint8_t { kRename = 1, kDirectory = 2, kFile = 3 };
using Position = std::pair<Rank, uint64_t>;

// What happens on a violation: by default, an abort with a line that names both locks. Tests replace it.
using Handler = void (*)(Position held, Position wanted);
void SetHandler(Handler handler);  // nullptr: the default

#ifdef NDEBUG
inline void Acquire(Position) {}
inline void Release(Position) {}
#else
void Acquire(Position wanted);  // before the lock is waited for
void Release(Position held);
#endif

}  // namespace silt::fs::lock_order
