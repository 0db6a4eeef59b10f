#include "lsm/table/table_builder.h"

#include <gtest/gtest.h>

#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

TEST(TableBuilder, EntriesOutOfOrderAreRefused) {
  BuiltTable built;
  MemoryWriter writer(built.file);
  TableBuilder builder({}, &writer, "t");
  builder.Add(MakeInternalKey("b", 1, EntryKind::kPut), "");
  builder.Add(MakeInternalKey("b", 2, EntryKind::kPut), "");
  EXPECT_EQ(builder.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(builder.Finish().code(), StatusCode::kInvalidArgument);
}

TEST(TableBuilder, WhatIsNoPointEntryIsRefused) {
  for (const std::string& key : {std::string("short"), MakeInternalKey("k", 1, EntryKind::kRangeDelete),
                                 MakeInternalKey("k", 1, static_cast<EntryKind>(9))}) {
    BuiltTable built;
    MemoryWriter writer(built.file);
    TableBuilder builder({}, &writer, "t");
    builder.Add(key, "");
    EXPECT_EQ(builder.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(TableBuilder, AnEmptyTableIsRefused) {
  BuiltTable built;
  MemoryWriter writer(built.file);
  TableBuilder builder({}, &writer, "t");
  EXPECT_TRUE(builder.Empty());
  builder.AddRangeTombstone({"b", "b", 1});  // covers nothing
  EXPECT_TRUE(builder.Empty());
  EXPECT_EQ(builder.Finish().code(), StatusCode::kInvalidArgument);
}

TEST(TableBuilder, TheFirstErrorOfTheFileSticks) {
  BuiltTable built;
  MemoryWriter writer(built.file);
  writer.fail_after = 1;
  TableBuilder builder({}, &writer, "t");
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    builder.Add(MakeInternalKey("k" + std::to_string(10'000 + i), 1, EntryKind::kPut), RandomBytes(random, 1000));
  }
  EXPECT_TRUE(builder.status().IsNoSpace());
  EXPECT_TRUE(builder.Finish().IsNoSpace());
  EXPECT_EQ(writer.appends, 2);
}

TEST(TableBuilder, WritesInLargePiecesAndStartsWriteback) {
  BuiltTable built;
  MemoryWriter writer(built.file);
  TableBuilder builder({}, &writer, "t");
  std::mt19937_64 random(1);
  for (int i = 0; i < 4000; ++i) {
    builder.Add(MakeInternalKey("k" + std::to_string(10'000 + i), 1, EntryKind::kPut), RandomBytes(random, 1000));
  }
  ASSERT_TRUE(builder.Finish().ok());
  EXPECT_LT(writer.appends, 20);
  EXPECT_GT(writer.written_back, 2U << 20);
}

TEST(TableBuilder, FileSizeGrowsWithWhatIsAdded) {
  BuiltTable built;
  MemoryWriter writer(built.file);
  TableBuilder builder({}, &writer, "t");
  std::mt19937_64 random(1);
  uint64_t last = builder.FileSize();
  for (int i = 0; i < 100; ++i) {
    builder.Add(MakeInternalKey("k" + std::to_string(1000 + i), 1, EntryKind::kPut), RandomBytes(random, 1000));
    EXPECT_GT(builder.FileSize(), last + 900);
    last = builder.FileSize();
  }
}

TEST(TableProperties, SurviveEncodingAndSkipUnknownFields) {
  std::mt19937_64 random(2);
  TableProperties p = Build({.family = 3, .creation_seconds = 1'700'000'000}, RandomEntries(random, 50, 20)).properties;
  std::string encoded = p.Encode();
  auto decoded = TableProperties::Decode(encoded + std::string("\x63\x03xyz", 5));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->Encode(), encoded);
  EXPECT_EQ(decoded->family, 3);
  EXPECT_EQ(decoded->creation_seconds, 1'700'000'000U);
  EXPECT_TRUE(TableProperties::Decode(encoded.substr(0, encoded.size() - 1)).error().IsCorruption());
}

}  // namespace
}  // namespace silt::lsm
