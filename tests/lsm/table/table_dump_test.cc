#include "lsm/table/table_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Dump(const std::string& bytes, const TableDumpOptions& options, Status* status) {
  MemoryStorage storage;
  storage.Put("t.sst", bytes);
  std::string text;
  *status = DumpTable(&storage, "t.sst", options, [&](std::string_view line) {
    EXPECT_EQ(line.find('\n'), std::string_view::npos);
    text.append(line).append("\n");
  });
  return text;
}

std::string SampleTable() {
  TableBuilderOptions options;
  options.block_bytes = 64;
  options.index_block_bytes = 64;
  Entries entries;
  for (int i = 0; i < 40; ++i) {
    entries[MakeInternalKey("key" + std::to_string(100 + i), 1, EntryKind::kPut)] =
        std::string("v\x01\\") + std::to_string(i);
  }
  entries[MakeInternalKey("gone", 9, EntryKind::kDelete)] = "";
  return Build(options, entries, {{"a", "b", 3}}).file->bytes;
}

TEST(TableDump, ShowsEverything) {
  Status status;
  std::string text = Dump(SampleTable(), {.blocks = true, .entries = true}, &status);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(text, HasSubstr("two-level index"));
  EXPECT_THAT(text, HasSubstr("41 entries, of them 1 tombstones; 1 range tombstones"));
  EXPECT_THAT(text, HasSubstr("'a' to 'b' @3"));
  EXPECT_THAT(text, HasSubstr("'gone' @9 delete: 0 bytes"));
  EXPECT_THAT(text, HasSubstr("'key107' @1 put: 4 bytes 'v\\x01\\\\7'"));
  EXPECT_THAT(Dump(SampleTable(), {}, &status), Not(HasSubstr("'key107'")));
}

TEST(TableDump, GoesOnPastDamage) {
  std::string bytes = SampleTable();
  bytes[3] = static_cast<char>(bytes[3] ^ 1);
  Status status;
  std::string text = Dump(bytes, {.blocks = true, .entries = true}, &status);
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_THAT(text, HasSubstr("DAMAGED: corruption: t.sst at offset 0: block checksum mismatch"));
  EXPECT_THAT(text, HasSubstr("'key139' @1 put"));

  // A footer whose checksum fails still shows the way, if it can.
  bytes = SampleTable();
  size_t checksum = bytes.size() - 12;
  bytes[checksum] = static_cast<char>(bytes[checksum] ^ 1);
  text = Dump(bytes, {.entries = true}, &status);
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_THAT(text, HasSubstr("footer checksum mismatch"));
  EXPECT_THAT(text, HasSubstr("'key139' @1 put"));
}

TEST(TableDump, AnyBytesAreSurvived) {
  std::string good = SampleTable();
  Status status;
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    Dump(bad, {.blocks = true, .entries = true}, &status);
    EXPECT_FALSE(status.ok()) << at;
  }
  for (size_t length = 0; length < good.size(); length += 3) Dump(good.substr(0, length), {}, &status);
  MemoryStorage empty;
  EXPECT_TRUE(DumpTable(&empty, "none", {}, [](std::string_view) {}).IsNotFound());
}

}  // namespace
}  // namespace silt::lsm
