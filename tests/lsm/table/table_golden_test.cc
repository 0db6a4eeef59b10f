// The format stays what it is: a table of fixed entries has the same bytes as ever, and tables written by earlier
// versions of the program (also by other versions of the compression libraries) are read.
// SILT_UPDATE_GOLDEN=1 writes the files anew; do that only together with a new format version.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

Entries GoldenEntries() {
  Entries entries;
  for (int i = 0; i < 60; ++i) {
    std::string key = "directory/file" + std::to_string(100 + i);
    SequenceNumber sequence = 1000 + static_cast<SequenceNumber>(i);
    entries[MakeInternalKey(key, sequence, EntryKind::kPut)] =
        std::string(static_cast<size_t>(i), 'v') + std::to_string(i);
    if (i % 7 == 0) entries[MakeInternalKey(key, sequence + 100, EntryKind::kDelete)] = "";
  }
  entries[MakeInternalKey("", 7, EntryKind::kPut)] = "the empty key";
  return entries;
}

BuiltTable GoldenTable(Compression compression) {
  TableBuilderOptions options;
  options.family = 1;
  options.block_bytes = 256;
  options.index_block_bytes = 128;
  options.restart_interval = 4;
  options.compression = compression;
  options.creation_seconds = 1'750'000'000;
  return Build(options, GoldenEntries(), {{"directory/file110", "directory/file120", 1200}, {"x", "y", 3}});
}

struct Golden {
  const char* file;
  Compression compression;
};
constexpr Golden kGolden[] = {
    {"v1_raw.sst", Compression::kNone}, {"v1_snappy.sst", Compression::kSnappy}, {"v1_zstd.sst", Compression::kZstd}};

std::string PathOf(const Golden& golden) {
  return (std::filesystem::path(SILT_TEST_DATA) / golden.file).string();
}

std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

TEST(TableGolden, BytesAreAsEver) {
  if (std::getenv("SILT_UPDATE_GOLDEN") != nullptr) {
    for (const Golden& golden : kGolden) {
      std::ofstream(PathOf(golden), std::ios::binary) << GoldenTable(golden.compression).file->bytes;
    }
  }
  // Without compression, whose output may change with the library.
  EXPECT_TRUE(ReadBytes(PathOf(kGolden[0])) == GoldenTable(Compression::kNone).file->bytes);
}

TEST(TableGolden, EarlierTablesAreRead) {
  Entries entries = GoldenEntries();
  for (const Golden& golden : kGolden) {
    SCOPED_TRACE(golden.file);
    auto file = std::make_shared<MemoryFileBytes>();
    file->bytes = ReadBytes(PathOf(golden));
    auto table = OpenTable(file);
    ASSERT_TRUE(table) << table.error().ToString();
    Status verified = (*table)->Verify({});
    EXPECT_TRUE(verified.ok()) << verified.ToString();
    for (const auto& [key, value] : entries) {
      SequenceNumber sequence = ExtractSequence(key);
      ASSERT_EQ(DescribeGet(**table, ExtractUserKey(key), sequence),
                ExpectedGet(entries, ExtractUserKey(key), sequence));
    }
    EXPECT_EQ((*table)->range_tombstones().CoveringSequence("directory/file115", kMaxSequence), 1200U);
    EXPECT_EQ((*table)->properties().creation_seconds, 1'750'000'000U);
  }
}

}  // namespace
}  // namespace silt::lsm
