// The WALs by themselves: one sequence over rotation, failures and recycled files; what is synced when, and by whom.
#include "lsm/db/wal_set.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "lsm/db/wal_header.h"
#include "lsm/db/wal_recovery.h"
#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/wal/log_reader.h"
#include "lsm/write_batch.h"
#include "tests/lsm/db/gate.h"

namespace silt::lsm {
namespace {

using Effect = SimFault::Effect;
constexpr const char* kDir = "/store";
constexpr uint64_t kPreallocate = 64 << 10;

class WalSetTest : public ::testing::Test {
 protected:
  WalSetTest() : log_([this](LogLevel level, std::string_view) { warnings_ += level != LogLevel::kInfo; }) {
    EXPECT_TRUE(disk_->CreateDir(kDir).ok() && disk_->SyncDir("/").ok());
  }

  void Start(bool recycle = true, const WalTail& tail = {}) {
    wals_ = std::make_unique<WalSet>(WalSetOptions{.storage = disk_.get(),
                                                   .dir = kDir,
                                                   .preallocate_bytes = kPreallocate,
                                                   .recycle = recycle,
                                                   .new_number = [this] { return ++last_number_; },
                                                   .log = &log_,
                                                   .counters = &counters_});
    Status status = wals_->Start(tail);
    ASSERT_TRUE(status.ok()) << status.ToString();
    next_ = tail.last_sequence + 1;
  }

  // One batch of one put, with the next sequence number if it succeeds.
  Status Append(const std::string& text) {
    WriteBatch batch;
    batch.Put(0, text, "");
    batch.SetSequence(next_);
    std::string_view record = batch.Data();
    Status status = wals_->Append({&record, 1}, next_, next_);
    next_ += status.ok() ? 1 : 0;
    return status;
  }
  void MustAppend(const std::string& text) {
    Status status = Append(text);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void MustRotate() {
    Status status = wals_->Rotate(next_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void MustSync() {
    Status status = wals_->Sync(next_ - 1);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  // What the next open of the store finds: "a b c", or the error.
  static std::string Recovered(SimStorage* disk, FileNumber first_needed = 0, SequenceNumber flushed = 0) {
    WalRecoveryInput input{.storage = disk, .dir = kDir, .present = {}, .first_needed = first_needed};
    input.flushed_sequence = flushed;
    auto names = disk->ListDir(kDir);
    for (const std::string& name : *names) {
      auto parsed = ParseFileName(name);
      if (parsed && parsed->kind == FileKind::kWal) input.present.push_back(parsed->number);
    }
    std::string text;
    auto recovered = ReplayWals(input, [&](FileNumber, std::string_view batch) {
      return WriteBatch::Decode(batch, [&](SequenceNumber, EntryKind, FamilyId, std::string_view key,
                                           std::string_view) { text.append(text.empty() ? "" : " ").append(key); });
    });
    return recovered ? text : recovered.error().ToString();
  }
  // After a crash of the process, and after power cuts that keep what was synced and nothing else.
  std::string AfterKill(FileNumber first_needed = 0, SequenceNumber flushed = 0) {
    auto copy = disk_->CrashClone(0, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
    return Recovered(copy.get(), first_needed, flushed);
  }
  std::string AfterPowerCut(FileNumber first_needed = 0, SequenceNumber flushed = 0) {
    auto copy = disk_->CrashClone(0, {.data = SimCrashOptions::Keep::kNone, .names = SimCrashOptions::Keep::kNone});
    return Recovered(copy.get(), first_needed, flushed);
  }

  std::string PathOf(FileNumber number) const { return JoinPath(kDir, WalName(number)); }
  // The kinds of the records of a log: H(eader), b(atch), D(urable marker).
  std::string Shape(FileNumber number) {
    LogReader reader(*disk_->NewRandomAccessFile(PathOf(number)), WalName(number), number);
    std::string shape;
    std::string_view record;
    while (reader.ReadRecord(&record)) {
      WalRecordKind kind = ClassifyWalRecord(record);
      shape += kind == WalRecordKind::kHeader ? 'H' : kind == WalRecordKind::kBatch ? 'b' : 'D';
    }
    return shape;
  }
  // Every operation from now on, as "sync 000001.wal" and the like.
  void Trace() {
    disk_->SetFaultHook([this](const SimOperation& op) -> std::optional<SimFault> {
      static constexpr const char* kNames[] = {"create", "reuse", "write",  "truncate",   "preallocate", "sync",
                                               "rename", "link",  "delete", "create dir", "sync dir"};
      const std::string& path = op.op == SimOp::kReuse ? op.to : op.path;
      trace_.push_back(std::string(kNames[static_cast<int>(op.op)]) + " " + path.substr(path.rfind('/') + 1));
      return std::nullopt;
    });
  }
  void FailOnce(SimOp op, Status status, Effect effect, uint64_t bytes = 0) {
    auto left = std::make_shared<std::atomic<int>>(1);
    disk_->SetFaultHook([=](const SimOperation& operation) -> std::optional<SimFault> {
      if (operation.op != op || --*left < 0) return std::nullopt;
      return SimFault{status, effect, bytes};
    });
  }

  std::unique_ptr<SimStorage> disk_ = std::make_unique<SimStorage>();
  std::atomic<int> warnings_{0};
  EventLog log_;
  DbCounters counters_;
  FileNumber last_number_ = 0;
  SequenceNumber next_ = 1;
  std::unique_ptr<WalSet> wals_;
  std::vector<std::string> trace_;
};

TEST_F(WalSetTest, RotationGoesOnWithTheSameSequence) {
  Start();
  MustAppend("a");
  MustRotate();
  MustAppend("b");
  MustRotate();
  MustRotate();
  MustAppend("c");
  EXPECT_EQ(AfterKill(), "a b c");
  EXPECT_EQ(Shape(1) + " " + Shape(2) + " " + Shape(3) + " " + Shape(4), "Hb Hb H Hb");
  EXPECT_EQ(wals_->LiveWals().size(), 4u);
}

TEST_F(WalSetTest, TheNameOfAWalIsDurableBeforeAnythingIsInIt) {
  Trace();
  Start();
  MustRotate();
  EXPECT_EQ(trace_, (std::vector<std::string>{"create 000001.wal", "preallocate 000001.wal", "sync dir store",
                                              "write 000001.wal", "create 000002.wal", "preallocate 000002.wal",
                                              "sync dir store", "write 000002.wal"}));
}

// Were the newest synced alone, a power cut could keep it and lose what it follows.
TEST_F(WalSetTest, ASyncCoversTheOlderWalsFirstAndThenSaysSo) {
  Start();
  MustSync();
  MustAppend("a");
  MustRotate();
  MustAppend("b");
  Trace();
  MustSync();
  std::erase_if(trace_, [](const std::string& line) { return line.starts_with("preallocate"); });  // zeros ahead
  EXPECT_EQ(trace_, (std::vector<std::string>{"sync 000001.wal", "write 000002.wal", "sync 000002.wal"}));
  EXPECT_EQ(Shape(2), "HbD");
  EXPECT_EQ(AfterPowerCut(), "a b");
  trace_.clear();
  MustAppend("c");
  MustSync();
  EXPECT_EQ(trace_, (std::vector<std::string>{"write 000002.wal", "sync 000002.wal"})) << "once is enough";
}

TEST_F(WalSetTest, ASyncOfWhatIsDurableCostsNothing) {
  Start();
  MustAppend("a");
  MustSync();
  uint64_t syncs = disk_->OperationCount(SimOp::kSync);
  MustSync();
  EXPECT_TRUE(wals_->Sync(kMaxSequence).ok()) << "at most what was appended";
  EXPECT_EQ(disk_->OperationCount(SimOp::kSync), syncs);
  EXPECT_EQ(wals_->DurableSequence(), 1u);
}

TEST_F(WalSetTest, CallersOfSyncShareOneFdatasync) {
  Start();
  MustAppend("a");
  MustSync();
  MustAppend("b");
  Gate sync;
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op == SimOp::kSync) sync.Pass();
    return std::nullopt;
  });
  std::thread first([&] { EXPECT_TRUE(wals_->Sync(2).ok()); });
  sync.AwaitArrival();
  MustAppend("c");  // does not wait for the sync that is under way
  uint64_t before = counters_.sync_requests.Get();
  std::vector<std::thread> others;
  for (int i = 0; i < 8; ++i) others.emplace_back([&] { EXPECT_TRUE(wals_->Sync(3).ok()); });
  while (counters_.sync_requests.Get() < before + 8) std::this_thread::yield();
  sync.Open();
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(sync.arrivals(), 2);
  disk_->SetFaultHook({});
  EXPECT_EQ(AfterPowerCut(), "a b c");
}

TEST_F(WalSetTest, AFailedSyncIsNeverForgotten) {
  Start();
  MustAppend("a");
  MustSync();
  MustAppend("b");
  FailOnce(SimOp::kSync, Status::IoError("fdatasync"), Effect::kDropped);
  EXPECT_EQ(wals_->Sync(2).code(), StatusCode::kReadOnly);
  EXPECT_EQ(wals_->Sync(2).code(), StatusCode::kReadOnly) << "though this one would have said ok";
  EXPECT_EQ(Append("c").code(), StatusCode::kReadOnly);
  EXPECT_TRUE(wals_->Sync(1).ok());
  EXPECT_EQ(AfterPowerCut(), "a");
}

// The same when the bytes did reach the disk: nobody can know.
TEST_F(WalSetTest, AFailedSyncThatReachedTheDiskIsStillAFailure) {
  Start();
  MustAppend("a");
  FailOnce(SimOp::kSync, Status::IoError("fdatasync"), Effect::kDone);
  EXPECT_EQ(wals_->Sync(1).code(), StatusCode::kReadOnly);
  EXPECT_EQ(Append("b").code(), StatusCode::kReadOnly);
  EXPECT_EQ(AfterPowerCut(), "a");
}

TEST_F(WalSetTest, AFailedAppendIsCutOffAndTheLogGoesOn) {
  for (Effect effect : {Effect::kNothing, Effect::kPartial, Effect::kDone}) {
    disk_ = std::make_unique<SimStorage>();
    ASSERT_TRUE(disk_->CreateDir(kDir).ok() && disk_->SyncDir("/").ok());
    last_number_ = 0;
    Start();
    MustAppend("a");
    FailOnce(SimOp::kWrite, Status::NoSpace("full"), effect, 20);
    EXPECT_TRUE(Append("lost").IsNoSpace());
    MustAppend("b");
    EXPECT_EQ(wals_->CurrentNumber(), 1u);
    MustSync();
    EXPECT_EQ(AfterKill(), "a b");
    EXPECT_EQ(AfterPowerCut(), "a b");
  }
}

TEST_F(WalSetTest, AFailedAppendThatCannotBeCutOffEndsItsWal) {
  Start();
  MustAppend("a");
  bool failed = false;
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op == SimOp::kWrite && !std::exchange(failed, true)) return SimFault{Status::IoError("EIO"), Effect::kDone};
    if (op.op == SimOp::kTruncate) return SimFault{Status::IoError("EIO"), Effect::kNothing};
    return std::nullopt;
  });
  EXPECT_EQ(Append("lost").code(), StatusCode::kIoError);
  EXPECT_TRUE(wals_->failure().ok());
  MustAppend("b");
  EXPECT_EQ(wals_->CurrentNumber(), 2u);
  EXPECT_EQ(AfterKill(), "a b");
  MustSync();
  EXPECT_EQ(AfterPowerCut(), "a b");
}

TEST_F(WalSetTest, WhereNothingCanBeWrittenTheLogIsGivenUp) {
  Start();
  MustAppend("a");
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op == SimOp::kSync) return std::nullopt;
    return SimFault{Status::IoError("EIO"), Effect::kNothing};
  });
  EXPECT_EQ(Append("lost").code(), StatusCode::kReadOnly);
  disk_->SetFaultHook({});
  EXPECT_EQ(Append("later").code(), StatusCode::kReadOnly) << "the hole before it is still there";
  EXPECT_EQ(AfterKill(), "a");
}

// The header may be on the disk all the same, and it says where the WAL before it ends.
TEST_F(WalSetTest, NothingIsAppendedBehindARotationThatFailed) {
  for (Effect effect : {Effect::kNothing, Effect::kDone}) {
    disk_ = std::make_unique<SimStorage>();
    ASSERT_TRUE(disk_->CreateDir(kDir).ok() && disk_->SyncDir("/").ok());
    last_number_ = 0;
    Start();
    MustAppend("a");
    disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
      if (op.op != SimOp::kWrite && op.op != SimOp::kTruncate && op.op != SimOp::kDelete) return std::nullopt;
      return SimFault{Status::IoError("EIO"), effect};
    });
    EXPECT_EQ(wals_->Rotate(next_).code(), StatusCode::kIoError);
    disk_->SetFaultHook({});
    MustAppend("b");
    EXPECT_EQ(wals_->CurrentNumber(), 3u);
    EXPECT_EQ(Shape(1), "Hb");
    EXPECT_EQ(AfterKill(), "a b");
    MustSync();
    EXPECT_EQ(AfterPowerCut(), "a b");
  }
}

TEST_F(WalSetTest, ObsoleteWalsAreOverwrittenAndTheirOldRecordsNeverComeBack) {
  Start();
  for (int i = 0; i < 200; ++i) MustAppend("old" + std::to_string(i));
  MustSync();
  MustRotate();
  SequenceNumber flushed = next_ - 1;
  wals_->Retire(wals_->CurrentNumber(), flushed);
  EXPECT_EQ(disk_->OperationCount(SimOp::kDelete), 0u);
  MustRotate();
  EXPECT_EQ(disk_->OperationCount(SimOp::kReuse), 1u);
  EXPECT_FALSE(disk_->FileExists(PathOf(1)));
  EXPECT_EQ(wals_->CurrentNumber(), 3u);
  MustAppend("new");
  EXPECT_EQ(AfterKill(2, flushed), "new");
  MustSync();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(Recovered(disk_->CrashClone(seed, {.tear_sectors = true}).get(), 2, flushed), "new");
  }
}

// Records of the same length in the same places: a power cut that keeps some blocks of the new log and not others puts
// old records exactly where new ones should be.
TEST_F(WalSetTest, AStaleTailNeverCompletesATornRecord) {
  Start();
  std::string filler(3000, 'x');
  for (int i = 10; i < 30; ++i) MustAppend(std::to_string(i) + filler);
  MustSync();
  MustRotate();
  SequenceNumber flushed = next_ - 1;
  wals_->Retire(2, flushed);
  MustRotate();
  std::vector<std::string> prefixes = {""};
  for (int i = 50; i < 70; ++i) {
    MustAppend(std::to_string(i) + filler);
    prefixes.push_back(prefixes.back() + (prefixes.back().empty() ? "" : " ") + std::to_string(i) + filler);
  }
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::string found = Recovered(disk_->CrashClone(seed).get(), 2, flushed);
    EXPECT_NE(std::find(prefixes.begin(), prefixes.end(), found), prefixes.end()) << found.substr(0, 100);
    seen.insert(found);
  }
  EXPECT_GT(seen.size(), 2u) << "the power cuts must have torn it at several places";
}

TEST_F(WalSetTest, WithoutRecyclingObsoleteWalsAreDeleted) {
  Start(/*recycle=*/false);
  MustAppend("a");
  MustRotate();
  MustAppend("b");
  wals_->Retire(2, 1);
  EXPECT_FALSE(disk_->FileExists(PathOf(1)));
  EXPECT_EQ(disk_->OperationCount(SimOp::kPreallocate), 0u);
  EXPECT_EQ(AfterKill(2, 1), "b");
  EXPECT_EQ(wals_->FileCount(), 1u);
}

TEST_F(WalSetTest, ThePoolIsBounded) {
  Start();
  for (int i = 0; i < 6; ++i) {
    MustAppend("a");
    MustRotate();
  }
  wals_->Retire(wals_->CurrentNumber(), next_ - 1);
  EXPECT_EQ(wals_->FileCount(), 3u);
  EXPECT_EQ(disk_->OperationCount(SimOp::kDelete), 4u);
}

TEST_F(WalSetTest, APreparedWalIsUsedByTheNextRotation) {
  Start();
  MustAppend("a");
  wals_->PrepareNext();
  wals_->PrepareNext();  // one is enough
  EXPECT_EQ(last_number_, 2u);
  uint64_t before = disk_->OperationCount();
  MustRotate();
  EXPECT_EQ(disk_->OperationCount(), before + 1) << "the header's write, and nothing else";
  MustAppend("b");
  EXPECT_EQ(AfterKill(), "a b");
}

TEST_F(WalSetTest, APreparedWalThatWasNotUsedHoldsNothing) {
  Start();
  MustAppend("a");
  wals_->PrepareNext();
  EXPECT_EQ(AfterKill(), "a");
  MustSync();
  EXPECT_EQ(AfterPowerCut(), "a");
}

// The blocks of a new file are written once with zeros, so that later syncs find them allocated.
TEST_F(WalSetTest, ZerosAreWrittenAheadOnceAndChangeNothing) {
  Start();
  MustAppend("a");
  uint64_t before = disk_->OperationCount(SimOp::kPreallocate);
  MustSync();
  EXPECT_EQ(disk_->OperationCount(SimOp::kPreallocate), before + 1);
  for (int i = 0; i < 5; ++i) {
    MustAppend("b");
    MustSync();
  }
  EXPECT_EQ(disk_->OperationCount(SimOp::kPreallocate), before + 1);
  EXPECT_EQ(AfterPowerCut(), "a b b b b b");
  EXPECT_EQ(AfterKill(), "a b b b b b");
}

TEST_F(WalSetTest, ARecycledWalIsNotWrittenAhead) {
  Start();
  for (int i = 0; i < 100; ++i) MustAppend("a");
  MustSync();
  MustRotate();
  wals_->Retire(2, next_ - 1);
  MustRotate();
  uint64_t before = disk_->OperationCount(SimOp::kPreallocate);
  MustAppend("b");
  MustSync();
  EXPECT_EQ(disk_->OperationCount(SimOp::kPreallocate), before);
}

TEST_F(WalSetTest, WithoutSpaceForZerosTheLogWorksAllTheSame) {
  disk_->SetFaultHook([](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op != SimOp::kPreallocate) return std::nullopt;
    return SimFault{Status::NoSpace("full"), Effect::kNothing};
  });
  Start();
  MustAppend("a");
  MustSync();
  EXPECT_GE(warnings_, 1);
  EXPECT_EQ(AfterPowerCut(), "a");
}

// A failed append is cut off, and with it the zeros behind: they must not be counted on.
TEST_F(WalSetTest, AfterACutZerosAreWrittenAnew) {
  Start();
  MustAppend("a");
  MustSync();
  uint64_t before = disk_->OperationCount(SimOp::kPreallocate);
  FailOnce(SimOp::kWrite, Status::NoSpace("full"), Effect::kPartial, 9);
  EXPECT_TRUE(Append("lost").IsNoSpace());
  disk_->SetFaultHook({});
  MustAppend("b");
  MustSync();
  EXPECT_EQ(disk_->OperationCount(SimOp::kPreallocate), before + 1);
  EXPECT_EQ(AfterPowerCut(), "a b");
}

TEST_F(WalSetTest, RetiringWaitsForTheSyncThatUsesTheFile) {
  Start();
  MustAppend("a");
  MustRotate();
  MustAppend("b");
  Gate sync;
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op == SimOp::kSync && op.path.ends_with("000001.wal")) sync.Pass();
    return std::nullopt;
  });
  std::thread syncer([&] { EXPECT_TRUE(wals_->Sync(2).ok()); });
  sync.AwaitArrival();
  std::atomic<bool> retired{false};
  std::thread retirer([&] {
    wals_->Retire(2, 1);
    retired = true;
  });
  while (wals_->IsLive(1)) std::this_thread::yield();  // it has begun
  EXPECT_FALSE(retired);
  sync.Open();
  syncer.join();
  retirer.join();
  disk_->SetFaultHook({});
  EXPECT_EQ(AfterPowerCut(2, 1), "b");
}

TEST_F(WalSetTest, ClosingSealsTheLogAndLeavesNoSpareFiles) {
  Start();
  MustAppend("a");
  MustRotate();
  wals_->Retire(2, 1);
  wals_->PrepareNext();  // takes the spare file
  MustAppend("b");
  ASSERT_TRUE(wals_->Close().ok());
  EXPECT_EQ(Shape(2), "HbDD");
  EXPECT_EQ(AfterPowerCut(2, 1), "b");
  EXPECT_EQ(disk_->AllFiles(), std::vector<std::string>{PathOf(2)});
  EXPECT_LT(*disk_->FileSize(PathOf(2)), 300u) << "what was reserved is given back";
}

TEST_F(WalSetTest, ANewRunFollowsTheOldOne) {
  Start();
  MustAppend("a");
  uint64_t length = wals_->CurrentSize();
  ASSERT_TRUE(wals_->Close().ok());
  length = *disk_->FileSize(PathOf(1));
  Start(true, {.number = 1, .length = length, .last_sequence = 1, .numbers = {1}});
  MustAppend("b");
  EXPECT_EQ(AfterKill(), "a b");
  EXPECT_TRUE(wals_->IsLive(1));
  wals_->Retire(2, 1);
  EXPECT_FALSE(wals_->IsLive(1));
}

}  // namespace
}  // namespace silt::lsm
