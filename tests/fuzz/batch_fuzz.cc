// WriteBatch::Decode on hostile bytes: what it accepts, encoded anew, is the same batch.
#include "fuzz_input.h"
#include "lsm/write_batch.h"

using namespace silt::lsm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  WriteBatch again;
  bool has_empty_range = false;
  Status status = WriteBatch::Decode(
      input, [&](SequenceNumber, EntryKind kind, FamilyId family, std::string_view key, std::string_view value) {
        if (kind == EntryKind::kPut) again.Put(family, key, value);
        if (kind == EntryKind::kDelete) again.Delete(family, key);
        if (kind != EntryKind::kRangeDelete) return;
        has_empty_range = has_empty_range || key >= value;
        again.DeleteRange(family, key, value);
      });
  SILT_FUZZ_CHECK(status.ok() || status.IsCorruption());
  // Overlong varints decode to the same numbers but not to the same bytes: the sizes can only shrink.
  if (status.ok() && !has_empty_range) {
    SILT_FUZZ_CHECK(again.ByteSize() <= input.size());
    uint32_t count = 0;
    Status second = WriteBatch::Decode(again.Data(), [&](auto&&...) { ++count; });
    SILT_FUZZ_CHECK(second.ok() && count == again.Count());
  }
  return 0;
}
