#include "lsm/write_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

using ::testing::ElementsAre;

// One line an operation: "7 put 1 key=value".
std::vector<std::string> Decoded(std::string_view data, Status* status) {
  std::vector<std::string> lines;
  *status = WriteBatch::Decode(data, [&](SequenceNumber sequence, EntryKind kind, FamilyId family, std::string_view key,
                                         std::string_view value) {
    std::string line = std::to_string(sequence);
    line.append(kind == EntryKind::kPut ? " put " : kind == EntryKind::kDelete ? " delete " : " range ");
    line.append(std::to_string(family)).append(" ").append(key);
    if (kind != EntryKind::kDelete) line.append("=").append(value);
    lines.push_back(std::move(line));
  });
  return lines;
}

std::vector<std::string> Lines(const WriteBatch& batch) {
  Status status;
  auto lines = Decoded(batch.Data(), &status);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return lines;
}

WriteBatch Sample() {
  WriteBatch batch;
  batch.SetSequence(7);
  batch.Put(0, "key", "value");
  batch.Delete(1, "gone");
  batch.DeleteRange(7, "a", "b");
  batch.Put(1, "two", "pie", "ces");
  return batch;
}

TEST(WriteBatchTest, OperationsComeBackInOrderWithSequencesOfTheirOwn) {
  WriteBatch batch = Sample();
  EXPECT_EQ(batch.Count(), 4u);
  EXPECT_EQ(batch.Sequence(), 7u);
  EXPECT_THAT(Lines(batch),
              ElementsAre("7 put 0 key=value", "8 delete 1 gone", "9 range 7 a=b", "10 put 1 two=pieces"));
}

TEST(WriteBatchTest, GoldenBytes) {
  WriteBatch batch;
  batch.SetSequence(0x0102);
  batch.Put(1, "k", "v");
  batch.Delete(0, "d");
  batch.DeleteRange(0, "a", "b");
  std::string expected(
      "\x02\x01\0\0\0\0\0\0"
      "\x03\0\0\0",
      12);
  expected.append("\x01\x01\x01k\x01v", 6)
      .append(
          "\0\0\x01"
          "d",
          4)
      .append(
          "\x02\0\x01"
          "a\x01"
          "b",
          6);
  EXPECT_EQ(batch.Data(), expected);
}

TEST(WriteBatchTest, AnEmptyBatchIsEmpty) {
  WriteBatch batch;
  EXPECT_TRUE(batch.Empty());
  EXPECT_EQ(batch.ByteSize(), WriteBatch::kHeaderSize);
  EXPECT_TRUE(Lines(batch).empty());
  batch.Put(0, "k", "v");
  EXPECT_FALSE(batch.Empty());
  batch.Clear();
  EXPECT_TRUE(batch.Empty());
  EXPECT_TRUE(Lines(batch).empty());
}

TEST(WriteBatchTest, EmptyRangesAreNoOperations) {
  WriteBatch batch;
  batch.DeleteRange(0, "b", "b");
  batch.DeleteRange(0, "c", "b");
  EXPECT_TRUE(batch.Empty());
}

TEST(WriteBatchTest, AppendJoinsAndKeepsTheFirstSequence) {
  WriteBatch first = Sample();
  WriteBatch second;
  second.SetSequence(1000);
  second.Put(0, "last", "");
  first.Append(second);
  EXPECT_EQ(first.Count(), 5u);
  EXPECT_EQ(first.Sequence(), 7u);
  EXPECT_EQ(Lines(first).back(), "11 put 0 last=");
}

TEST(WriteBatchTest, ABatchCutOffAnywhereIsCorrupt) {
  const WriteBatch batch = Sample();
  for (size_t length = 0; length < batch.ByteSize(); ++length) {
    Status status;
    auto lines = Decoded(batch.Data().substr(0, length), &status);
    EXPECT_TRUE(status.IsCorruption()) << length;
    EXPECT_LT(lines.size(), 4u);
  }
}

TEST(WriteBatchTest, ExtraBytesUnknownKindsAndFamiliesAreCorrupt) {
  Status status;
  Decoded(std::string(Sample().Data()) + "x", &status);
  EXPECT_TRUE(status.IsCorruption());
  std::string bytes(Sample().Data());
  bytes[WriteBatch::kHeaderSize] = 3;
  Decoded(bytes, &status);
  EXPECT_TRUE(status.IsCorruption()) << "a kind kept for later";
  bytes = Sample().Data();
  bytes[WriteBatch::kHeaderSize + 1] = kMaxFamilies;
  Decoded(bytes, &status);
  EXPECT_TRUE(status.IsCorruption());
}

TEST(WriteBatchTest, CountsThatLieAreCorrupt) {
  for (uint32_t count : {3u, 5u, 0xffffffffu}) {
    std::string bytes(Sample().Data());
    EncodeFixed<uint32_t>(bytes.data() + 8, count);
    Status status;
    Decoded(bytes, &status);
    EXPECT_TRUE(status.IsCorruption()) << count;
  }
}

TEST(WriteBatchTest, LargeKeysAndValuesComeBack) {
  std::mt19937_64 random(1);
  WriteBatch batch;
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    std::string key(random() % 300, 'k');
    std::string value(random() % 70000, 'v');
    batch.Put(0, key, value);
    expected.push_back(std::to_string(i) + " put 0 " + key + "=" + value);
  }
  EXPECT_EQ(Lines(batch), expected);
}

}  // namespace
}  // namespace silt::lsm
