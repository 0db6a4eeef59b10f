// VersionEdit::Decode on hostile bytes; and a store whose MANIFEST holds them as its records.
#include "fuzz_input.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_set.h"
#include "lsm/wal/log_writer.h"

using namespace silt::lsm;

namespace {

// What is accepted, encoded anew, is the same edit.
void RoundTrip(std::string_view record) {
  Result<VersionEdit> edit = VersionEdit::Decode(record);
  if (!edit) {
    SILT_FUZZ_CHECK(edit.error().IsCorruption() || edit.error().code() == StatusCode::kNotSupported);
    return;
  }
  std::string encoded = edit->Encode();
  Result<VersionEdit> again = VersionEdit::Decode(encoded);
  SILT_FUZZ_CHECK(again.has_value() && again->Encode() == encoded);
  SILT_FUZZ_CHECK(again->DebugString() == edit->DebugString());
}

// The first byte says how long the first record is.
void Recover(std::string_view input) {
  SimStorage storage;
  if (!storage.CreateDir("s").ok() || input.empty()) return;
  size_t first = std::min<size_t>(static_cast<uint8_t>(input[0]), input.size() - 1);
  {
    LogWriter log(*storage.NewWritableFile("s/MANIFEST-000001"), "s/MANIFEST-000001", 1);
    (void)log.AddRecord(input.substr(1, first));
    (void)log.AddRecord(input.substr(1 + first));
    SILT_FUZZ_CHECK(WriteCurrent(&storage, "s", 1).status.ok());
  }
  Options options;
  VersionSet versions(options, &storage, "s");
  if (!versions.Recover().ok()) return;
  VersionEdit edit;
  (void)versions.LogAndApply(&edit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  RoundTrip(input);
  Recover(input);
  return 0;
}
