// The simulated disk's faults: injected errors, power cuts at an operation, a full disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "lsm/storage/sim_storage.h"

namespace silt::lsm {
namespace {

using ::testing::ElementsAre;
using Effect = SimFault::Effect;
using Keep = SimCrashOptions::Keep;
constexpr SimCrashOptions kLoseAll{.data = Keep::kNone, .names = Keep::kNone};

class SimFaultsTest : public ::testing::Test {
 protected:
  SimFaultsTest() : file_(std::move(*disk_.NewWritableFile("/a"))) { EXPECT_TRUE(disk_.SyncDir("/").ok()); }

  // The next operation of this kind fails thus.
  void FailNext(SimOp op, SimFault fault) {
    disk_.SetFaultHook([this, op, fault](const SimOperation& operation) -> std::optional<SimFault> {
      if (operation.op != op) return std::nullopt;
      disk_.SetFaultHook({});
      return fault;
    });
  }
  std::string Contents() { return ReadFileToString(&disk_, "/a").value_or("-"); }
  std::string ContentsAfterCrash() { return ReadFileToString(disk_.CrashClone(1, kLoseAll).get(), "/a").value_or("-"); }

  SimStorage disk_;
  std::unique_ptr<WritableFile> file_;
};

TEST_F(SimFaultsTest, AFailedWriteMayLeaveNothingAPartOrAll) {
  FailNext(SimOp::kWrite, {.status = Status::IoError("EIO")});
  EXPECT_EQ(file_->Append("abcdef").code(), StatusCode::kIoError);
  EXPECT_EQ(Contents(), "");
  FailNext(SimOp::kWrite, {.status = Status::IoError("EIO"), .effect = Effect::kPartial, .bytes = 3});
  EXPECT_EQ(file_->Append("abcdef").code(), StatusCode::kIoError);
  EXPECT_EQ(Contents(), "abc");
  FailNext(SimOp::kWrite, {.status = Status::NoSpace("ENOSPC"), .effect = Effect::kDone});
  EXPECT_EQ(file_->Append("ABCDEF").code(), StatusCode::kNoSpace);
  EXPECT_EQ(Contents(), "ABCDEF");
  EXPECT_EQ(file_->Position(), 0u);
  EXPECT_TRUE(file_->Append("x").ok());
  EXPECT_EQ(file_->Position(), 1u);
}

TEST_F(SimFaultsTest, AFailedSyncMayHaveReachedTheDiskOrLostTheData) {
  ASSERT_TRUE(file_->Append("one").ok());
  FailNext(SimOp::kSync, {.status = Status::IoError("EIO"), .effect = Effect::kDone});
  EXPECT_FALSE(file_->Sync().ok());
  EXPECT_EQ(ContentsAfterCrash(), "one");

  ASSERT_TRUE(file_->Append("two").ok());
  FailNext(SimOp::kSync, {.status = Status::IoError("EIO"), .effect = Effect::kDropped});
  EXPECT_FALSE(file_->Sync().ok());
  EXPECT_EQ(Contents(), "onetwo") << "the page cache still has it";
  EXPECT_TRUE(file_->Sync().ok()) << "and the next sync is none the wiser";
  EXPECT_EQ(ContentsAfterCrash(), "one");
}

TEST_F(SimFaultsTest, ASyncThatDoesNothingAndSaysOkIsFoundOut) {
  ASSERT_TRUE(file_->Append("one").ok());
  FailNext(SimOp::kSync, {.status = Status::Ok()});
  EXPECT_TRUE(file_->Sync().ok());
  EXPECT_EQ(ContentsAfterCrash(), "");
}

TEST_F(SimFaultsTest, EveryOtherOperationCanFail) {
  const Status eio = Status::IoError("EIO");
  FailNext(SimOp::kCreate, {.status = eio});
  EXPECT_FALSE(disk_.NewWritableFile("/b"));
  EXPECT_FALSE(disk_.FileExists("/b"));
  FailNext(SimOp::kCreate, {.status = eio, .effect = Effect::kDone});
  EXPECT_FALSE(disk_.NewWritableFile("/b"));
  EXPECT_TRUE(disk_.FileExists("/b"));
  FailNext(SimOp::kRename, {.status = eio, .effect = Effect::kDone});
  EXPECT_FALSE(disk_.RenameFile("/b", "/c").ok());
  EXPECT_TRUE(disk_.FileExists("/c"));
  FailNext(SimOp::kReuse, {.status = eio});
  EXPECT_FALSE(disk_.ReuseWritableFile("/c", "/e"));
  FailNext(SimOp::kLink, {.status = eio});
  EXPECT_FALSE(disk_.LinkFile("/c", "/d").ok());
  FailNext(SimOp::kDelete, {.status = eio});
  EXPECT_FALSE(disk_.DeleteFile("/c").ok());
  FailNext(SimOp::kCreateDir, {.status = eio});
  EXPECT_FALSE(disk_.CreateDir("/dir").ok());
  FailNext(SimOp::kTruncate, {.status = eio});
  EXPECT_FALSE(file_->Truncate(0).ok());
  FailNext(SimOp::kPreallocate, {.status = Status::NoSpace("full")});
  EXPECT_FALSE(file_->Preallocate(10).ok());
  FailNext(SimOp::kSyncDir, {.status = eio});
  EXPECT_FALSE(disk_.SyncDir("/").ok());
  EXPECT_THAT(disk_.AllFiles(), ElementsAre("/a", "/c"));
  EXPECT_THAT(disk_.CrashClone(1, kLoseAll)->AllFiles(), ElementsAre("/a")) << "the failed SyncDir did nothing";
}

TEST_F(SimFaultsTest, OperationsAreNumberedAndDescribed) {
  std::vector<std::string> seen;
  uint64_t first = disk_.OperationCount();
  disk_.SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
    seen.push_back(std::to_string(operation.index - first) + " " + operation.path + " " + operation.to + " " +
                   std::to_string(operation.offset) + "+" + std::to_string(operation.length));
    return std::nullopt;
  });
  ASSERT_TRUE(file_->Append("abc").ok());
  ASSERT_TRUE(file_->Append("de").ok());
  ASSERT_TRUE(file_->Sync().ok());
  ASSERT_TRUE(disk_.RenameFile("/a", "/b").ok());
  EXPECT_THAT(seen, ElementsAre("0 /a  0+3", "1 /a  3+2", "2 /a  0+0", "3 /a /b 0+0"));
  EXPECT_EQ(disk_.OperationCount(SimOp::kWrite), 2u);
  EXPECT_EQ(disk_.OperationCount(), first + 4);
}

TEST_F(SimFaultsTest, TheHookMayCloneTheDisk) {
  std::unique_ptr<SimStorage> before;
  disk_.SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
    if (operation.op == SimOp::kSync) before = disk_.CrashClone(1, kLoseAll);
    return std::nullopt;
  });
  ASSERT_TRUE(file_->Append("x").ok());
  ASSERT_TRUE(file_->Sync().ok());
  EXPECT_EQ(ReadFileToString(before.get(), "/a"), "");
  EXPECT_EQ(ContentsAfterCrash(), "x");
}

TEST_F(SimFaultsTest, ThePowerGoesOffAtTheChosenOperation) {
  disk_.CutPowerAt(disk_.OperationCount() + 2);
  ASSERT_TRUE(file_->Append("one").ok());
  ASSERT_TRUE(file_->Sync().ok());
  EXPECT_FALSE(disk_.PowerIsOff());
  EXPECT_EQ(file_->Append("two").code(), StatusCode::kIoError);
  EXPECT_TRUE(disk_.PowerIsOff());
  EXPECT_EQ(file_->Sync().code(), StatusCode::kIoError);
  EXPECT_EQ(disk_.NewRandomAccessFile("/a").error().code(), StatusCode::kIoError);
  EXPECT_EQ(disk_.ListDir("/").error().code(), StatusCode::kIoError);
  EXPECT_FALSE(disk_.FileExists("/a"));
  auto after = disk_.CrashClone(1);
  EXPECT_FALSE(after->PowerIsOff());
  EXPECT_EQ(ReadFileToString(after.get(), "/a"), "one");
}

TEST_F(SimFaultsTest, AFullDiskTakesWhatFits) {
  disk_.SetSpaceLimit(3 * 4096);
  ASSERT_TRUE(file_->Append(std::string(5000, 'a')).ok());
  EXPECT_EQ(disk_.UsedBytes(), 2u * 4096);
  Status status = file_->Append(std::string(10000, 'b'));
  EXPECT_EQ(status.code(), StatusCode::kNoSpace);
  EXPECT_EQ(file_->Position(), 5000u);
  EXPECT_EQ(Contents().size(), 3u * 4096) << "the beginning was written";
  EXPECT_EQ(disk_.Space("/")->free_bytes, 0u);
  ASSERT_TRUE(file_->Truncate(5000).ok());
  EXPECT_EQ(disk_.UsedBytes(), 2u * 4096);
  EXPECT_TRUE(file_->Append("ok").ok());
  EXPECT_EQ(disk_.CrashClone(1, {.data = Keep::kAll})->UsedBytes(), 2u * 4096);
  ASSERT_TRUE(disk_.DeleteFile("/a").ok());
  EXPECT_EQ(disk_.UsedBytes(), 0u);
}

TEST_F(SimFaultsTest, PreallocatedSpaceIsNotTakenAway) {
  disk_.SetSpaceLimit(4 * 4096);
  ASSERT_TRUE(file_->Preallocate(3 * 4096).ok());
  EXPECT_EQ(file_->Preallocate(5 * 4096).code(), StatusCode::kNoSpace);
  auto other = disk_.NewWritableFile("/b");
  ASSERT_TRUE((*other)->Append(std::string(4096, 'x')).ok());
  EXPECT_EQ((*other)->Append("y").code(), StatusCode::kNoSpace);
  EXPECT_TRUE(file_->Append(std::string(3 * 4096, 'x')).ok());
  EXPECT_EQ(file_->Append("y").code(), StatusCode::kNoSpace);
}

TEST_F(SimFaultsTest, ReadsCanFail) {
  ASSERT_TRUE(file_->Append("abc").ok());
  disk_.SetReadHook([](const std::string& path, uint64_t offset, size_t) {
    return path == "/a" && offset == 0 ? Status::IoError("EIO") : Status::Ok();
  });
  EXPECT_EQ(ReadFileToString(&disk_, "/a").error().code(), StatusCode::kIoError);
  disk_.SetReadHook({});
  EXPECT_EQ(Contents(), "abc");
}

TEST_F(SimFaultsTest, ManyThreadsMayUseItAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      std::string path = "/t" + std::to_string(t);
      for (int i = 0; i < 50; ++i) {
        auto file = disk_.NewWritableFile(path);
        ASSERT_TRUE(file);
        ASSERT_TRUE((*file)->Append(std::string(5000, 'x')).ok());
        ASSERT_TRUE((*file)->Sync().ok());
        ASSERT_TRUE(disk_.SyncDir("/").ok());
        auto clone = disk_.CrashClone(static_cast<uint64_t>(i));
        ASSERT_EQ(ReadFileToString(clone.get(), path).value_or("").size(), 5000u);
        ASSERT_TRUE(clone->Overwrite(path, 0, "clone's own").ok());
        ASSERT_TRUE(disk_.DeleteFile(path).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(disk_.UsedBytes(), 0u);
}

}  // namespace
}  // namespace silt::lsm
