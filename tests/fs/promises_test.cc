// Space that fallocate(2) promised: kept from others, given to the owner, given back when it goes, kept over remounts.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "fs/check_context.h"
#include "fs/space.h"
#include "fs/store.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kMiB = 1 << 20;

// On a host whose free space is what the test says: nothing that is written changes it.
class PromisesTest : public ::testing::Test {
 protected:
  PromisesTest() {
    EXPECT_TRUE(FormatOn(NewMemoryDb(memory_).get(), {}, {}).ok());
    Open();
    file_ = Make("f");
  }
  ~PromisesTest() override {
    CheckReport report;
    EXPECT_TRUE(check::Walk(&fs_->db(), {}, 0, 0, &report).ok());
    for (const CheckProblem& problem : report.problems) ADD_FAILURE() << problem.what;
  }

  void Open() {
    fs_.reset();
    OpenOptions options;
    options.commit_interval_micros = 0;
    auto opened = OpenOn(NewMemoryDb(memory_), options, [this]() -> lsm::Result<lsm::SpaceInfo> { return info_; });
    ASSERT_TRUE(opened);
    fs_ = std::move(*opened);
  }
  InodeNumber Make(std::string_view name) { return fs_->MakeNode({}, kRootInode, name, S_IFREG | 0644, 0)->ino; }
  int Allocate(uint64_t offset, uint64_t length, int mode = 0) {
    return ErrorOf(fs_->Allocate(file_, mode, offset, length));
  }
  int Write(InodeNumber ino, uint64_t offset, size_t size) {
    std::string data(size, 'w');
    return ErrorOf(fs_->Write(ino, offset, {data.data(), data.size()}, {}));
  }
  // How many blocks others cannot have.
  uint64_t Promised() {
    uint64_t all = info_.free_bytes - SpaceGuard::Reserve(info_.total_bytes);
    return (all - fs_->Stat()->available_bytes) / kBlock;
  }

  lsm::SpaceInfo info_{.total_bytes = 1024 * kMiB, .free_bytes = 512 * kMiB};
  std::shared_ptr<MemoryStore> memory_ = std::make_shared<MemoryStore>();
  std::unique_ptr<Filesystem> fs_;
  InodeNumber file_ = 0;
};

TEST_F(PromisesTest, FollowWhatBecomesOfTheBlocks) {
  EXPECT_EQ(Promised(), 0u);
  ASSERT_EQ(Allocate(0, 100 * kBlock), 0);
  EXPECT_EQ(fs_->GetAttributes(file_)->blocks, 100 * 8u);
  EXPECT_EQ(Promised(), 101u);  // and a little for keys
  ASSERT_EQ(Allocate(0, 100 * kBlock), 0);
  EXPECT_EQ(Promised(), 101u);
  ASSERT_EQ(Write(file_, 0, 10 * kBlock), 0);
  EXPECT_EQ(Promised(), 91u);
  ASSERT_EQ(Write(file_, 0, 10 * kBlock), 0);
  ASSERT_EQ(Write(file_, 10 * kBlock + 5, 1), 0);
  EXPECT_EQ(Promised(), 90u);
  ASSERT_EQ(Allocate(50 * kBlock, 10 * kBlock, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), 0);
  EXPECT_EQ(Promised(), 80u);
  ASSERT_EQ(Allocate(0, 2 * kBlock, FALLOC_FL_ZERO_RANGE), 0);
  EXPECT_EQ(Promised(), 82u);
  AttributeChange cut;
  cut.size = 20 * kBlock;
  ASSERT_TRUE(fs_->SetAttributes(file_, cut));
  EXPECT_EQ(Promised(), 11u);
  EXPECT_EQ(fs_->GetAttributes(file_)->blocks, 20 * 8u);
  ASSERT_TRUE(fs_->Unlink(kRootInode, "f"));
  EXPECT_EQ(Promised(), 11u);  // still open
  fs_->Forget(file_, 1);
  EXPECT_EQ(Promised(), 0u);
}

TEST_F(PromisesTest, OutliveTheMount) {
  ASSERT_EQ(Allocate(0, 100 * kBlock, FALLOC_FL_KEEP_SIZE), 0);
  Open();
  EXPECT_EQ(Promised(), 101u);
  ASSERT_TRUE(fs_->LookupInode(file_));
  ASSERT_TRUE(fs_->Unlink(kRootInode, "f"));
  Open();  // an orphan's go with it
  EXPECT_EQ(Promised(), 0u);
}

TEST_F(PromisesTest, ArePaidOnAFullDisk) {
  const uint64_t most = info_.free_bytes - SpaceGuard::Reserve(info_.total_bytes);
  EXPECT_EQ(Allocate(0, most + kBlock), ENOSPC);
  EXPECT_EQ(Promised(), 0u);
  EXPECT_EQ(fs_->GetAttributes(file_)->blocks, 0u);
  ASSERT_EQ(Allocate(0, 100 * kMiB), 0);
  // Others have filled the rest.
  info_.free_bytes = SpaceGuard::Reserve(info_.total_bytes) + 100 * kMiB;
  EXPECT_EQ(fs_->Stat()->available_bytes, 0u);
  EXPECT_EQ(ErrorOf(fs_->MakeNode({}, kRootInode, "other", S_IFREG | 0644, 0)), ENOSPC);
  for (uint64_t at = 0; at < 100 * kMiB; at += kMiB) ASSERT_EQ(Write(file_, at, kMiB), 0) << at;
  // In small pieces too, which write each block several times; and over what is written.
  for (uint64_t at = 0; at < kMiB; at += 100) ASSERT_EQ(Write(file_, at, 100), 0) << at;
  info_.free_bytes = SpaceGuard::Reserve(info_.total_bytes);
  EXPECT_EQ(fs_->Stat()->available_bytes, 0u);
  EXPECT_EQ(Write(file_, 100 * kMiB, 1), ENOSPC);
}

// Each cannot have what the other was promised.
TEST_F(PromisesTest, AreNotMadeTwice) {
  const uint64_t most = info_.free_bytes - SpaceGuard::Reserve(info_.total_bytes);
  ASSERT_EQ(Allocate(0, most / 2), 0);
  auto second = fs_->MakeNode({}, kRootInode, "g", S_IFREG | 0644, 0);
  EXPECT_EQ(ErrorOf(fs_->Allocate(second->ino, 0, 0, most / 2)), ENOSPC);  // its keys take space as well
  EXPECT_EQ(ErrorOf(fs_->Allocate(second->ino, 0, 0, most / 4)), 0);
  EXPECT_EQ(Write(second->ino, 0, kMiB), 0);
}

TEST_F(PromisesTest, FailedCommitLeavesNone) {
  memory_->on_write = [](const lsm::WriteBatch&) { return lsm::Status::NoSpace("full"); };
  EXPECT_EQ(Allocate(0, 100 * kBlock), ENOSPC);
  memory_->on_write = nullptr;
  EXPECT_EQ(Promised(), 0u);
}

TEST_F(PromisesTest, AreHolesUntilWrittenAndWrittenZerosAreData) {
  ASSERT_EQ(Allocate(0, 8 * kBlock), 0);
  EXPECT_EQ(ErrorOf(fs_->SeekExtent(file_, 0, SEEK_DATA)), ENXIO);
  std::string zeros(kBlock, '\0');
  ASSERT_TRUE(fs_->Write(file_, 2 * kBlock, {zeros.data(), zeros.size()}, {}));
  EXPECT_EQ(*fs_->SeekExtent(file_, 0, SEEK_DATA), 2 * kBlock);
  EXPECT_EQ(*fs_->SeekExtent(file_, 2 * kBlock, SEEK_HOLE), 3 * kBlock);
  EXPECT_EQ(Promised(), 7u);
  ASSERT_EQ(Allocate(0, 8 * kBlock, FALLOC_FL_ZERO_RANGE), 0);
  EXPECT_EQ(ErrorOf(fs_->SeekExtent(file_, 0, SEEK_DATA)), ENXIO);
  EXPECT_EQ(Promised(), 8u);
}

// A store of format 1 is taken up: what it wrote stays, and older programs keep away from now on.
TEST_F(PromisesTest, FormatOneIsTakenUp) {
  auto superblock = ReadSuperblock(&fs_->db());
  superblock->format_version = 1;
  lsm::WriteBatch batch;
  batch.Put(schema::kMeta, schema::SuperblockKey(), superblock->Encode());
  ASSERT_TRUE(fs_->db().Write({}, batch).ok());
  Open();
  EXPECT_EQ(ReadSuperblock(&fs_->db())->format_version, schema::kFormatVersion);
  EXPECT_TRUE(fs_->LookupInode(file_));
}

}  // namespace
}  // namespace silt::fs::test
