// Power cuts, failed writes and failed syncs: what was synced is found again, and what is found is a prefix.
#include <thread>

#include "log_test_util.h"

namespace silt::lsm {
namespace {

using ::testing::ElementsAre;
using Effect = SimFault::Effect;

// Fails the next operation of a kind; later ones work.
void FailNext(SimStorage* disk, SimOp op, SimFault fault) {
  disk->SetFaultHook([=](const SimOperation& operation) -> std::optional<SimFault> {
    if (operation.op != op) return std::nullopt;
    disk->SetFaultHook({});
    return fault;
  });
}

TEST(LogCrashTest, PowerCutsLeaveAPrefixWithAllThatWasSynced) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    std::mt19937_64 random(seed);
    SimStorage disk;
    auto log = NewLog(&disk);
    if (random() % 2) {
      ASSERT_TRUE(log->file()->Preallocate(500000).ok());
    }
    std::vector<std::string> written;
    size_t synced = 0;
    for (uint64_t i = random() % 40; i > 0; --i) {
      written.push_back(RandomBytes(random, random() % (size_t{1} << (random() % 17))));
      ASSERT_TRUE(log->AddRecord(written.back()).ok());
      if (random() % 5 == 0) {
        ASSERT_TRUE(log->Sync().ok());
        synced = written.size();
      }
    }
    auto after = disk.CrashClone(seed, {.tear_sectors = random() % 2 == 0});
    ReadLog read = ReadAll(after.get());
    ASSERT_TRUE(read.status.ok()) << seed << ": " << read.status.ToString();
    ASSERT_TRUE(IsPrefix(read.records, written)) << seed;
    ASSERT_GE(read.records.size(), synced) << seed;
    lost = lost || read.records.size() < written.size();
  }
  EXPECT_TRUE(lost) << "power cuts that lose nothing test nothing";
}

// The test above must be able to fail: a sync that does nothing is found out.
TEST(LogCrashTest, ASyncThatLiesIsFoundOut) {
  bool found_out = false;
  for (uint64_t seed = 0; seed < 50 && !found_out; ++seed) {
    SimStorage disk;
    auto log = NewLog(&disk);
    ASSERT_TRUE(log->AddRecord("one").ok());
    FailNext(&disk, SimOp::kSync, {.status = Status::Ok()});
    ASSERT_TRUE(log->Sync().ok());
    ASSERT_TRUE(log->AddRecord(std::string(5000, 'x')).ok());
    ReadLog read = ReadAll(disk.CrashClone(seed).get());
    found_out = read.records.empty();
  }
  EXPECT_TRUE(found_out);
}

TEST(LogCrashTest, AFailedWriteIsUndoneAndTheLogGoesOn) {
  for (SimFault fault :
       {SimFault{Status::NoSpace("full"), Effect::kNothing}, SimFault{Status::IoError("EIO"), Effect::kPartial, 5},
        SimFault{Status::NoSpace("full"), Effect::kPartial, 40000}, SimFault{Status::IoError("EIO"), Effect::kDone}}) {
    SimStorage disk;
    auto log = NewLog(&disk);
    ASSERT_TRUE(log->AddRecord("before").ok());
    FailNext(&disk, SimOp::kWrite, fault);
    Status status = log->AddRecord(std::string(70000, 'x'));
    EXPECT_EQ(status.code(), fault.status.code());
    EXPECT_TRUE(log->undone());
    EXPECT_THAT(ReadAll(&disk).records, ElementsAre("before"));
    ASSERT_TRUE(log->AddRecord("after").ok());
    ReadLog read = ReadAll(&disk);
    EXPECT_TRUE(read.status.ok());
    EXPECT_THAT(read.records, ElementsAre("before", "after"));
  }
}

// The failed record was written whole, and its blocks may come back after a power cut: never, and never mixed with the
// next record's, which is split at the same place.
TEST(LogCrashTest, AnUndoneRecordStaysUndoneAfterAPowerCut) {
  const std::vector<std::string> written = {std::string(kLogBlockSize - 2000, 'a'), std::string(2500, 'b')};
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SimStorage disk;
    auto log = NewLog(&disk);
    ASSERT_TRUE(log->AddRecord(written[0]).ok());
    ASSERT_TRUE(log->Sync().ok());
    FailNext(&disk, SimOp::kWrite, {.status = Status::IoError("EIO"), .effect = Effect::kDone});
    ASSERT_FALSE(log->AddRecord(std::string(2500, 'x')).ok());
    ASSERT_TRUE(log->undone());
    ASSERT_TRUE(log->AddRecord(written[1]).ok());
    ReadLog read = ReadAll(disk.CrashClone(seed).get());
    ASSERT_TRUE(read.status.ok());
    ASSERT_TRUE(IsPrefix(read.records, written)) << seed;
  }
}

TEST(LogCrashTest, AWriteThatCannotBeUndoneEndsTheLog) {
  for (SimOp op : {SimOp::kTruncate, SimOp::kSync}) {
    SimStorage disk;
    auto log = NewLog(&disk);
    ASSERT_TRUE(log->AddRecord("before").ok());
    disk.SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
      if (operation.op == SimOp::kWrite) return SimFault{Status::IoError("EIO"), Effect::kPartial, 3};
      if (operation.op == op) return SimFault{Status::IoError("EIO")};
      return std::nullopt;
    });
    EXPECT_FALSE(log->AddRecord("lost").ok());
    EXPECT_FALSE(log->undone());
    disk.SetFaultHook({});
    uint64_t writes = disk.OperationCount(SimOp::kWrite);
    EXPECT_FALSE(log->AddRecord("never").ok());
    EXPECT_EQ(disk.OperationCount(SimOp::kWrite), writes);
    EXPECT_THAT(ReadAll(&disk).records, ElementsAre("before"));
  }
}

TEST(LogCrashTest, AFailedSyncPoisonsTheLog) {
  for (Effect effect : {Effect::kNothing, Effect::kDone, Effect::kDropped}) {
    SimStorage disk;
    auto log = NewLog(&disk);
    ASSERT_TRUE(log->AddRecord("one").ok());
    ASSERT_TRUE(log->Sync().ok());
    ASSERT_TRUE(log->AddRecord("two").ok());
    FailNext(&disk, SimOp::kSync, {.status = Status::IoError("EIO"), .effect = effect});
    EXPECT_EQ(log->Sync().code(), StatusCode::kIoError);
    EXPECT_EQ(log->Sync().code(), StatusCode::kIoError) << "a retry would succeed and mean nothing";
    EXPECT_EQ(log->AddRecord("three").code(), StatusCode::kIoError);
    EXPECT_TRUE(log->undone());
    ReadLog read = ReadAll(disk.CrashClone(1, {.data = SimCrashOptions::Keep::kNone}).get());
    EXPECT_TRUE(read.status.ok()) << read.status.ToString();
    EXPECT_GE(read.records.size(), 1u);
  }
}

// The promise in a record covers what was synced when it was written, and not what was appended during that sync.
TEST(LogCrashTest, PromisesDoNotCoverWhatWasAppendedDuringTheSync) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->AddRecord("one").ok());
  uint64_t end_of_one = log->Size();
  disk.SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
    if (operation.op != SimOp::kSync) return std::nullopt;
    disk.SetFaultHook({});
    EXPECT_TRUE(log->AddRecord("during").ok());
    return std::nullopt;
  });
  ASSERT_TRUE(log->Sync().ok());
  uint64_t third = log->Size();
  ASSERT_TRUE(log->AddRecord("three").ok());
  std::string bytes = *ReadFileToString(&disk, kTestLog);
  EXPECT_EQ(DecodeFragmentHeader(bytes.data() + third).durable, end_of_one);
}

TEST(LogCrashTest, OneSyncServesThoseWhoWaitedForIt) {
  SimStorage disk;
  auto log = NewLog(&disk);
  ASSERT_TRUE(log->AddRecord("one").ok());
  ASSERT_TRUE(log->Sync().ok());
  ASSERT_TRUE(log->Sync().ok());
  EXPECT_EQ(disk.OperationCount(SimOp::kSync), 1u);
  ASSERT_TRUE(log->AddRecord("two").ok());
  ASSERT_TRUE(log->Sync().ok());
  EXPECT_EQ(disk.OperationCount(SimOp::kSync), 2u);
}

TEST(LogCrashTest, OneThreadAddsWhileOthersSync) {
  SimStorage disk;
  auto log = NewLog(&disk);
  std::atomic<uint64_t> added{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> syncers;
  for (int t = 0; t < 2; ++t) {
    syncers.emplace_back([&] {
      while (!done) {
        uint64_t at_least = added;
        ASSERT_TRUE(log->Sync().ok());
        ReadLog read = ReadAll(disk.CrashClone(at_least, {.data = SimCrashOptions::Keep::kNone}).get());
        ASSERT_TRUE(read.status.ok()) << read.status.ToString();
        ASSERT_GE(read.records.size(), at_least);
      }
    });
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 400; ++i) {
    if (random() % 16 == 0) {
      FailNext(&disk, SimOp::kWrite, {.status = Status::NoSpace("full"), .effect = Effect::kPartial, .bytes = 30});
      ASSERT_FALSE(log->AddRecord("lost").ok());
    }
    ASSERT_TRUE(log->AddRecord(std::string(random() % 3000, 'x')).ok());
    ++added;
  }
  done = true;
  for (std::thread& syncer : syncers) syncer.join();
  EXPECT_EQ(ReadAll(&disk).records.size(), 400u);
}

}  // namespace
}  // namespace silt::lsm
