// The filesystem's keys and records on hostile bytes: whatever is accepted is exactly what would be written.
#include "fs/schema.h"
#include "fuzz_input.h"

using namespace silt::fs::schema;

namespace {

template <class Record>
void RoundTrip(std::string_view bytes) {
  auto record = Record::Decode(bytes);
  if (!record) return;
  std::string encoded = record->Encode();
  auto again = Record::Decode(encoded);
  SILT_FUZZ_CHECK(again.has_value() && again->Encode() == encoded);
}

std::optional<std::string> KeyOf(const MetaKey& key) {
  switch (key.kind) {
    case KeyKind::kEntry:
      return EntryKey(key.ino, key.entry_id);
    case KeyKind::kInode:
      return InodeKey(key.ino);
    case KeyKind::kName:
      return NameKey(key.ino, key.name);
    case KeyKind::kOrphan:
      return OrphanKey(key.ino);
    case KeyKind::kSuperblock:
      return SuperblockKey();
    case KeyKind::kXattr:
      return XattrKey(key.ino, key.name);
    default:
      return std::nullopt;  // kinds of one inode number, as kOrphan
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (auto key = ParseMetaKey(input)) SILT_FUZZ_CHECK(KeyOf(*key).value_or(std::string(input)) == input);
  if (auto key = ParseDataKey(input)) SILT_FUZZ_CHECK(DataKey(key->ino, key->block) == input);
  RoundTrip<SuperblockRecord>(input);
  RoundTrip<InodeRecord>(input);
  RoundTrip<NameRecord>(input);
  RoundTrip<EntryRecord>(input);
  return 0;
}
