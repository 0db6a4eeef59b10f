// Reads the operations of an encoded batch (lsm/FORMAT.md "Batch"). In a header, so that the memtable's loop is one loop.
#pragma once

#include <string_view>
#include <utility>

#include "lsm/coding.h"
#include "lsm/status.h"
#include "lsm/types.h"
#include "lsm/write_batch.h"

namespace silt::lsm {

// Calls visit(sequence, kind, family, key, value) for each operation in order, numbered from `first` on. Corruption when
// the bytes are no batch; what was visited before stands.
template <class Visit>
Status ForEachInBatch(std::string_view batch, SequenceNumber first, Visit&& visit) {
  if (batch.size() < WriteBatch::kHeaderSize) return Status::Corruption("batch: shorter than its header");
  auto count = DecodeFixed<uint32_t>(batch.data() + sizeof(uint64_t));
  std::string_view in = batch.substr(WriteBatch::kHeaderSize);
  for (uint32_t i = 0; i < count; ++i) {
    if (in.size() < 2) return Status::Corruption("batch: fewer operations than it counts");
    auto kind = static_cast<uint8_t>(in[0]);
    auto family = static_cast<FamilyId>(in[1]);
    in.remove_prefix(2);
    if (kind > static_cast<uint8_t>(EntryKind::kRangeDelete)) return Status::Corruption("batch: unknown operation");
    if (family >= kMaxFamilies) return Status::Corruption("batch: unknown family");
    std::string_view key;
    std::string_view value;
    bool has_value = kind != static_cast<uint8_t>(EntryKind::kDelete);
    if (!GetLengthPrefixed(&in, &key) || (has_value && !GetLengthPrefixed(&in, &value))) {
      return Status::Corruption("batch: cut off inside an operation");
    }
    visit(first + i, static_cast<EntryKind>(kind), family, key, value);
  }
  if (!in.empty()) return Status::Corruption("batch: bytes after the last operation");
  return Status::Ok();
}

}  // namespace silt::lsm
