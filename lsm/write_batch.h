// A list of updates that become visible and durable together. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/types.h"

namespace silt::lsm {

// Later operations of a batch win over earlier ones, range deletions included: each gets a sequence number of its own.
// Format (lsm/FORMAT.md "Batch"): fixed64 first sequence, fixed32 count, then per operation: kind (1), family (1),
// length-prefixed key, and for puts a length-prefixed value, for range deletions the length-prefixed exclusive end.
class WriteBatch {
 public:
  static constexpr size_t kHeaderSize = 12;

  WriteBatch() { Clear(); }

  void Put(FamilyId family, std::string_view key, std::string_view value);
  // The same with the value in two pieces, which are stored one behind the other.
  void Put(FamilyId family, std::string_view key, std::string_view value_head, std::string_view value_tail);
  void Delete(FamilyId family, std::string_view key);
  // Deletes begin <= key < end. No effect if begin >= end. A few point deletes are cheaper than a range.
  void DeleteRange(FamilyId family, std::string_view begin, std::string_view end);

  void Clear();
  void Append(const WriteBatch& other);
  uint32_t Count() const;
  bool Empty() const { return Count() == 0; }
  size_t ByteSize() const { return rep_.size(); }

  // Engine side.
  std::string_view Data() const { return rep_; }
  SequenceNumber Sequence() const;
  void SetSequence(SequenceNumber sequence);
  // Of everything that was put in, so that nobody needs to decode it to know.
  FamilyId LargestFamily() const { return largest_family_; }
  size_t LargestEntry() const { return largest_entry_; }  // bytes of key and value
  uint64_t UserBytes() const { return user_bytes_; }      // bytes of all keys and values

  // One operation: `value` is the value of a put, the end of a range deletion, else empty.
  using Visitor =
      std::function<void(SequenceNumber, EntryKind, FamilyId, std::string_view key, std::string_view value)>;
  // Decodes an encoded batch, calling `visit` in order. Corruption when it is malformed; what was visited before stands.
  static Status Decode(std::string_view data, const Visitor& visit);

 private:
  // `more`: bytes that follow the key.
  void Begin(EntryKind kind, FamilyId family, std::string_view key, size_t more);

  std::string rep_;
  FamilyId largest_family_ = 0;
  size_t largest_entry_ = 0;
  uint64_t user_bytes_ = 0;
};

}  // namespace silt::lsm
