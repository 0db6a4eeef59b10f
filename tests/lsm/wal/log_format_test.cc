// The bytes of a log, and what it gives back.
#include "log_test_util.h"
#include "lsm/coding.h"

namespace silt::lsm {
namespace {

using ::testing::ElementsAre;

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (unsigned char c : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    hex.push_back(kDigits[c >> 4]);
    hex.push_back(kDigits[c & 15]);
  }
  return hex;
}

// Version 1 of the format. If this fails, stores in the field can no longer be read.
TEST(LogFormatTest, GoldenBytes) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->AddRecord("hello").ok());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->AddRecord("").ok());
  EXPECT_EQ(Hex(*ReadFileToString(&disk, kTestLog)),
            // checksum, number, salt, durable, length, type
            "c66a565c93155d52"
            "0c000000"
            "dec0175a"
            "00000000"
            "0500"
            "01"
            "68656c6c6f"
            "e2f3c1195b82cb8b"
            "0c000000"
            "dec0175a"
            "1c000000"
            "0000"
            "01");
}

TEST(LogFormatTest, SplitRecordsFillTheirBlocks) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->AddRecord(std::string(70000, 'x')).ok());
  std::string bytes = *ReadFileToString(&disk, kTestLog);
  EXPECT_EQ(bytes.size(), 70000 + 3 * kLogHeaderSize);
  EXPECT_EQ(DecodeFragmentHeader(bytes.data()).type, FragmentType::kFirst);
  EXPECT_EQ(DecodeFragmentHeader(bytes.data()).length, kLogBlockSize - kLogHeaderSize);
  EXPECT_EQ(DecodeFragmentHeader(bytes.data() + kLogBlockSize).type, FragmentType::kMiddle);
  EXPECT_EQ(DecodeFragmentHeader(bytes.data() + 2 * kLogBlockSize).type, FragmentType::kLast);
}

TEST(LogFormatTest, ARecordIsOneWrite) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->AddRecord(std::string(1000000, 'x')).ok());
  EXPECT_EQ(disk.OperationCount(SimOp::kWrite), 1u);
}

// Every length around the places where records are split and blocks padded, the second record showing where the first
// one left the log.
TEST(LogFormatTest, RecordsOfEveryAwkwardLengthComeBack) {
  constexpr size_t kRoom = kLogBlockSize - kLogHeaderSize;
  for (size_t base : {size_t{0}, kRoom, 2 * kRoom, 3 * kRoom}) {
    for (size_t length = base < 60 ? 0 : base - 60; length < base + 60; ++length) {
      SimStorage disk;
      auto log = NewLog(&disk);
      std::vector<std::string> written = {std::string(length, 'a'), "second", std::string(kRoom, 'c'), ""};
      for (const std::string& record : written) ASSERT_TRUE(log->AddRecord(record).ok());
      ReadLog read = ReadAll(&disk);
      ASSERT_TRUE(read.status.ok()) << read.status.ToString();
      ASSERT_EQ(read.records, written) << length;
      ASSERT_EQ(read.ends.back(), log->Size());
      ASSERT_EQ(read.end, LogEnd::kClean);
    }
  }
}

TEST(LogFormatTest, RandomRecordsComeBack) {
  std::mt19937_64 random(1);
  SimStorage disk;
  auto log = NewLog(&disk);
  std::vector<std::string> written;
  for (int i = 0; i < 500; ++i) {
    size_t length = random() % (size_t{1} << (random() % 18));
    written.push_back(RandomBytes(random, length));
    ASSERT_TRUE(log->AddRecord(written.back()).ok());
    if (random() % 8 == 0) {
      ASSERT_TRUE(log->Sync().ok());
    }
  }
  ReadLog read = ReadAll(&disk);
  EXPECT_TRUE(read.status.ok());
  EXPECT_EQ(read.records, written);
}

TEST(LogFormatTest, AnEmptyFileIsAnEmptyLog) {
  SimStorage disk;
  NewLog(&disk);
  ReadLog read = ReadAll(&disk);
  EXPECT_TRUE(read.status.ok());
  EXPECT_EQ(read.end, LogEnd::kClean);
  EXPECT_TRUE(read.records.empty());
}

TEST(LogFormatTest, APreallocatedTailEndsTheLogCleanly) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->file()->Preallocate(3 << 20).ok());
  ASSERT_TRUE(log->AddRecord("a").ok());
  ASSERT_TRUE(log->AddRecord(std::string(100000, 'b')).ok());
  ReadLog read = ReadAll(&disk);
  EXPECT_TRUE(read.status.ok());
  EXPECT_EQ(read.end, LogEnd::kClean);
  EXPECT_THAT(read.records, ElementsAre("a", std::string(100000, 'b')));
}

// Small records are put together before they are written, large ones are not: in the file that makes no difference.
TEST(LogFormatTest, RecordsInPiecesReadAsOne) {
  SimStorage disk;
  auto log = NewLog(&disk);
  std::vector<std::string> expected;
  for (size_t size : {10, 1000, 16'000, 16'384, 32'700, 65'000, 200'000}) {
    for (size_t piece_size : {1'000'000, 20'000, 777, 13}) {
      std::string record;
      for (size_t i = 0; i < size; ++i) record.push_back(static_cast<char>(i * 31 + size + piece_size));
      std::vector<std::string_view> pieces = {""};
      for (size_t at = 0; at < size; at += piece_size)
        pieces.push_back(std::string_view(record).substr(at, piece_size));
      ASSERT_TRUE(log->AddRecord(pieces).ok());
      expected.push_back(std::move(record));
    }
  }
  EXPECT_TRUE(ReadAll(&disk).records == expected);
}

TEST(LogFormatTest, ReadErrorsAreNotTheEndOfTheLog) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->AddRecord(std::string(1000000, 'x')).ok());
  disk.SetReadHook(
      [](const std::string&, uint64_t offset, size_t) { return offset > 0 ? Status::IoError("EIO") : Status::Ok(); });
  EXPECT_EQ(ReadAll(&disk).status.code(), StatusCode::kIoError);
}

// A disk whose files pretend to be huge, without the bytes.
class NullFile final : public WritableFile {
 public:
  Status Append(std::string_view data) override {
    position_ += data.size();
    return Status::Ok();
  }
  Status Sync() override { return Status::Ok(); }
  void StartWriteback(uint64_t) override {}
  Status Truncate(uint64_t size) override {
    position_ = size;
    return Status::Ok();
  }
  Status Preallocate(uint64_t) override { return Status::Ok(); }
  Status WriteZeros(uint64_t, uint64_t) override { return Status::Ok(); }
  uint64_t Position() const override { return position_; }
  Status Close() override { return Status::Ok(); }

 private:
  uint64_t position_ = 0;
};

TEST(LogFormatTest, ALogDoesNotGrowPastItsOffsets) {
  LogWriter log(std::make_unique<NullFile>(), "big", kTestNumber);
  ASSERT_TRUE(log.file()->Truncate(kMaxLogFileSize - 100).ok());
  EXPECT_EQ(log.AddRecord(std::string(78, 'x')).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(log.undone());
  EXPECT_TRUE(log.AddRecord(std::string(77, 'x')).ok()) << "the refusal changed nothing";
  EXPECT_EQ(log.Size(), kMaxLogFileSize);
  EXPECT_EQ(log.AddRecord("").code(), StatusCode::kInvalidArgument);
}

TEST(LogFormatTest, SaltsDiffer) {
  SimStorage disk;
  std::set<std::string> salts;
  for (int i = 0; i < 4; ++i) {
    auto file = disk.NewWritableFile(kTestLog);
    LogWriter log(std::move(*file), kTestLog, kTestNumber);
    ASSERT_TRUE(log.AddRecord("x").ok());
    salts.insert(ReadFileToString(&disk, kTestLog)->substr(12, 4));
  }
  EXPECT_GT(salts.size(), 1u);
}

}  // namespace
}  // namespace silt::lsm
