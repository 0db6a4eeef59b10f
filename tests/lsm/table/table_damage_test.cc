// Whatever byte of a table is changed, cut off or swapped: reads give the right answer or an error that names the file
// and the place, and Verify always notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lsm/table/format.h"
#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

using testing::HasSubstr;

bool NamesThePlace(const Status& status) {
  bool code = status.IsCorruption() || status.code() == StatusCode::kNotSupported;
  return code && status.message().find(kTestTableName) != std::string::npos &&
         (status.message().find("offset") != std::string::npos || status.code() == StatusCode::kNotSupported);
}

class Damage : public testing::Test {
 protected:
  void SetUpTable(Compression compression, size_t count) {
    options_.compression = compression;
    options_.block_bytes = 120;
    options_.index_block_bytes = 100;
    std::mt19937_64 random(21);
    for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
      bool put = random() % 4 != 0;
      std::string user_key = "key/" + std::to_string(random() % count);
      entries_[MakeInternalKey(user_key, sequence, put ? EntryKind::kPut : EntryKind::kDelete)] =
          put ? RandomValue(random, 40) : "";
    }
    built_ = Build(options_, entries_, tombstones_);
  }

  void ExpectRightOrError(const Table& table) {
    for (const auto& [key, value] : entries_) {
      Status error;
      std::string got = DescribeGet(table, ExtractUserKey(key), kMaxSequence, &error);
      if (error.ok()) {
        ASSERT_EQ(got, ExpectedGet(entries_, ExtractUserKey(key), kMaxSequence));
      } else {
        ASSERT_TRUE(NamesThePlace(error)) << error.ToString();
      }
    }
    auto it = table.NewIterator({});
    auto at = entries_.cbegin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++at) {
      ASSERT_TRUE(at != entries_.cend());
      ASSERT_EQ(it->key(), at->first);
      ASSERT_EQ(it->value(), at->second);
    }
    ASSERT_EQ(it->status().ok(), at == entries_.cend());
    bool told = it->status().ok() || NamesThePlace(it->status());
    ASSERT_TRUE(told) << it->status().ToString();
    auto back = entries_.cend();
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      ASSERT_TRUE(back != entries_.cbegin());
      --back;
      ASSERT_EQ(it->key(), back->first);
    }
    ASSERT_EQ(it->status().ok(), back == entries_.cbegin());
    for (const RangeTombstone& t : tombstones_) {
      ASSERT_EQ(table.range_tombstones().CoveringSequence(t.begin, t.sequence), t.sequence);
    }
  }

  // Opens the given bytes as if they were the table; true when damage was reported as it should be.
  void ExpectNoticed(std::string bytes, uint64_t size_in_manifest) {
    auto file = std::make_shared<MemoryFileBytes>();
    file->bytes = std::move(bytes);
    auto table = Table::Open(std::make_unique<MemoryReader>(file), kTestTableName, 7, size_in_manifest, nullptr);
    if (!table) {
      ASSERT_TRUE(NamesThePlace(table.error())) << table.error().ToString();
      return;
    }
    ExpectRightOrError(**table);
    Status verified = (*table)->Verify({});
    ASSERT_FALSE(verified.ok());
    ASSERT_TRUE(NamesThePlace(verified)) << verified.ToString();
  }

  TableBuilderOptions options_;
  Entries entries_;
  std::vector<RangeTombstone> tombstones_{{"key/1", "key/3", 7}, {"key/2", "zz", 500}};
  BuiltTable built_;
};

class DamageByCompression : public Damage, public testing::WithParamInterface<Compression> {};
INSTANTIATE_TEST_SUITE_P(All, DamageByCompression,
                         testing::Values(Compression::kNone, Compression::kSnappy, Compression::kZstd));

TEST_P(DamageByCompression, EveryFlippedByteIsNoticed) {
  SetUpTable(GetParam(), 60);
  const std::string& good = built_.file->bytes;
  for (size_t at = 0; at < good.size(); ++at) {
    for (unsigned change : {0x01U, 0x80U, 0xffU}) {
      std::string bad = good;
      bad[at] = static_cast<char>(static_cast<uint8_t>(bad[at]) ^ change);
      ExpectNoticed(std::move(bad), good.size());
      ASSERT_FALSE(HasFatalFailure()) << "byte " << at << " of " << good.size();
    }
  }
}

TEST_P(DamageByCompression, EveryCutIsNoticed) {
  SetUpTable(GetParam(), 60);
  const std::string& good = built_.file->bytes;
  for (size_t length = 0; length < good.size(); ++length) {
    ExpectNoticed(good.substr(0, length), good.size());
    ExpectNoticed(good.substr(0, length), length);
    ASSERT_FALSE(HasFatalFailure()) << "cut to " << length << " of " << good.size();
  }
  ExpectNoticed(good + "x", good.size());
  ExpectNoticed(good + "x", good.size() + 1);
}

TEST_F(Damage, ZeroedPagesAreNoticed) {
  SetUpTable(Compression::kNone, 60);
  const std::string& good = built_.file->bytes;
  for (size_t at = 0; at < good.size(); at += 64) {
    std::string bad = good;
    for (size_t i = at; i < std::min(at + 64, bad.size()); ++i) bad[i] = '\0';
    if (bad == good) continue;
    ExpectNoticed(std::move(bad), good.size());
  }
}

// A disk that writes a good block to the wrong place, or a block of another table to the right one.
TEST_F(Damage, BlocksThatBelongElsewhereAreNoticed) {
  options_.block_bytes = 1;
  Entries same_size;
  for (int i = 0; i < 10; ++i) same_size[MakeInternalKey("key" + std::to_string(i), 1, EntryKind::kPut)] = "value";
  options_.compression = Compression::kNone;
  entries_ = same_size;
  tombstones_.clear();
  built_ = Build(options_, entries_);
  std::string good = built_.file->bytes;
  auto offset_of = [&](const char* key) {
    return (*OpenTable(built_.file))->ApproximateOffsetOf(MakeInternalKey(key, 1, EntryKind::kPut));
  };
  size_t size = offset_of("key1");
  std::string swapped = good;
  swapped.replace(offset_of("key3"), size, good, offset_of("key5"), size);
  ExpectNoticed(swapped, good.size());

  auto other = std::make_shared<MemoryFileBytes>();
  MemoryWriter writer(other);
  TableBuilder builder(options_, &writer, "000008.sst");
  for (const auto& [key, value] : same_size) builder.Add(key, value == "value" ? "VALUE" : value);
  ASSERT_TRUE(builder.Finish().ok());
  std::string mixed = good;
  mixed.replace(0, size, other->bytes, 0, size);
  ExpectNoticed(mixed, good.size());
}

TEST_F(Damage, ATableBehindOtherBytesIsNoticed) {
  SetUpTable(Compression::kNone, 20);
  auto file = std::make_shared<MemoryFileBytes>();
  file->bytes = "junk" + built_.file->bytes;
  auto table = OpenTable(file);
  ASSERT_FALSE(table);
  EXPECT_THAT(table.error().message(), HasSubstr("its footer says"));
}

// All checksums right, but bytes between the blocks that none of them covers: no builder of ours writes this.
TEST_F(Damage, BytesThatBelongToNoBlockAreNoticedByVerify) {
  options_.filter_bits_per_key = 0;
  options_.compression = Compression::kNone;
  entries_[MakeInternalKey("key", 1, EntryKind::kPut)] = "value";
  built_ = Build(options_, entries_);
  const std::string& good = built_.file->bytes;
  Footer footer;
  ASSERT_TRUE(Footer::Decode(good, good.size(), "t", &footer).ok());

  auto file = std::make_shared<MemoryFileBytes>();
  std::string& bytes = file->bytes;
  bytes = good.substr(0, footer.MetadataBegin()) + "gap";
  for (BlockHandle* handle : {&footer.index, &footer.properties}) {
    std::string contents = good.substr(handle->offset, handle->size);
    handle->offset = bytes.size();
    bytes += contents;
    AppendBlockTrailer(&bytes, contents.size(), Compression::kNone, footer.salt, handle->offset);
  }
  footer.file_size = bytes.size() + Footer::kSize;
  bytes += footer.Encode();
  auto table = OpenTable(file);
  ASSERT_TRUE(table) << table.error().ToString();
  EXPECT_THAT((*table)->Verify({}).message(), HasSubstr("bytes that belong to no block"));
}

TEST_F(Damage, ANewerFormatIsRefusedByName) {
  SetUpTable(Compression::kNone, 10);
  std::string bytes = built_.file->bytes;
  std::string footer = bytes.substr(bytes.size() - Footer::kSize);
  EncodeFixed<uint32_t>(footer.data() + footer.size() - 20, kTableFormatVersion + 1);
  // With its checksum right, as a newer program would write it.
  std::string covered = footer.substr(0, footer.size() - 16);
  EncodeFixed<uint64_t>(footer.data() + footer.size() - 16, TableSalt(covered));
  bytes.replace(bytes.size() - Footer::kSize, Footer::kSize, footer);
  auto file = std::make_shared<MemoryFileBytes>();
  file->bytes = bytes;
  auto table = OpenTable(file);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code(), StatusCode::kNotSupported);
  EXPECT_THAT(table.error().message(), HasSubstr("version 2"));
}

TEST_F(Damage, OneBadBlockLeavesTheOthersReadable) {
  SetUpTable(Compression::kNone, 200);
  std::string bad = built_.file->bytes;
  bad[5] = static_cast<char>(bad[5] ^ 1);
  auto file = std::make_shared<MemoryFileBytes>();
  file->bytes = bad;
  auto table = OpenTable(file);
  ASSERT_TRUE(table);
  int errors = 0;
  for (const auto& [key, value] : entries_) {
    Status error;
    DescribeGet(**table, ExtractUserKey(key), kMaxSequence, &error);
    if (error.ok()) continue;
    ++errors;
    EXPECT_THAT(error.ToString(), HasSubstr("000007.sst at offset 0: block checksum mismatch"));
  }
  EXPECT_GT(errors, 0);
  EXPECT_LT(errors, 20);
  // A scan stops at the damage; seeking past it goes on.
  auto it = (*table)->NewIterator({});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().IsCorruption());
  it->SeekToLast();
  EXPECT_TRUE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

}  // namespace
}  // namespace silt::lsm
