// Readers, writers, scans, snapshots, syncs, flushes, compactions and the end, all at once. Its worth is under TSan.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <thread>

#include "tests/lsm/db/crash_workload.h"
#include "tests/lsm/db/gate.h"

namespace silt::lsm {
namespace {

class ConcurrencyTest : public DbTest {
 protected:
  ConcurrencyTest() { options_.memtable_bytes = 8 << 10; }
};

// Every batch keeps "left" and "right" equal; so must every view of the store.
TEST_F(ConcurrencyTest, EveryViewIsOfWholeBatches) {
  Open();
  Put("left", "at first");
  Put("right", "at first");
  constexpr int kWriters = 3;
  constexpr int kBatches = 400;
  std::atomic<int> writing{kWriters};
  std::atomic<int> errors{0};
  auto expect = [&](bool good) { errors += good ? 0 : 1; };

  auto write = [&](int writer) {
    for (int i = 0; i < kBatches; ++i) {
      WriteBatch batch;
      std::string value = fmt::format("{}:{}", writer, i);
      batch.Put(0, "left", value);
      batch.Put(0, "right", value);
      batch.Put(1, fmt::format("log{}:{:05}", writer, i), std::string(50, 'x'));
      if (i % 10 == 9) {
        batch.DeleteRange(1, fmt::format("log{}:{:05}", writer, i - 9), fmt::format("log{}:{:05}", writer, i));
      }
      SequenceNumber sequence = 0;
      expect(db_->Write({.sync = i % 20 == 0}, batch, &sequence).ok());
      if (i % 7 == 0) expect(db_->Sync(sequence).ok());
    }
    --writing;
  };
  auto read = [&] {
    while (writing > 0) {
      const Snapshot* snapshot = db_->GetSnapshot();
      PinnedValue left, right;
      Status a = db_->Get({.snapshot = snapshot}, 0, "left", &left);
      Status b = db_->Get({.snapshot = snapshot}, 0, "right", &right);
      expect(a.code() == b.code() && left.view() == right.view());
      std::array<std::string_view, 2> keys = {"left", "right"};
      std::array<PinnedValue, 2> values;
      std::array<Status, 2> statuses;
      db_->MultiGet({}, 0, keys, values, statuses);
      expect(statuses[0].code() == statuses[1].code() && values[0].view() == values[1].view());
      db_->ReleaseSnapshot(snapshot);
    }
  };
  auto scan = [&] {
    while (writing > 0) {
      auto it = db_->NewIterator({}, 0);
      it->SeekToFirst();
      std::string left = it->Valid() ? std::string(it->value()) : "";
      expect(!left.empty());  // it is overwritten, never deleted
      if (it->Valid()) it->Next();
      expect((it->Valid() ? std::string(it->value()) : "") == left && it->status().ok());
      auto log = db_->NewIterator({}, 1);
      size_t forwards = 0, backwards = 0;
      for (log->SeekToFirst(); log->Valid(); log->Next()) ++forwards;
      for (log->SeekToLast(); log->Valid(); log->Prev()) ++backwards;
      expect(forwards == backwards && log->status().ok());
    }
  };
  auto maintain = [&] {
    while (writing > 0) {
      expect(db_->Flush().ok());
      expect(db_->CompactRange(1, nullptr, nullptr).ok());
      expect(db_->GetStats().last_sequence <= db_->LastSequence());
      expect(db_->Verify({.damage = [&](const std::string&, const Status&) { ++errors; }, .progress = {}}).ok());
    }
  };

  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) threads.emplace_back(write, i);
  threads.emplace_back(read);
  threads.emplace_back(scan);
  threads.emplace_back(maintain);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(errors, 0);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  Reopen();
  EXPECT_EQ(Get("left"), Get("right"));
  for (int i = 0; i < kWriters; ++i)
    EXPECT_EQ(Get(fmt::format("log{}:{:05}", i, kBatches - 1), 1), std::string(50, 'x'));
}

TEST_F(ConcurrencyTest, CloseEndsWritersAndCompactionsAndLosesNothingAcknowledged) {
  for (int round = 0; round < 5; ++round) {
    Open();
    std::atomic<int> acknowledged{0};
    std::vector<std::thread> writers;
    for (int w = 0; w < 2; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0;; ++i) {
          Status status = db_->Put(0, fmt::format("r{}w{}i{:06}", round, w, i), std::string(100, 'x'));
          if (!status.ok()) {
            EXPECT_EQ(status.code(), StatusCode::kAborted) << status.ToString();
            return;
          }
          ++acknowledged;
          acknowledged.notify_one();
        }
      });
    }
    for (int so_far = acknowledged; so_far < 300; so_far = acknowledged) acknowledged.wait(so_far);
    ASSERT_TRUE(db_->Close().ok());
    for (std::thread& thread : writers) thread.join();
    Reopen();
    int found = 0;
    auto it = db_->NewIterator({.lower_bound = fmt::format("r{}", round)}, 0);
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++found;
    ASSERT_TRUE(it->status().ok());
    EXPECT_EQ(found, acknowledged);
    it.reset();
    db_.reset();
  }
}

TEST_F(ConcurrencyTest, CallersOfSyncShareOneFdatasync) {
  Open();
  Gate sync;
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op == SimOp::kSync && op.path.ends_with(".wal")) sync.Pass();
    return std::nullopt;
  });
  Put("first", "1");
  std::thread leader([&] { EXPECT_TRUE(db_->Sync(1).ok()); });
  sync.AwaitArrival();
  // A write does not wait for the sync that is under way.
  constexpr int kCallers = 8;
  for (int i = 0; i < kCallers; ++i) Put(fmt::format("k{}", i), "1");
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) callers.emplace_back([&] { EXPECT_TRUE(db_->Sync(db_->LastSequence()).ok()); });
  while (db_->GetStats().sync_requests < kCallers + 1u) std::this_thread::yield();
  sync.Open();
  leader.join();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sync.arrivals(), 2);
  disk_->SetFaultHook({});
  EXPECT_EQ(db_->GetStats().durable_sequence, db_->LastSequence());
}

}  // namespace
}  // namespace silt::lsm
