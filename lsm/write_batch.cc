#include "lsm/write_batch.h"

#include <algorithm>

#include "lsm/batch_reader.h"
#include "lsm/coding.h"

namespace silt::lsm {

void WriteBatch::Clear() {
  rep_.assign(kHeaderSize, '\0');
  largest_family_ = 0;
  largest_entry_ = 0;
  user_bytes_ = 0;
}

uint32_t WriteBatch::Count() const { return DecodeFixed<uint32_t>(rep_.data() + 8); }
SequenceNumber WriteBatch::Sequence() const { return DecodeFixed<uint64_t>(rep_.data()); }
void WriteBatch::SetSequence(SequenceNumber sequence) { EncodeFixed<uint64_t>(rep_.data(), sequence); }

void WriteBatch::Put(FamilyId family, std::string_view key, std::string_view value) { Put(family, key, value, {}); }

void WriteBatch::Begin(EntryKind kind, FamilyId family, std::string_view key, size_t more) {
  EncodeFixed<uint32_t>(rep_.data() + 8, Count() + 1);
  largest_family_ = std::max(largest_family_, family);
  largest_entry_ = std::max(largest_entry_, key.size() + more);
  user_bytes_ += key.size() + more;
  size_t need = rep_.size() + 2 + 2 * kMaxVarint64 + key.size() + more;
  if (need > rep_.capacity()) rep_.reserve(std::max(need, 2 * rep_.capacity()));
  rep_.push_back(static_cast<char>(kind));
  rep_.push_back(static_cast<char>(family));
  PutLengthPrefixed(&rep_, key);
}

void WriteBatch::Put(FamilyId family, std::string_view key, std::string_view value_head, std::string_view value_tail) {
  Begin(EntryKind::kPut, family, key, value_head.size() + value_tail.size());
  PutVarint64(&rep_, value_head.size() + value_tail.size());
  rep_.append(value_head);
  rep_.append(value_tail);
}

void WriteBatch::Delete(FamilyId family, std::string_view key) { Begin(EntryKind::kDelete, family, key, 0); }

void WriteBatch::DeleteRange(FamilyId family, std::string_view begin, std::string_view end) {
  if (begin >= end) return;
  Begin(EntryKind::kRangeDelete, family, begin, end.size());
  PutLengthPrefixed(&rep_, end);
}

void WriteBatch::Append(const WriteBatch& other) {
  EncodeFixed<uint32_t>(rep_.data() + 8, Count() + other.Count());
  largest_family_ = std::max(largest_family_, other.largest_family_);
  largest_entry_ = std::max(largest_entry_, other.largest_entry_);
  user_bytes_ += other.user_bytes_;
  rep_.append(other.rep_, kHeaderSize);
}

Status WriteBatch::Decode(std::string_view data, const Visitor& visit) {
  SequenceNumber first = data.size() < kHeaderSize ? 0 : DecodeFixed<uint64_t>(data.data());
  return ForEachInBatch(data, first, visit);
}

}  // namespace silt::lsm
