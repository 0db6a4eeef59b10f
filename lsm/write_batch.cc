#include "lsm/write_batch.h"

#include "lsm/coding.h"

namespace silt::lsm {

void WriteBatch::Clear() { rep_.assign(kHeaderSize, '\0'); }

uint32_t WriteBatch::Count() const { return DecodeFixed<uint32_t>(rep_.data() + 8); }
void WriteBatch::BumpCount() { EncodeFixed<uint32_t>(rep_.data() + 8, Count() + 1); }
SequenceNumber WriteBatch::Sequence() const { return DecodeFixed<uint64_t>(rep_.data()); }
void WriteBatch::SetSequence(SequenceNumber sequence) { EncodeFixed<uint64_t>(rep_.data(), sequence); }

void WriteBatch::Put(FamilyId family, std::string_view key, std::string_view value) { Put(family, key, value, {}); }

void WriteBatch::Put(FamilyId family, std::string_view key, std::string_view value_head, std::string_view value_tail) {
  BumpCount();
  rep_.push_back(static_cast<char>(EntryKind::kPut));
  rep_.push_back(static_cast<char>(family));
  PutLengthPrefixed(&rep_, key);
  PutVarint64(&rep_, value_head.size() + value_tail.size());
  rep_.append(value_head);
  rep_.append(value_tail);
}

void WriteBatch::Delete(FamilyId family, std::string_view key) {
  BumpCount();
  rep_.push_back(static_cast<char>(EntryKind::kDelete));
  rep_.push_back(static_cast<char>(family));
  PutLengthPrefixed(&rep_, key);
}

void WriteBatch::DeleteRange(FamilyId family, std::string_view begin, std::string_view end) {
  if (begin >= end) return;
  BumpCount();
  rep_.push_back(static_cast<char>(EntryKind::kRangeDelete));
  rep_.push_back(static_cast<char>(family));
  PutLengthPrefixed(&rep_, begin);
  PutLengthPrefixed(&rep_, end);
}

void WriteBatch::Append(const WriteBatch& other) {
  EncodeFixed<uint32_t>(rep_.data() + 8, Count() + other.Count());
  rep_.append(other.rep_, kHeaderSize);
}

Status WriteBatch::Decode(std::string_view data, const Visitor& visit) {
  if (data.size() < kHeaderSize) return Status::Corruption("batch: shorter than its header");
  auto sequence = DecodeFixed<uint64_t>(data.data());
  auto count = DecodeFixed<uint32_t>(data.data() + 8);
  std::string_view in = data.substr(kHeaderSize);
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
    visit(sequence + i, static_cast<EntryKind>(kind), family, key, value);
  }
  if (!in.empty()) return Status::Corruption("batch: bytes after the last operation");
  return Status::Ok();
}

}  // namespace silt::lsm
