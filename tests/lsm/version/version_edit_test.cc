#include "lsm/version/version_edit.h"

#include <gtest/gtest.h>

#include <random>

#include "lsm/coding.h"
#include "version_testing.h"

namespace silt::lsm {
namespace {

std::string RandomBytes(std::mt19937* random) {
  std::string bytes((*random)() % 20, '\0');
  for (char& c : bytes) c = static_cast<char>((*random)());
  return bytes;
}

VersionEdit RandomEdit(std::mt19937* random) {
  auto maybe = [&] { return (*random)() % 2 == 0; };
  VersionEdit edit;
  if (maybe()) edit.format_version = (*random)() % (kEngineFormatVersion + 1);
  if (maybe()) edit.wal_number = (*random)();
  if (maybe()) edit.next_file_number = uint64_t{(*random)()} << 30;
  if (maybe()) edit.last_sequence = uint64_t{(*random)()} << 20;
  for (uint32_t i = 0, n = (*random)() % 3; i < n; ++i) edit.family_names.push_back(RandomBytes(random));
  for (uint32_t i = 0, n = (*random)() % 4; i < n; ++i) {
    edit.deleted_files.push_back({static_cast<FamilyId>((*random)() % kMaxFamilies),
                                  static_cast<int>((*random)() % kNumLevels), 1 + (*random)()});
  }
  for (uint32_t i = 0, n = (*random)() % 4; i < n; ++i) {
    auto file = std::make_shared<FileMeta>();
    file->number = 1 + (*random)();
    file->size = (*random)();
    TableProperties& p = file->properties;
    p.family = static_cast<FamilyId>((*random)() % kMaxFamilies);
    p.entries = (*random)();
    p.tombstones = (*random)();
    p.range_tombstones = (*random)() % 3;
    p.smallest = RandomBytes(random);
    p.largest = RandomBytes(random);
    p.largest_exclusive = maybe();
    p.smallest_sequence = (*random)();
    p.largest_sequence = (*random)();
    edit.new_files.push_back({p.family, static_cast<int>((*random)() % kNumLevels), file});
  }
  return edit;
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[c & 15];
  }
  return hex;
}

TEST(VersionEdit, SurvivesEncodingAndDecoding) {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    VersionEdit edit = RandomEdit(&random);
    auto decoded = VersionEdit::Decode(edit.Encode());
    ASSERT_TRUE(decoded.has_value()) << decoded.error().ToString();
    EXPECT_EQ(Hex(decoded->Encode()), Hex(edit.Encode()));
    EXPECT_EQ(decoded->DebugString(), edit.DebugString());
    EXPECT_EQ(decoded->family_names, edit.family_names);
    EXPECT_EQ(decoded->deleted_files.size(), edit.deleted_files.size());
    ASSERT_EQ(decoded->new_files.size(), edit.new_files.size());
    for (size_t n = 0; n < edit.new_files.size(); ++n) {
      EXPECT_EQ(decoded->new_files[n].file->properties.largest, edit.new_files[n].file->properties.largest);
      EXPECT_EQ(decoded->new_files[n].level, edit.new_files[n].level);
    }
  }
}

TEST(VersionEdit, DebugStringIsOnePrintableLine) {
  std::mt19937 random(2);
  for (int i = 0; i < 200; ++i) {
    for (char c : RandomEdit(&random).DebugString()) ASSERT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST(VersionEdit, DecodingDamagedBytesFailsOrGivesAnEditThatCanBeEncoded) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::string record = RandomEdit(&random).Encode();
    for (size_t cut = 0; cut < record.size(); ++cut) {
      auto decoded = VersionEdit::Decode(record.substr(0, cut));
      if (decoded) (void)decoded->Encode();
    }
    for (int flips = 0; flips < 50 && !record.empty(); ++flips) {
      std::string damaged = record;
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
      auto decoded = VersionEdit::Decode(damaged);
      if (decoded) (void)decoded->DebugString();
      if (!decoded) {
        EXPECT_TRUE(decoded.error().code() == StatusCode::kCorruption ||
                    decoded.error().code() == StatusCode::kNotSupported);
      }
    }
  }
}

TEST(VersionEdit, AnUnknownFieldIsANewerProgramsWork) {
  std::string record;
  PutVarint64(&record, 99);
  auto decoded = VersionEdit::Decode(record);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), StatusCode::kNotSupported);
  EXPECT_NE(decoded.error().message().find("field 99"), std::string::npos);
}

TEST(VersionEdit, ANewerFormatIsNamedBeforeItsUnknownFields) {
  VersionEdit edit;
  edit.format_version = kEngineFormatVersion + 6;
  std::string record = edit.Encode();
  PutVarint64(&record, 99);
  auto decoded = VersionEdit::Decode(record);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), StatusCode::kNotSupported);
  EXPECT_NE(decoded.error().message().find("format version 7"), std::string::npos) << decoded.error().message();
}

TEST(VersionEdit, MalformedFieldsAreCorruption) {
  auto fields = [](std::initializer_list<uint64_t> varints) {
    std::string record;
    for (uint64_t value : varints) PutVarint64(&record, value);
    return record;
  };
  for (const std::string& record : {
           fields({3, 5, 3, 6}),                             // the WAL number twice
           fields({7, kMaxFamilies, 0, 1}),                  // no such family
           fields({7, 0, kNumLevels, 1}),                    // no such level
           fields({7, 0, 0, 0}),                             // table 0
           fields({1, uint64_t{1} << 32}),                   // too wide
           fields({2, 100}),                                 // name longer than the record
           fields({6, 0, 0, 5, 100, 50}),                    // properties longer than the record
           std::string("\x03\xff\xff\xff\xff\xff\xff", 7),   // cut off varint
           std::string("\xff\xff\xff\xff\xff\xff\xff\xff"),  // no tag
       }) {
    auto decoded = VersionEdit::Decode(record);
    ASSERT_FALSE(decoded.has_value()) << Hex(record);
    EXPECT_EQ(decoded.error().code(), StatusCode::kCorruption) << decoded.error().ToString();
  }
}

// The format as FORMAT.md describes it, byte by byte. (A file's properties are pinned by the table's own tests.)
TEST(VersionEdit, EncodesAsDocumented) {
  VersionEdit edit;
  edit.format_version = 1;
  edit.family_names = {"meta", "data"};
  edit.wal_number = 7;
  edit.next_file_number = 300;
  edit.last_sequence = 70000;
  edit.deleted_files = {{1, 2, 9}};
  EXPECT_EQ(Hex(edit.Encode()),
            "0101"
            "02046d657461"
            "020464617461"
            "0307"
            "04ac02"
            "05f0a204"
            "07010209");
  EXPECT_EQ(edit.DebugString(),
            "format=1 family=\"meta\" family=\"data\" wal=7 next_file=300 last_sequence=70000 -1/L2#9");

  VersionEdit added;
  FileRef file = testing::MakeFile(12, 1, "a", "b\n", 3, 4);
  added.new_files.push_back({1, 0, file});
  std::string properties = file->properties.Encode();
  std::string expected = std::string("\x06\x01\x00\x0c\xf4\x07", 6);
  PutLengthPrefixed(&expected, properties);
  EXPECT_EQ(Hex(added.Encode()), Hex(expected));
  EXPECT_EQ(added.DebugString(), "+1/L0#12[\"a\"..\"b\\x0a\" seq=3..4 bytes=1012 entries=7 tombstones=0+0]");
}

}  // namespace
}  // namespace silt::lsm
