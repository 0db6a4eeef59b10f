// Keys and records: golden bytes of format 2, order, and decoders that take anything.
#include "fs/schema.h"

#include <gtest/gtest.h>

#include <random>

namespace silt::fs::schema {
namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

InodeRecord SampleFile() {
  InodeRecord record;
  record.mode = S_IFREG | 0644;
  record.uid = 1000;
  record.gid = 100;
  record.nlink = 1;
  record.size = 5000;
  record.blocks = 2;
  record.mtime = {.seconds = 1'700'000'000, .nanoseconds = 5};
  record.atime = record.btime = record.mtime;
  record.ctime = {.seconds = -1, .nanoseconds = 999'999'999};
  return record;
}

TEST(SchemaTest, GoldenKeys) {
  EXPECT_EQ(Hex(SuperblockKey()), "53");
  EXPECT_EQ(Hex(InodeKey(0x0102)), "490000000000000102");
  EXPECT_EQ(Hex(NameKey(1, "ab")), "4e00000000000000016162");
  EXPECT_EQ(Hex(EntryKey(1, 16)), "4500000000000000010000000000000010");
  EXPECT_EQ(Hex(XattrKey(1, "u.x")), "580000000000000001752e78");
  EXPECT_EQ(Hex(OrphanKey(255)), "4f00000000000000ff");
  EXPECT_EQ(Hex(PromiseKey(255)), "5000000000000000ff");
  EXPECT_EQ(Hex(DataKey(2, 3)), "00000000000000020000000000000003");
}

TEST(SchemaTest, GoldenRecords) {
  SuperblockRecord superblock;
  for (size_t i = 0; i < 16; ++i) superblock.uuid[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(Hex(superblock.Encode()),
            "0102000000000102030405060708090a0b0c0d0e0f00100000010000000000000000000000000000000000000000000000001000"
            "000000000000");
  EXPECT_EQ(Hex(SampleFile().Encode()), "01a48302e8076401000580c49fd50c0501ff93ebdc03882702");
  InodeRecord promised = SampleFile();
  promised.promised = 1;
  EXPECT_EQ(Hex(promised.Encode()), "01a48302e8076401100580c49fd50c0501ff93ebdc0388270201");
  EXPECT_EQ(InodeRecord::Decode(promised.Encode())->promised, 1u);
  EXPECT_EQ(InodeRecord::Decode(promised.Encode())->flags, 0u);
  EXPECT_EQ(Hex(NameRecord{.entry_id = 16, .ino = 17, .type = S_IFDIR}.Encode()), "01101104");
  EXPECT_EQ(Hex(EntryRecord{.ino = 17, .type = S_IFREG, .name = "ab"}.Encode()), "0111086162");
  EXPECT_EQ(Hex(EncodeMark()), "01");
  EXPECT_EQ(FormatUuid(superblock.uuid), "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

TEST(SchemaTest, InodesOfEveryTypeSurviveTheRoundTrip) {
  for (uint32_t type : {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK}) {
    InodeRecord record = SampleFile();
    record.mode = type | 07777u;
    if (!record.IsRegular()) record.size = record.blocks = 0;
    if (record.IsDirectory()) record.parent = 9, record.entries = 3;
    if (record.IsSymlink()) record.target = "x/y";
    if (record.IsDevice()) record.rdev = 0xffff'ffff'ffff'ffffull;
    auto back = InodeRecord::Decode(record.Encode());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->Encode(), record.Encode());
    EXPECT_EQ(back->ctime, record.ctime);
    EXPECT_EQ(back->target, record.target);
    EXPECT_EQ(back->rdev, record.rdev);
  }
}

// What format 1 wrote: a flag that means nothing any more, and no counts.
TEST(SchemaTest, RecordsOfFormatOneAreRead) {
  std::string record = SampleFile().Encode();
  record[7] = 8;  // the flags
  auto back = InodeRecord::Decode(record);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->flags, 0u);
  EXPECT_EQ(back->promised, 0u);
  EXPECT_EQ(back->blocks, 2u);
}

TEST(SchemaTest, WrittenZerosAreNoPreallocatedBlock) {
  EXPECT_EQ(BlockValue(std::string(4096, '\0')), std::string(1, '\0'));
  EXPECT_EQ(BlockValue(std::string("ab\0\0", 4)), "ab");
}

TEST(SchemaTest, RangesHoldTheirOwnAndNothingElse) {
  for (InodeNumber ino : {InodeNumber{1}, InodeNumber{255}, InodeNumber{0xffff}, kLastNumber}) {
    auto within = [](const KeyRange& range, const std::string& key) { return range.begin <= key && key < range.end; };
    EXPECT_TRUE(within(NamesOf(ino), NameKey(ino, "\xff\xff")));
    EXPECT_FALSE(within(NamesOf(ino), NameKey(ino + 1, "a")));
    EXPECT_TRUE(within(EntriesOf(ino), EntryKey(ino, kLastNumber)));
    EXPECT_FALSE(within(EntriesOf(ino), EntryKey(ino + 1, 1)));
    EXPECT_TRUE(within(BlocksOf(ino), DataKey(ino, kMaxFileSize / kMinBlockSize)));
    EXPECT_FALSE(within(BlocksOf(ino), DataKey(ino + 1, 0)));
    EXPECT_TRUE(within(AllOf(KeyKind::kInode), InodeKey(ino)));
    EXPECT_FALSE(within(AllOf(KeyKind::kInode), NameKey(ino, "a")));
  }
}

TEST(SchemaTest, TrimZerosCutsJustTheZerosAtTheEnd) {
  EXPECT_EQ(TrimZeros(""), "");
  EXPECT_EQ(TrimZeros(std::string(4096, '\0')), "");
  for (size_t at = 0; at < 40; ++at) {
    std::string block(64, '\0');
    block[at] = 'x';
    EXPECT_EQ(TrimZeros(block).size(), at + 1);
  }
}

// Whatever decodes must encode to something that decodes to the same: and nothing may crash (run under sanitizers).
TEST(SchemaTest, DecodersTakeAnyBytes) {
  std::mt19937 random(1);
  std::vector<std::string> seeds = {SampleFile().Encode(),
                                    SuperblockRecord{}.Encode(),
                                    NameRecord{.entry_id = 16, .ino = 17, .type = S_IFDIR}.Encode(),
                                    EntryRecord{.ino = 17, .type = S_IFREG, .name = "ab"}.Encode(),
                                    NameKey(7, "name"),
                                    EntryKey(7, 8),
                                    DataKey(1, 2)};
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = seeds[random() % seeds.size()];
    for (uint32_t changes = random() % 4; changes > 0; --changes) {
      if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 3));
    }
    if (auto inode = InodeRecord::Decode(bytes)) {
      ASSERT_TRUE(InodeRecord::Decode(inode->Encode()));
    }
    if (auto name = NameRecord::Decode(bytes)) {
      ASSERT_TRUE(NameRecord::Decode(name->Encode()));
    }
    if (auto entry = EntryRecord::Decode(bytes)) {
      ASSERT_EQ(EntryRecord::Decode(entry->Encode())->name, entry->name);
    }
    if (auto superblock = SuperblockRecord::Decode(bytes)) {
      ASSERT_TRUE(SuperblockRecord::Decode(superblock->Encode()));
    }
    (void)DecodeMark(bytes);
    (void)DecodeXattr(bytes);
    if (auto key = ParseDataKey(bytes)) {
      ASSERT_EQ(DataKey(key->ino, key->block), bytes);
    }
    if (auto key = ParseMetaKey(bytes); key && key->kind == KeyKind::kName) {
      ASSERT_EQ(NameKey(key->ino, key->name), bytes);
    }
  }
}

TEST(SchemaTest, RecordsWithMoreOrLessAreRefused) {
  std::string good = SampleFile().Encode();
  EXPECT_FALSE(InodeRecord::Decode(good + "x"));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(InodeRecord::Decode(good.substr(0, size)));
  good[0] = 2;
  EXPECT_FALSE(InodeRecord::Decode(good));
}

}  // namespace
}  // namespace silt::fs::schema
