#include "lsm/table/table_properties.h"

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

// Stored; never renumber. Each field: varint tag, length-prefixed bytes; numbers are varints inside.
enum class Tag : uint32_t {
  kFamily = 1,
  kEntries = 2,
  kTombstones = 3,
  kRangeTombstones = 4,
  kRawKeyBytes = 5,
  kRawValueBytes = 6,
  kDataBlocks = 7,
  kTombstoneDenseBlocks = 8,
  kCreationSeconds = 9,
  kSmallestSequence = 10,
  kLargestSequence = 11,
  kSmallest = 12,
  kLargest = 13,
  kLargestExclusive = 14,
};

void PutNumber(std::string* out, Tag tag, uint64_t value) {
  PutVarint64(out, static_cast<uint32_t>(tag));
  PutVarint64(out, static_cast<uint64_t>(VarintLength(value)));
  PutVarint64(out, value);
}

void PutBytes(std::string* out, Tag tag, std::string_view value) {
  PutVarint64(out, static_cast<uint32_t>(tag));
  PutLengthPrefixed(out, value);
}

bool ReadNumber(std::string_view bytes, uint64_t* value) {
  return GetVarint64(&bytes, value) && bytes.empty();
}

bool ReadField(Tag tag, std::string_view bytes, TableProperties* p) {
  uint64_t small = 0;
  switch (tag) {
    case Tag::kFamily:
      if (!ReadNumber(bytes, &small) || small >= kMaxFamilies) return false;
      p->family = static_cast<FamilyId>(small);
      return true;
    case Tag::kEntries:
      return ReadNumber(bytes, &p->entries);
    case Tag::kTombstones:
      return ReadNumber(bytes, &p->tombstones);
    case Tag::kRangeTombstones:
      return ReadNumber(bytes, &p->range_tombstones);
    case Tag::kRawKeyBytes:
      return ReadNumber(bytes, &p->raw_key_bytes);
    case Tag::kRawValueBytes:
      return ReadNumber(bytes, &p->raw_value_bytes);
    case Tag::kDataBlocks:
      return ReadNumber(bytes, &p->data_blocks);
    case Tag::kTombstoneDenseBlocks:
      return ReadNumber(bytes, &p->tombstone_dense_blocks);
    case Tag::kCreationSeconds:
      return ReadNumber(bytes, &p->creation_seconds);
    case Tag::kSmallestSequence:
      return ReadNumber(bytes, &p->smallest_sequence);
    case Tag::kLargestSequence:
      return ReadNumber(bytes, &p->largest_sequence);
    case Tag::kSmallest:
      p->smallest = bytes;
      return true;
    case Tag::kLargest:
      p->largest = bytes;
      return true;
    case Tag::kLargestExclusive:
      if (!ReadNumber(bytes, &small) || small > 1) return false;
      p->largest_exclusive = small == 1;
      return true;
  }
  return true;  // a field of a later version
}

}  // namespace

std::string TableProperties::Encode() const {
  std::string out;
  PutNumber(&out, Tag::kFamily, family);
  PutNumber(&out, Tag::kEntries, entries);
  PutNumber(&out, Tag::kTombstones, tombstones);
  PutNumber(&out, Tag::kRangeTombstones, range_tombstones);
  PutNumber(&out, Tag::kRawKeyBytes, raw_key_bytes);
  PutNumber(&out, Tag::kRawValueBytes, raw_value_bytes);
  PutNumber(&out, Tag::kDataBlocks, data_blocks);
  PutNumber(&out, Tag::kTombstoneDenseBlocks, tombstone_dense_blocks);
  PutNumber(&out, Tag::kCreationSeconds, creation_seconds);
  PutNumber(&out, Tag::kSmallestSequence, smallest_sequence);
  PutNumber(&out, Tag::kLargestSequence, largest_sequence);
  PutBytes(&out, Tag::kSmallest, smallest);
  PutBytes(&out, Tag::kLargest, largest);
  PutNumber(&out, Tag::kLargestExclusive, largest_exclusive ? 1 : 0);
  return out;
}

Result<TableProperties> TableProperties::Decode(std::string_view data) {
  TableProperties properties;
  while (!data.empty()) {
    uint32_t tag = 0;
    std::string_view bytes;
    if (!GetVarint32(&data, &tag) || !GetLengthPrefixed(&data, &bytes) ||
        !ReadField(static_cast<Tag>(tag), bytes, &properties)) {
      return Fail(Status::Corruption("malformed table properties"));
    }
  }
  return properties;
}

}  // namespace silt::lsm
