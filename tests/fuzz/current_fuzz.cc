// Any bytes as CURRENT: they name a MANIFEST only when they are exactly what is written for it.
#include "fuzz_input.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/version/manifest.h"

using namespace silt::lsm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  SimStorage storage;
  SILT_FUZZ_CHECK(storage.CreateDir("s").ok());
  SILT_FUZZ_CHECK((*storage.NewWritableFile("s/CURRENT"))->Append(input).ok());
  Result<FileNumber> number = ReadCurrent(&storage, "s");
  if (number) {
    SILT_FUZZ_CHECK(EncodeCurrent(*number) == input);
  } else {
    SILT_FUZZ_CHECK(number.error().IsCorruption());
  }
  return 0;
}
