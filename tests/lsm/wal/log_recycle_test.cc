// Recycled log files: whatever lies behind the end of a log, it never becomes part of it.
#include "log_test_util.h"

namespace silt::lsm {
namespace {

using ::testing::ElementsAre;

std::unique_ptr<LogWriter> Recycle(SimStorage* disk, const std::string& from, const std::string& to, FileNumber number,
                                   uint32_t salt) {
  auto file = disk->ReuseWritableFile(from, to);
  EXPECT_TRUE(file);
  EXPECT_TRUE(disk->SyncDir("/").ok());
  return std::make_unique<LogWriter>(std::move(*file), to, number, salt);
}

TEST(LogRecycleTest, AnOldLogIsNoNewLog) {
  SimStorage disk;
  auto old = NewLog(&disk, "/10", 10, 1);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(old->AddRecord(std::string(1000, 'o')).ok());
  ASSERT_TRUE(old->Sync().ok());
  auto log = Recycle(&disk, "/10", "/12", 12, 2);
  ReadLog read = ReadAll(&disk, "/12", 12);
  EXPECT_TRUE(read.status.ok()) << "the old log's promises are not ours";
  EXPECT_EQ(read.end, LogEnd::kClean);
  EXPECT_TRUE(read.records.empty());
}

// The new record's FIRST fills block 0; in block 1 the old record's LAST stands exactly where the new one's would.
TEST(LogRecycleTest, AStaleLastDoesNotCompleteANewFirst) {
  for (bool same_number : {false, true}) {
    SimStorage disk;
    FileNumber old_number = same_number ? 12 : 10;
    auto old = NewLog(&disk, "/old", old_number, 1);
    ASSERT_TRUE(old->AddRecord(std::string(40000, 'o')).ok());
    ASSERT_TRUE(old->Sync().ok());
    std::string old_bytes = *ReadFileToString(&disk, "/old");
    auto log = Recycle(&disk, "/old", "/12", 12, 2);
    ASSERT_TRUE(log->AddRecord(std::string(40000, 'n')).ok());
    // Block 1 of the write never reached the disk.
    ASSERT_TRUE(disk.Overwrite("/12", kLogBlockSize, old_bytes.substr(kLogBlockSize)).ok());
    ReadLog read = ReadAll(&disk, "/12", 12);
    EXPECT_TRUE(read.records.empty()) << "half a new record and half an old one";
    EXPECT_TRUE(read.status.ok());
    EXPECT_EQ(read.end, LogEnd::kTorn);
  }
}

// Users' bytes: copies of fragments with this log's number, whole and well summed, at just the place where the log
// ends.
TEST(LogRecycleTest, ForgedRecordsInTheTailAreNotRead) {
  SimStorage disk;
  auto forged_log = NewLog(&disk, "/forged", 12, 999);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(forged_log->AddRecord("forged record").ok());
  ASSERT_TRUE(forged_log->Sync().ok());
  ASSERT_TRUE(forged_log->AddRecord("forged promise").ok());
  std::string forged = *ReadFileToString(&disk, "/forged");

  auto old = NewLog(&disk, "/10", 10, 1);
  ASSERT_TRUE(old->AddRecord(forged).ok());
  ASSERT_TRUE(old->Sync().ok());
  auto log = Recycle(&disk, "/10", "/12", 12, 2);
  // Before the first record: the forged promises must not pass for damage either.
  EXPECT_TRUE(ReadAll(&disk, "/12", 12).status.ok());
  ASSERT_TRUE(log->AddRecord("the true record").ok());
  // The log ends where a forged fragment begins.
  ASSERT_TRUE(log->file()->Preallocate(10000).ok());
  ASSERT_TRUE(disk.Overwrite("/12", log->Size(), forged).ok());
  ReadLog read = ReadAll(&disk, "/12", 12);
  EXPECT_TRUE(read.status.ok()) << read.status.ToString();
  EXPECT_THAT(read.records, ElementsAre("the true record"));
  EXPECT_EQ(read.end, LogEnd::kClean);
}

// The block's padding holds an old log's bytes where the new log ended just there.
TEST(LogRecycleTest, StaleBytesInABlocksTailAreTheEnd) {
  SimStorage disk;
  auto old = NewLog(&disk, "/10", 10, 1);
  ASSERT_TRUE(old->AddRecord(std::string(100000, 'o')).ok());
  auto log = Recycle(&disk, "/10", "/12", 12, 2);
  ASSERT_TRUE(log->AddRecord(std::string(kLogBlockSize - kLogHeaderSize - 10, 'n')).ok());
  ReadLog read = ReadAll(&disk, "/12", 12);
  EXPECT_TRUE(read.status.ok());
  EXPECT_EQ(read.records.size(), 1u);
  EXPECT_EQ(read.end, LogEnd::kClean);
  ASSERT_TRUE(log->AddRecord("after the padding").ok());
  EXPECT_EQ(ReadAll(&disk, "/12", 12).records.size(), 2u);
}

TEST(LogRecycleTest, RandomOldContents) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 60; ++round) {
    SimStorage disk;
    auto file = disk.NewWritableFile("/old");
    ASSERT_TRUE((*file)->Append(RandomBytes(random, 200000)).ok());
    ASSERT_TRUE((*file)->Sync().ok());
    auto log = Recycle(&disk, "/old", "/12", 12, 2);
    std::vector<std::string> written;
    for (size_t total = 0; total < 150000;) {
      written.push_back(RandomBytes(random, random() % 30000));
      total += written.back().size();
      ASSERT_TRUE(log->AddRecord(written.back()).ok());
    }
    ReadLog read = ReadAll(&disk, "/12", 12);
    ASSERT_TRUE(read.status.ok());
    ASSERT_EQ(read.records, written);
    ASSERT_EQ(read.end, LogEnd::kClean);
  }
}

// A file through several lives, each cut short by a power cut.
TEST(LogRecycleTest, PowerCutsInEveryLife) {
  std::mt19937_64 random(2);
  auto disk = std::make_unique<SimStorage>();
  {
    auto file = disk->NewWritableFile("/10");
    ASSERT_TRUE((*file)->Preallocate(200000).ok());
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE(disk->SyncDir("/").ok());
  }
  for (FileNumber number = 11; number < 80; ++number) {
    std::string path = "/" + std::to_string(number);
    auto log = Recycle(disk.get(), "/" + std::to_string(number - 1), path, number, static_cast<uint32_t>(random()));
    std::vector<std::string> written;
    size_t synced = 0;
    while (random() % 12 != 0) {
      // Records of the same few lengths, so that old and new fragments often coincide.
      written.push_back(std::string(20000 * (1 + random() % 2), static_cast<char>(number)));
      ASSERT_TRUE(log->AddRecord(written.back()).ok());
      if (random() % 4 == 0) {
        ASSERT_TRUE(log->Sync().ok());
        synced = written.size();
      }
    }
    auto after = disk->CrashClone(random(), {.tear_sectors = random() % 2 == 0});
    ReadLog read = ReadAll(after.get(), path, number);
    ASSERT_TRUE(read.status.ok()) << read.status.ToString();
    ASSERT_TRUE(IsPrefix(read.records, written));
    ASSERT_GE(read.records.size(), synced);
    disk = std::move(after);
  }
}

}  // namespace
}  // namespace silt::lsm
