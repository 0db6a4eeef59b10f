// TableProperties::Decode on hostile bytes: what is accepted, encoded anew, is the same.
#include "fuzz_input.h"
#include "lsm/table/table_properties.h"

using namespace silt::lsm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto properties = TableProperties::Decode({reinterpret_cast<const char*>(data), size});
  if (!properties) return 0;
  std::string encoded = properties->Encode();
  auto again = TableProperties::Decode(encoded);
  SILT_FUZZ_CHECK(again.has_value() && again->Encode() == encoded);
  return 0;
}
