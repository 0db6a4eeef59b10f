// A damaged log gives a prefix of its records or Corruption, never a record that was not written; and Corruption
// whenever the damage lies below what was promised to be durable.
#include "log_test_util.h"

namespace silt::lsm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Some records over three blocks, short ones, split ones, padding, a sync here and there.
class LogDamageTest : public ::testing::Test {
 protected:
  void Build(const std::vector<size_t>& lengths, const std::vector<size_t>& sync_after) {
    auto log = NewLog(&disk_);
    std::mt19937_64 random(3);
    for (size_t i = 0; i < lengths.size(); ++i) {
      promise_ = synced_;
      written_.push_back(RandomBytes(random, lengths[i]));
      ASSERT_TRUE(log->AddRecord(written_.back()).ok());
      if (std::find(sync_after.begin(), sync_after.end(), i) != sync_after.end()) {
        ASSERT_TRUE(log->Sync().ok());
        synced_ = log->Size();
      }
    }
    ends_ = ReadAll(&disk_).ends;
    size_ = log->Size();
    ASSERT_EQ(ends_.size(), written_.size());
  }
  // Small enough for each byte of it to be flipped.
  void BuildSmall() { Build({10, 0, 300, 7, 40, 90}, {1, 3}); }
  // Block 0 ends in padding (16 bytes of it), block 1 inside a split record.
  void BuildOverBlocks() { Build({100, kLogBlockSize - 100 - 2 * kLogHeaderSize - 16, 5000, 60000, 30, 200}, {2, 4}); }

  void CheckAfterDamageAt(uint64_t offset, const std::string& what) {
    ReadLog read = ReadAll(&disk_);
    ASSERT_TRUE(IsPrefix(read.records, written_)) << what << " gave a wrong record";
    if (offset < promise_) {
      ASSERT_TRUE(read.status.IsCorruption()) << what << ": " << read.status.ToString();
      ASSERT_THAT(read.status.message(), HasSubstr(kTestLog));
    } else {
      ASSERT_TRUE(read.status.ok()) << what << ": " << read.status.ToString();
      // Records before the damage stay readable.
      size_t whole = 0;
      while (whole < ends_.size() && ends_[whole] <= offset) ++whole;
      ASSERT_GE(read.records.size(), whole) << what;
    }
  }

  SimStorage disk_;
  std::vector<std::string> written_;
  std::vector<uint64_t> ends_;
  uint64_t size_ = 0;
  uint64_t synced_ = 0;
  uint64_t promise_ = 0;  // of the last record
};

TEST_F(LogDamageTest, EachBitOfASmallLog) {
  BuildSmall();
  ASSERT_GT(promise_, 300u);
  for (uint64_t offset = 0; offset < size_; ++offset) {
    for (int bit = 0; bit < 8; ++bit) {
      ASSERT_TRUE(disk_.FlipBit(kTestLog, offset, bit).ok());
      ASSERT_NO_FATAL_FAILURE(
          CheckAfterDamageAt(offset, "bit " + std::to_string(bit) + " of " + std::to_string(offset)));
      ASSERT_TRUE(disk_.FlipBit(kTestLog, offset, bit).ok());
    }
  }
}

TEST_F(LogDamageTest, EachByteOfALogOfManyBlocks) {
  BuildOverBlocks();
  ASSERT_GT(promise_, 2 * kLogBlockSize);
  std::mt19937_64 random(5);
  for (uint64_t offset = 0; offset < size_; ++offset) {
    // Payloads are sampled: their bytes are alike.
    uint64_t within = offset % kLogBlockSize;
    bool near_edge = within < 200 || within > kLogBlockSize - 200;
    for (uint64_t end : ends_) near_edge = near_edge || (offset + 40 > end && offset < end + 40);
    if (!near_edge && random() % 200 != 0) continue;
    int bit = static_cast<int>(random() % 8);
    ASSERT_TRUE(disk_.FlipBit(kTestLog, offset, bit).ok());
    ASSERT_NO_FATAL_FAILURE(CheckAfterDamageAt(offset, "a flip at " + std::to_string(offset)));
    ASSERT_TRUE(disk_.FlipBit(kTestLog, offset, bit).ok());
  }
}

TEST_F(LogDamageTest, EachLengthOfASmallLog) {
  BuildSmall();
  for (uint64_t size = size_; size-- > 0;) {
    ASSERT_TRUE(disk_.CutFile(kTestLog, size).ok());
    ReadLog read = ReadAll(&disk_);
    ASSERT_TRUE(IsPrefix(read.records, written_));
    // The promises of the records that are left cannot know of more than they do.
    size_t whole = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), size) - ends_.begin());
    ASSERT_TRUE(read.status.ok()) << size << " " << read.status.ToString();
    ASSERT_EQ(read.records.size(), whole) << size;
    bool at_record_end = size == 0 || (whole > 0 && ends_[whole - 1] == size);
    ASSERT_EQ(read.end, at_record_end ? LogEnd::kClean : LogEnd::kTorn) << size;
  }
}

TEST_F(LogDamageTest, ALogOfManyBlocksCutAnywhere) {
  BuildOverBlocks();
  std::mt19937_64 random(7);
  for (uint64_t size = size_; size > 0; size -= std::min<uint64_t>(size, 1 + random() % 300)) {
    ASSERT_TRUE(disk_.CutFile(kTestLog, size).ok());
    ReadLog read = ReadAll(&disk_);
    ASSERT_TRUE(IsPrefix(read.records, written_));
    size_t whole = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), size) - ends_.begin());
    ASSERT_TRUE(read.status.ok()) << size << " " << read.status.ToString();
    ASSERT_EQ(read.records.size(), whole) << size;
  }
}

TEST_F(LogDamageTest, RandomRangesOverwritten) {
  BuildOverBlocks();
  const std::string original = *ReadFileToString(&disk_, kTestLog);
  std::mt19937_64 random(11);
  for (int i = 0; i < 500; ++i) {
    uint64_t offset = random() % size_;
    uint64_t length = 1 + random() % std::min<uint64_t>(size_ - offset, uint64_t{1} << (random() % 16));
    std::string junk = random() % 2 ? RandomBytes(random, length) : std::string(length, '\0');
    if (junk == original.substr(offset, length)) continue;
    ASSERT_TRUE(disk_.Overwrite(kTestLog, offset, junk).ok());
    // The last promise is the last record's; damage that spares it must be seen.
    bool promise_survives = offset + length <= ends_[ends_.size() - 2];
    ReadLog read = ReadAll(&disk_);
    ASSERT_TRUE(IsPrefix(read.records, written_)) << offset << "+" << length;
    if (promise_survives && offset < promise_) {
      ASSERT_TRUE(read.status.IsCorruption()) << offset << "+" << length;
    }
    ASSERT_TRUE(disk_.Overwrite(kTestLog, offset, original.substr(offset, length)).ok());
  }
}

TEST_F(LogDamageTest, ZerosBelowAPromiseAreDamage) {
  BuildSmall();
  ASSERT_TRUE(disk_.Overwrite(kTestLog, ends_[0], std::string(ends_[1] - ends_[0], '\0')).ok());
  ReadLog read = ReadAll(&disk_);
  EXPECT_THAT(read.records, ElementsAre(written_[0]));
  ASSERT_TRUE(read.status.IsCorruption());
  EXPECT_THAT(read.status.message(), HasSubstr("/log at offset " + std::to_string(ends_[0])));
  EXPECT_THAT(read.status.message(), HasSubstr("fsck --repair"));
}

// Without its first fragment a log's salt is unknown; at the start of a block no user's bytes can stand.
TEST_F(LogDamageTest, ALogWithoutItsFirstFragmentKeepsItsPromises) {
  auto log = NewLog(&disk_);
  ASSERT_TRUE(log->AddRecord("one").ok());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->AddRecord(std::string(40000, 'x')).ok());
  ASSERT_TRUE(disk_.Overwrite(kTestLog, 0, std::string(4096, '\0')).ok());
  EXPECT_TRUE(ReadAll(&disk_).status.IsCorruption());
}

// The only promise is far behind the damage, past what is searched byte by byte.
TEST_F(LogDamageTest, PromisesAreFoundHoweverFarBehind) {
  auto log = NewLog(&disk_);
  ASSERT_TRUE(log->AddRecord("one").ok());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->AddRecord(std::string(2 << 20, 'x')).ok());
  std::string bytes = *ReadFileToString(&disk_, kTestLog);
  ASSERT_TRUE(disk_.Overwrite(kTestLog, 0, std::string(bytes.size() - 3 * kLogBlockSize, '\0')).ok());
  ReadLog read = ReadAll(&disk_);
  EXPECT_TRUE(read.records.empty());
  EXPECT_TRUE(read.status.IsCorruption()) << read.status.ToString();
}

// Lengths, types and promises that a checksum covers but that no writer writes: not to be followed anywhere.
TEST_F(LogDamageTest, WellSummedNonsenseIsRefused) {
  auto fragment = [](uint32_t durable, uint16_t length, uint8_t type, std::string_view payload) {
    std::string bytes(kLogHeaderSize, '\0');
    bytes.append(payload);
    EncodeFragmentHeader(bytes.data(), {.log_number = kTestNumber,
                                        .salt = kTestSalt,
                                        .durable = durable,
                                        .length = length,
                                        .type = static_cast<FragmentType>(type)});
    EncodeFixed<uint64_t>(bytes.data(), FragmentChecksum(bytes.data(), payload.size()));
    return bytes;
  };
  const std::string good = fragment(0, 4, 1, "good");
  for (const std::string& bad : {fragment(0, 3, 0, "abc"), fragment(0, 3, 5, "abc"), fragment(4000, 3, 1, "abc"),
                                 fragment(0, 65535, 1, "abc"), fragment(0, 3, 3, "abc"), fragment(0, 3, 4, "abc"),
                                 fragment(0, 3, 2, "abc"), fragment(0, 3, 2, "abc") + fragment(0, 3, 4, "def")}) {
    auto file = disk_.NewWritableFile(kTestLog);
    ASSERT_TRUE((*file)->Append(good + bad + good).ok());
    ReadLog read = ReadAll(&disk_);
    EXPECT_THAT(read.records, ElementsAre("good"));
    EXPECT_TRUE(read.status.ok());
    EXPECT_EQ(read.end, LogEnd::kTorn);
  }
}

TEST_F(LogDamageTest, RandomBytesAreNoLog) {
  std::mt19937_64 random(13);
  for (int i = 0; i < 50; ++i) {
    auto file = disk_.NewWritableFile(kTestLog);
    ASSERT_TRUE((*file)->Append(RandomBytes(random, random() % 100000)).ok());
    ReadLog read = ReadAll(&disk_);
    EXPECT_TRUE(read.status.ok());
    EXPECT_TRUE(read.records.empty());
  }
}

}  // namespace
}  // namespace silt::lsm
