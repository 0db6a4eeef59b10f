// Internal keys: user key, then 8 bytes of (sequence << 8 | kind). They sort by user key ascending (bytes), then by
// sequence descending, so that a seek to (key, snapshot) lands on the newest version that the snapshot sees.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "lsm/byte_order.h"
#include "lsm/coding.h"
#include "lsm/types.h"

namespace silt::lsm {

inline constexpr size_t kTrailerSize = 8;

constexpr uint64_t PackTrailer(SequenceNumber sequence, EntryKind kind) {
  return sequence << 8 | static_cast<uint64_t>(kind);
}

// The trailer that sorts before every entry of the same user key with this sequence or an older one.
constexpr uint64_t SeekTrailer(SequenceNumber sequence) { return sequence << 8 | 0xff; }

struct ParsedInternalKey {
  std::string_view user_key;
  SequenceNumber sequence = 0;
  EntryKind kind = EntryKind::kPut;
};

inline void AppendInternalKey(std::string* out, std::string_view user_key, uint64_t trailer) {
  out->append(user_key);
  PutFixed<uint64_t>(out, trailer);
}

inline std::string MakeInternalKey(std::string_view user_key, SequenceNumber sequence, EntryKind kind) {
  std::string key;
  key.reserve(user_key.size() + kTrailerSize);
  AppendInternalKey(&key, user_key, PackTrailer(sequence, kind));
  return key;
}

inline std::string MakeSeekKey(std::string_view user_key, SequenceNumber sequence) {
  std::string key;
  key.reserve(user_key.size() + kTrailerSize);
  AppendInternalKey(&key, user_key, SeekTrailer(sequence));
  return key;
}

// REQUIRES: internal_key.size() >= kTrailerSize.
inline std::string_view ExtractUserKey(std::string_view internal_key) {
  return internal_key.substr(0, internal_key.size() - kTrailerSize);
}
inline uint64_t ExtractTrailer(std::string_view internal_key) {
  return DecodeFixed<uint64_t>(internal_key.data() + internal_key.size() - kTrailerSize);
}
inline SequenceNumber ExtractSequence(std::string_view internal_key) { return ExtractTrailer(internal_key) >> 8; }

// False when the bytes are no internal key (too short, unknown kind).
[[nodiscard]] inline bool ParseInternalKey(std::string_view internal_key, ParsedInternalKey* parsed) {
  if (internal_key.size() < kTrailerSize) return false;
  uint64_t trailer = ExtractTrailer(internal_key);
  if ((trailer & 0xff) > static_cast<uint64_t>(EntryKind::kRangeDelete)) return false;
  *parsed = {ExtractUserKey(internal_key), trailer >> 8, static_cast<EntryKind>(trailer & 0xff)};
  return true;
}

// <0, 0, >0. REQUIRES: both are at least kTrailerSize long.
inline int CompareInternal(std::string_view a, std::string_view b) {
  int order = CompareBytes(ExtractUserKey(a), ExtractUserKey(b));
  if (order != 0) return order;
  uint64_t ta = ExtractTrailer(a);
  uint64_t tb = ExtractTrailer(b);
  return ta > tb ? -1 : (ta < tb ? 1 : 0);
}

}  // namespace silt::lsm
