// Disks that fail and disks that are full: nothing that was acknowledged and synced is lost, and what can go on does.
#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <mutex>
#include <random>

#include "tests/lsm/db/crash_workload.h"

namespace silt::lsm {
namespace {

using Effect = SimFault::Effect;

class FaultTest : public DbTest {
 protected:
  // Fails operations of this kind on files that end so, while `times` lasts.
  void FailNext(SimOp op, std::string suffix, Status status, int times, Effect effect = Effect::kNothing,
                uint64_t partial = 0) {
    std::lock_guard lock(mutex_);
    left_ = times;
    disk_->SetFaultHook([=, this](const SimOperation& operation) -> std::optional<SimFault> {
      if (operation.op != op || !operation.path.ends_with(suffix)) return std::nullopt;
      std::lock_guard hook_lock(mutex_);
      if (left_ <= 0) return std::nullopt;
      --left_;
      return SimFault{status, effect, partial};
    });
  }
  void Heal() { disk_->SetFaultHook({}); }

  static constexpr int kForever = 1 << 30;
  std::mutex mutex_;
  int left_ = 0;
};

TEST_F(FaultTest, AFailedAppendFailsThatWriteAndNoOther) {
  Open();
  Put("a", "1");
  FailNext(SimOp::kWrite, ".wal", Status::NoSpace("full"), 1, Effect::kPartial, 20);
  EXPECT_EQ(db_->Put(0, "b", "2").code(), StatusCode::kNoSpace);
  Put("c", "3");
  EXPECT_EQ(Scan(), "a=1 c=3 ");
  ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
  Crash(1);
  Open();
  EXPECT_EQ(Scan(), "a=1 c=3 ");
}

TEST_F(FaultTest, AFailedAppendThatCannotBeUndoneBeginsANewWal) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  bool failed = false;
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    bool first_write = op.op == SimOp::kWrite && !failed && op.path.ends_with(".wal");
    if (first_write) {
      failed = true;
      return SimFault{Status::IoError("write"), Effect::kDone};  // it is on the disk all the same
    }
    if (failed && op.op == SimOp::kTruncate) return SimFault{Status::IoError("truncate")};
    return std::nullopt;
  });
  EXPECT_EQ(db_->Put(0, "b", "2").code(), StatusCode::kIoError);
  Heal();
  Put("c", "3");
  EXPECT_EQ(Scan(), "a=1 c=3 ");
  ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
  for (uint64_t seed = 0; seed < 10; ++seed) {
    auto after = disk_->CrashClone(seed);
    Options options = options_;
    options.storage = after.get();
    auto db = Db::Open(options, kStore);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    PinnedValue value;
    EXPECT_TRUE((*db)->Get({}, 0, "b", &value).IsNotFound());
    EXPECT_TRUE((*db)->Get({}, 0, "c", &value).ok());
  }
}

TEST_F(FaultTest, AFailedSyncMakesTheStoreReadOnlyUntilItIsReopened) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Sync(1).ok());
  Put("b", "2");
  FailNext(SimOp::kSync, ".wal", Status::IoError("fdatasync"), 1, Effect::kDropped);
  EXPECT_EQ(db_->Sync(2).code(), StatusCode::kReadOnly);
  EXPECT_EQ(db_->Sync(2).code(), StatusCode::kReadOnly);
  EXPECT_TRUE(db_->Sync(1).ok());  // that is durable
  Status write = db_->Put(0, "c", "3");
  EXPECT_EQ(write.code(), StatusCode::kReadOnly);
  EXPECT_NE(write.message().find("fdatasync"), std::string::npos) << write.message();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_TRUE(db_->GetStats().background_error);
  Heal();
  Crash(1);
  Open();
  EXPECT_EQ(Get("a"), "1");
  Put("c", "3");
}

TEST_F(FaultTest, AFullDiskDuringAFlushStopsNeitherReadsNorWritesThatHaveRoom) {
  Open();
  Put("a", "1");
  FailNext(SimOp::kWrite, ".sst", Status::NoSpace("full"), kForever);
  EXPECT_EQ(db_->Flush().code(), StatusCode::kNoSpace);
  EXPECT_EQ(Get("a"), "1");
  Put("b", "2");
  EXPECT_EQ(db_->Flush().code(), StatusCode::kNoSpace);
  // Until all memtables are full; then writers are told, and do not hang.
  Status status;
  for (int i = 0; i < 5000 && status.ok(); ++i) status = db_->Put(0, fmt::format("k{:05}", i), std::string(100, 'v'));
  EXPECT_EQ(status.code(), StatusCode::kNoSpace) << status.ToString();
  EXPECT_EQ(Get("k00000"), std::string(100, 'v'));
  Heal();
  ASSERT_TRUE(db_->Flush().ok());
  Put("later", "3");
  EXPECT_FALSE(db_->GetStats().background_error);
  EXPECT_TRUE(FilesEndingWith(".sst").size() < 20u);  // what the failed attempts wrote is gone
  Reopen();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("later"), "3");
}

TEST_F(FaultTest, TheBallastLetsAFlushThroughOnAFullDisk) {
  options_.ballast_bytes = 256 << 10;
  Open();
  EXPECT_EQ(db_->GetStats().ballast_bytes, options_.ballast_bytes);
  for (int i = 0; i < 20; ++i) Put(fmt::format("k{:05}", i), std::string(100, 'v'));
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  disk_->SetSpaceLimit(disk_->UsedBytes());
  Status flushed = db_->Flush();
  ASSERT_TRUE(flushed.ok()) << flushed.ToString();
  EXPECT_EQ(db_->GetStats().ballast_bytes, 0u);
  EXPECT_EQ(Get("k00000"), std::string(100, 'v'));
  disk_->SetSpaceLimit(disk_->UsedBytes() + (64 << 20));
  Put("more", "1");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_EQ(db_->GetStats().ballast_bytes, options_.ballast_bytes);
}

// Sixteen tables of level 0 side by side, over as many of the last level: they go down together if there is room.
class FullDiskCompactionTest : public FaultTest {
 protected:
  void MakeLevels() {
    options_.families[0].base_level_bytes = 1 << 20;  // so that the last level is the base level
    options_.disable_auto_compaction = true;
    Open();
    PutAll();
    ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
    PutAll();
    ASSERT_EQ(InLevel0(), kTables);
    db_.reset();
    options_.disable_auto_compaction = false;
  }
  void PutAll() {
    std::mt19937 random(1);
    for (int table = 0; table < kTables; ++table) {
      for (int i = 0; i < 12; ++i) {
        std::string value(1000, '\0');
        for (char& byte : value) byte = static_cast<char>(random());
        Put(fmt::format("k{:02}{:02}", table, i), value);
      }
      ASSERT_TRUE(db_->Flush().ok());
    }
  }
  int InLevel0() { return static_cast<int>(db_->GetStats().families[0].levels[0].files); }

  LevelStats LastLevel() { return db_->GetStats().families[0].levels[kNumLevels - 1]; }

  static constexpr int kTables = 16;
};

TEST_F(FullDiskCompactionTest, ACompactionThatHasNoRoomMakesWayForSmallerOnes) {
  MakeLevels();
  disk_->SetSpaceLimit(disk_->UsedBytes() + (128 << 10));
  Open();
  const Status status = db_->WaitForBackgroundWork();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_LT(InLevel0(), kTables);  // no longer due
}

// What hides half of a table is itself among keys from everywhere.
TEST_F(FullDiskCompactionTest, WhatIsDeletedGoesWhereItsTombstoneCannot) {
  options_.families[0].target_file_bytes = 16 << 10;
  options_.memtable_bytes = 1 << 20;
  MakeLevels();
  options_.disable_auto_compaction = true;
  Open();
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  for (int table = 0; table < kTables; ++table) Put(fmt::format("k{:02}00", table), "new");
  DeleteRange("k0303", "k0309");
  ASSERT_TRUE(db_->Flush().ok());
  db_.reset();
  options_.disable_auto_compaction = false;
  disk_->SetSpaceLimit(disk_->UsedBytes() + (40 << 10));
  Open();
  const uint64_t before = LastLevel().bytes;
  const std::string content = Scan();
  for (int i = 0; i < 3; ++i) static_cast<void>(db_->ReclaimSpace());
  EXPECT_EQ(InLevel0(), 1);
  EXPECT_EQ(LastLevel().entries, kTables * 12 - 6u);
  EXPECT_LT(LastLevel().bytes, before - 5000);
  EXPECT_EQ(Scan(), content);
  const uint64_t compactions = LastLevel().compactions;
  static_cast<void>(db_->ReclaimSpace());
  EXPECT_EQ(LastLevel().compactions, compactions) << "nothing is left to be done";
}

TEST_F(FullDiskCompactionTest, WhoWaitsForCompactionsEndsThePauseAfterAFailedOne) {
  MakeLevels();
  FailNext(SimOp::kWrite, ".sst", Status::NoSpace("full"), kForever);
  Open();
  while (!db_->WaitForBackgroundWork().IsNoSpace()) {
  }
  Heal();
  const Status status = db_->WaitForBackgroundWork();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(InLevel0(), 0);
}

// All of level 0 is one component: no smaller part can go down. There is room again, but not for twice as much.
TEST_F(FullDiskCompactionTest, ACompactionThatFailedIsTriedAgainWhenItsInputsFit) {
  options_.families[0].base_level_bytes = 1 << 20;
  options_.disable_auto_compaction = true;
  Open();
  for (int table = 0; table < kTables; ++table) {
    Put("a", "1");
    Put("z", "1");
    std::mt19937 random(static_cast<unsigned>(table));
    std::string value(12'000, '\0');
    for (char& byte : value) byte = static_cast<char>(random());
    Put(fmt::format("k{:02}", table), value);
    ASSERT_TRUE(db_->Flush().ok());
  }
  ASSERT_EQ(InLevel0(), kTables);
  const uint64_t inputs = db_->GetStats().families[0].levels[0].bytes;
  db_.reset();
  options_.disable_auto_compaction = false;
  disk_->SetSpaceLimit(disk_->UsedBytes() + inputs / 2);
  Open();
  while (!db_->WaitForBackgroundWork().IsNoSpace()) {
  }
  disk_->SetSpaceLimit(disk_->UsedBytes() + inputs + inputs / 2);
  const Status status = db_->WaitForBackgroundWork();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(InLevel0(), 0);
}

TEST_F(FullDiskCompactionTest, WhoWaitsDuringThePauseAfterAFailedManualCompactionReturns) {
  options_.disable_auto_compaction = true;
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  FailNext(SimOp::kWrite, ".sst", Status::NoSpace("full"), kForever);
  for (int i = 0; i < 3; ++i) {  // so that the pause is long
    ASSERT_EQ(db_->CompactRange(0, nullptr, nullptr).code(), StatusCode::kNoSpace);
  }
  auto waited = std::async(std::launch::async, [&] { return db_->WaitForBackgroundWork(); });
  ASSERT_EQ(waited.wait_for(std::chrono::seconds(10)), std::future_status::ready) << (std::abort(), "");
  Heal();
}

TEST_F(FaultTest, AFailedFlushOfAnotherKindMakesTheStoreReadOnlyAndSaysWhy) {
  Open();
  Put("a", "1");
  FailNext(SimOp::kSync, ".sst", Status::IoError("bad disk"), kForever);
  Status status = db_->Flush();
  EXPECT_EQ(status.code(), StatusCode::kReadOnly);
  EXPECT_NE(status.message().find("bad disk"), std::string::npos) << status.message();
  EXPECT_EQ(Get("a"), "1");
  Heal();
  Reopen();
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(FaultTest, AFailingManifestMakesTheStoreReadOnlyAndLosesNothing) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  Put("b", "2");
  disk_->SetFaultHook([](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op != SimOp::kSync || op.path.find("MANIFEST") == std::string::npos) return std::nullopt;
    return SimFault{Status::IoError("bad disk"), Effect::kDropped};
  });
  EXPECT_EQ(db_->Flush().code(), StatusCode::kReadOnly);
  Heal();
  EXPECT_EQ(Scan(), "a=1 b=2 ");
  for (uint64_t seed = 0; seed < 5; ++seed) {
    Crash(seed);
    Open();
    EXPECT_EQ(Get("a"), "1");
  }
}

// Any single operation fails, in any way: what was synced is found again, as part of a prefix. SILT_SEED=n pairs other
// operations with other ways.
TEST_F(FaultTest, NoSingleFailureLosesWhatWasSynced) {
  CrashWorkload workload(7, 50, 300);
  options_.memtable_bytes = 4 << 10;
  std::vector<Status> failures = {Status::NoSpace("full"), Status::IoError("bad")};
  std::vector<Effect> effects = {Effect::kNothing, Effect::kDone, Effect::kPartial, Effect::kDropped};
  const char* seed = std::getenv("SILT_SEED");
  uint64_t shift = seed != nullptr ? std::strtoull(seed, nullptr, 10) : 0;
  bool reached = true;
  for (uint64_t at = 0; reached; ++at) {
    auto disk = std::make_unique<SimStorage>();
    const Status& failure = failures[(at + shift) % failures.size()];
    reached = false;
    disk->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
      if (op.index != at) return std::nullopt;
      reached = true;
      Effect effect = effects[(at + shift) / 2 % effects.size()];
      if (effect == Effect::kPartial && op.op != SimOp::kWrite) effect = Effect::kNothing;
      if (effect == Effect::kDropped && op.op != SimOp::kSync) effect = Effect::kNothing;
      return SimFault{failure, effect, 10};
    });
    Options options = options_;
    options.storage = disk.get();
    CrashTrace trace;
    if (auto db = Db::Open(options, kStore)) {
      trace = RunWorkload(db->get(), workload);
      size_t found = 0;
      // While it is open, exactly what was acknowledged is there, whatever failed.
      std::string wrong = CheckPrefix(db->get(), workload, trace.acknowledged, trace.acknowledged, &found);
      ASSERT_EQ(wrong, "") << "open, failure at operation " << at;
    }
    disk->SetFaultHook({});
    auto after = disk->CrashClone(at);
    options.storage = after.get();
    auto db = Db::Open(options, kStore);
    ASSERT_TRUE(db.has_value()) << db.error().ToString() << " after a failure at operation " << at;
    size_t found = 0;
    std::string wrong = CheckPrefix(db->get(), workload, trace.synced, trace.attempted, &found);
    ASSERT_EQ(wrong, "") << "failure at operation " << at;
  }
}

}  // namespace
}  // namespace silt::lsm
