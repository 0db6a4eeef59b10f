// Any bytes as a block: cursors end, stay inside, and agree with each other both ways.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/table/block.h"
#include "lsm/table/compression.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using silt::lsm::BlockCursor;

void Walk(std::string_view block) {
  size_t steps = 0;
  BlockCursor cursor(block);
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    SILT_FUZZ_CHECK(++steps <= block.size());
    SILT_FUZZ_CHECK(cursor.key().size() >= silt::lsm::kTrailerSize);
    // The value lies in the block.
    SILT_FUZZ_CHECK(cursor.value().data() >= block.data());
    SILT_FUZZ_CHECK(cursor.value().data() + cursor.value().size() <= block.data() + block.size());
  }
  cursor.Open(block);
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) SILT_FUZZ_CHECK(++steps <= 2 * block.size());
}

void Seek(std::string_view block, std::string_view user_key) {
  std::string target = silt::lsm::MakeSeekKey(user_key, 100);
  BlockCursor cursor(block);
  cursor.Seek(target);
  SILT_FUZZ_CHECK(!cursor.Valid() || silt::lsm::CompareInternal(cursor.key(), target) >= 0);
  if (cursor.Valid()) cursor.Prev();
  cursor.Open(block);
  cursor.SeekForPrev(target);
  if (cursor.Valid()) cursor.Next();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size, so that the sanitizer sees a read past its end.
  auto bytes = std::make_unique<char[]>(size);
  std::copy(data, data + size, bytes.get());
  std::string_view block(bytes.get(), size);
  Walk(block);
  for (std::string_view key : {std::string_view(), std::string_view("a"), block.substr(0, 5)}) Seek(block, key);

  for (uint8_t type = 0; type < 4; ++type) silt::lsm::DecompressBlock(block, type);
  return 0;
}
