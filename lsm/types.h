// Small types that the whole engine shares.
#pragma once

#include <cstddef>
#include <cstdint>

namespace silt::lsm {

// Every operation of every batch has a sequence number of its own; they grow by one and are never reused.
using SequenceNumber = uint64_t;
inline constexpr SequenceNumber kMaxSequence = (uint64_t{1} << 56) - 1;

// Names one of the store's families: an index into Options::families.
using FamilyId = uint8_t;
inline constexpr FamilyId kMaxFamilies = 8;

// Names a file of the store (WAL, table or MANIFEST). One counter serves all kinds; table numbers are never reused.
using FileNumber = uint64_t;

// Kinds of entries, as stored in tables and in the WAL; never renumber. 3 is kept for "pointer" (value logs).
enum class EntryKind : uint8_t { kDelete = 0, kPut = 1, kRangeDelete = 2 };

inline constexpr int kNumLevels = 7;

// Internal key and value of one entry together: what a table can hold.
inline constexpr size_t kMaxEntryBytes = 256 << 20;
// Key and value of one entry together: what a write may have (an internal key is longer by 8 bytes).
inline constexpr size_t kMaxUserEntryBytes = kMaxEntryBytes - 8;

}  // namespace silt::lsm
