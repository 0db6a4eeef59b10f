// The commit pipeline alone, on a target that records what it is told.
#include "lsm/db/write_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/lsm/db/gate.h"

namespace silt::lsm {
namespace {

class FakeTarget final : public CommitTarget {
 public:
  Status Prepare(size_t) override {
    if (gate != nullptr) gate->Pass();
    return prepare_status;
  }
  Status Append(std::span<const std::string_view> record, SequenceNumber first, SequenceNumber last) override {
    if (!append_status.ok()) return append_status;
    std::string whole;
    for (std::string_view piece : record) whole += piece;
    SequenceNumber next = first;
    EXPECT_TRUE(WriteBatch::Decode(whole, [&](SequenceNumber sequence, auto&&...) { EXPECT_EQ(sequence, next++); }).ok());
    EXPECT_EQ(next, last + 1);
    records.push_back(std::move(whole));
    EXPECT_EQ(first, logged + 1);
    logged = last;
    return Status::Ok();
  }
  Status Apply(const WriteBatch& batch, SequenceNumber first) override {
    EXPECT_EQ(first, applied + 1);
    EXPECT_NE(records.back().find(batch.Data().substr(WriteBatch::kHeaderSize)), std::string::npos);
    applied = first + batch.Count() - 1;
    return Status::Ok();
  }
  void Publish(SequenceNumber last) override {
    EXPECT_EQ(last, applied);
    published = last;
  }
  void CountGroup(size_t batches, uint64_t) override { groups.push_back(batches); }

  Gate* gate = nullptr;
  Status prepare_status, append_status;
  std::vector<std::string> records;
  std::vector<size_t> groups;
  SequenceNumber logged = 0, applied = 0, published = 0;
};

WriteBatch Batch(size_t bytes, int count = 1) {
  WriteBatch batch;
  for (int i = 0; i < count; ++i) batch.Put(0, "key", std::string(bytes, 'v'));
  return batch;
}

TEST(WriteQueueTest, GivesEachBatchTheSequenceOfItsLastOperation) {
  FakeTarget target;
  WriteQueue queue(&target, 1 << 20, 0);
  SequenceNumber sequence = 0;
  ASSERT_TRUE(queue.Commit(Batch(10, 3), &sequence).ok());
  EXPECT_EQ(sequence, 3u);
  ASSERT_TRUE(queue.Commit(Batch(10), &sequence).ok());
  EXPECT_EQ(sequence, 4u);
}

TEST(WriteQueueTest, AFailedAppendTakesNoSequenceNumbers) {
  FakeTarget target;
  WriteQueue queue(&target, 1 << 20, 0);
  target.append_status = Status::NoSpace("full");
  EXPECT_EQ(queue.Commit(Batch(10, 5), nullptr).code(), StatusCode::kNoSpace);
  target.append_status = Status::Ok();
  SequenceNumber sequence = 0;
  ASSERT_TRUE(queue.Commit(Batch(10), &sequence).ok());
  EXPECT_EQ(sequence, 1u);
}

TEST(WriteQueueTest, AFailedPreparationLogsNothing) {
  FakeTarget target;
  WriteQueue queue(&target, 1 << 20, 0);
  target.prepare_status = Status::ReadOnly("because");
  EXPECT_EQ(queue.Commit(Batch(10), nullptr).code(), StatusCode::kReadOnly);
  EXPECT_TRUE(target.records.empty());
}

// Runs writers while the first holds the lead, so that the others gather behind it.
void CommitBehindALeader(FakeTarget* target, WriteQueue* queue, const std::vector<WriteBatch>& batches,
                         std::vector<Status>* statuses) {
  Gate gate;
  target->gate = &gate;
  std::thread leader([&] { static_cast<void>(queue->Commit(Batch(1), nullptr)); });
  gate.AwaitArrival();
  std::vector<std::thread> writers;
  statuses->resize(batches.size());
  for (size_t i = 0; i < batches.size(); ++i) {
    writers.emplace_back([&, i] { (*statuses)[i] = queue->Commit(batches[i], nullptr); });
  }
  while (queue->Waiting() < batches.size() + 1) std::this_thread::yield();
  gate.Open();
  leader.join();
  for (std::thread& writer : writers) writer.join();
  target->gate = nullptr;
}

TEST(WriteQueueTest, BatchesThatWaitTogetherShareOneRecord) {
  FakeTarget target;
  WriteQueue queue(&target, 1 << 20, 0);
  std::vector<Status> statuses;
  CommitBehindALeader(&target, &queue, std::vector<WriteBatch>(10, Batch(100, 2)), &statuses);
  EXPECT_EQ(target.groups, (std::vector<size_t>{1, 10}));
  EXPECT_EQ(target.published, 21u);
  for (const Status& status : statuses) EXPECT_TRUE(status.ok());
}

TEST(WriteQueueTest, AGroupIsBoundedByBytes) {
  FakeTarget target;
  WriteQueue queue(&target, 1000, 0);
  std::vector<Status> statuses;
  CommitBehindALeader(&target, &queue, std::vector<WriteBatch>(10, Batch(300)), &statuses);
  EXPECT_EQ(target.published, 11u);
  for (size_t batches : target.groups) EXPECT_LE(batches, 3u);
}

TEST(WriteQueueTest, ABatchLargerThanAGroupGoesAlone) {
  FakeTarget target;
  WriteQueue queue(&target, 1000, 0);
  std::vector<Status> statuses;
  CommitBehindALeader(&target, &queue, {Batch(100 << 10), Batch(100 << 10)}, &statuses);
  EXPECT_EQ(target.groups, (std::vector<size_t>{1, 1, 1}));
}

TEST(WriteQueueTest, WorkBetweenGroupsRunsAloneAndSeesTheLastSequence) {
  FakeTarget target;
  WriteQueue queue(&target, 1 << 20, 41);
  SequenceNumber seen = 0;
  EXPECT_EQ(queue
                .RunBetweenGroups([&](SequenceNumber last) {
                  seen = last;
                  return Status::Busy("mine");
                })
                .code(),
            StatusCode::kBusy);
  EXPECT_EQ(seen, 41u);
}

// FakeTarget sees to the order; here nobody may be forgotten, and work must have the queue for itself.
TEST(WriteQueueTest, WritersAndWorkThatMeetAreAllServed) {
  constexpr int kWriters = 6, kBatches = 3000, kWorks = 300;
  FakeTarget target;
  WriteQueue queue(&target, 4000, 0);
  std::atomic<uint64_t> sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kWriters; ++t) {
    threads.emplace_back([&, t] {
      SequenceNumber before = 0;
      for (int i = 0; i < kBatches; ++i) {
        SequenceNumber sequence = 0;
        ASSERT_TRUE(queue.Commit(Batch(i % 500 == 0 ? 5000 : static_cast<size_t>(t) * 10), &sequence).ok());
        ASSERT_GT(sequence, before);
        before = sequence;
        sum += sequence;
      }
    });
  }
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kWorks; ++i) {
        ASSERT_TRUE(queue
                        .RunBetweenGroups([&](SequenceNumber last) {
                          EXPECT_EQ(target.logged, last);
                          EXPECT_EQ(target.published, last);
                          std::this_thread::yield();
                          EXPECT_EQ(target.logged, last);
                          return Status::Ok();
                        })
                        .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  constexpr uint64_t kAll = static_cast<uint64_t>(kWriters) * kBatches;
  EXPECT_EQ(target.published, kAll);
  EXPECT_EQ(sum, kAll * (kAll + 1) / 2);  // each number once
  EXPECT_EQ(queue.Waiting(), 0u);
}

}  // namespace
}  // namespace silt::lsm
