// Any bytes as a filter block: probing stays inside. And a filter of any keys forgets none of them.
#include <memory>
#include <vector>

#include "fuzz_input.h"
#include "lsm/table/filter.h"

using namespace silt::lsm;
using silt::fuzz::FuzzInput;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size, so that the sanitizer sees a read past its end.
  auto bytes = std::make_unique<char[]>(size);
  std::copy(data, data + size, bytes.get());
  Filter filter;
  if (filter.Open({bytes.get(), size})) {
    for (std::string_view key : {"", "a", "key", "\xff\xff\xff\xff"}) filter.MayContain(key);
  }

  FuzzInput input(data, size);
  FilterBuilder builder(static_cast<int>(input.UpTo(30)));
  std::vector<std::string_view> keys;
  while (!input.empty()) keys.push_back(input.Bytes(1 + input.Number<uint8_t>() % 16));
  for (std::string_view key : keys) builder.Add(key);
  std::string block = builder.Finish();
  Filter made;
  if (!made.Open(block)) return 0;  // of no keys, or without bits
  for (std::string_view key : keys) SILT_FUZZ_CHECK(made.MayContain(key));
  return 0;
}
