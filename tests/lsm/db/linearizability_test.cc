// Readers beside writers: each sees some batch whole, never an older one than any that was acknowledged or read before
// it began, by every way of reading, while memtables are flushed and tables compacted. The batches have an order of
// their own, the sequence numbers that Write returns, so that a history can be checked without a search.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

constexpr size_t kKeys = 6;

// What a reader saw, and what it must have seen at least.
struct Observation {
  uint64_t batch = 0;
  SequenceNumber least = 0;  // the newest that was acknowledged when it began
  uint64_t least_batch = 0;  // one that had been read when it began
};

class LinearizabilityTest : public DbTest {
 protected:
  LinearizabilityTest() {
    options_.memtable_bytes = 8 << 10;
    const char* seconds = std::getenv("SILT_LINEAR_SECONDS");
    seconds_ = seconds != nullptr ? std::strtoull(seconds, nullptr, 10) : 1;
  }

  static std::string Key(size_t i) { return fmt::format("key{}", i); }
  // Batch n deletes all keys as one range and puts the first n % kKeys + 1 of them, in both families.
  static size_t KeysOf(uint64_t batch) { return batch % kKeys + 1; }

  void WriteOne(uint64_t batch) {
    WriteBatch out;
    std::string value = fmt::format("{}:{}", batch, std::string(batch % 50, 'v'));
    for (FamilyId family : {0, 1}) {
      out.DeleteRange(family, "key", "kez");
      for (size_t i = 0; i < KeysOf(batch); ++i) out.Put(family, Key(i), value);
    }
    SequenceNumber sequence = 0;
    Status status = db_->Write({.sync = batch % 64 == 0}, out, &sequence);
    if (!status.ok()) return Wrong(status.ToString());
    Raise(&acknowledged_, sequence);
    std::lock_guard lock(mutex_);
    sequence_of_[batch] = sequence;
  }

  // One view of the store, in one of the ways of reading; the batch that it shows.
  uint64_t ReadOne(uint64_t way) {
    auto family = static_cast<FamilyId>(way / 5 % 2);
    way %= 5;
    std::vector<std::string> values;
    if (way == 4) {  // of a key that every batch has
      PinnedValue value;
      Status status = db_->Get({}, family, Key(0), &value);
      if (!status.ok()) Wrong(fmt::format("a key that is always there: {}", status.ToString()));
      return status.ok() ? std::stoull(std::string(value.view())) : 1;
    }
    if (way < 2) {
      auto it = db_->NewIterator({}, family);
      bool forwards = way == 0;
      for (forwards ? it->SeekToFirst() : it->SeekToLast(); it->Valid(); forwards ? it->Next() : it->Prev()) {
        values.emplace_back(it->value());
      }
      if (!it->status().ok()) Wrong(it->status().ToString());
    } else {
      std::vector<std::string> keys;
      for (size_t i = 0; i < kKeys; ++i) keys.push_back(Key(i));
      std::vector<PinnedValue> found(kKeys);
      std::vector<Status> statuses(kKeys);
      const Snapshot* snapshot = way == 2 ? db_->GetSnapshot() : nullptr;
      if (snapshot != nullptr) {
        for (size_t i = 0; i < kKeys; ++i) {
          auto of = static_cast<FamilyId>(i % 2);  // over both families
          statuses[i] = db_->Get({.snapshot = snapshot}, of, keys[i], &found[i]);
        }
        db_->ReleaseSnapshot(snapshot);
      } else {
        std::vector<std::string_view> views(keys.begin(), keys.end());
        db_->MultiGet({}, family, views, found, statuses);
      }
      for (size_t i = 0; i < kKeys; ++i) {
        if (statuses[i].ok()) values.emplace_back(found[i].view());
        if (!statuses[i].ok() && !statuses[i].IsNotFound()) Wrong(statuses[i].ToString());
      }
    }
    if (values.empty()) {
      Wrong(fmt::format("way {} shows no batch at all", way));
      return 1;
    }
    uint64_t batch = std::stoull(values[0]);
    bool whole = values.size() == KeysOf(batch) &&
                 std::all_of(values.begin(), values.end(), [&](const std::string& v) { return v == values[0]; });
    if (!whole) Wrong(fmt::format("way {} shows {} keys, the first of batch {}", way, values.size(), batch));
    return batch;
  }

  void Reader(uint64_t seed) {
    std::vector<Observation> seen;
    for (uint64_t n = seed; !done_; ++n) {
      Observation now;
      now.least = acknowledged_;
      now.least_batch = last_read_;
      now.batch = ReadOne(n);
      last_read_ = now.batch;  // any that was read before another read began will do
      seen.push_back(now);
    }
    std::lock_guard lock(mutex_);
    observations_.insert(observations_.end(), seen.begin(), seen.end());
  }

  void Wrong(const std::string& what) {
    std::lock_guard lock(mutex_);
    if (wrong_.size() < 5) wrong_.push_back(what);
  }
  static void Raise(std::atomic<uint64_t>* at, uint64_t to) {
    uint64_t now = *at;
    while (now < to && !at->compare_exchange_weak(now, to)) {
    }
  }

  uint64_t seconds_;
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> next_batch_{1};
  std::atomic<SequenceNumber> acknowledged_{0};
  std::atomic<uint64_t> last_read_{1};
  std::mutex mutex_;
  std::map<uint64_t, SequenceNumber> sequence_of_;  // guarded by mutex_, like the next two
  std::vector<Observation> observations_;
  std::vector<std::string> wrong_;
};

TEST_F(LinearizabilityTest, ConcurrentBatchesAreSeenWholeInOneOrderAndNotLate) {
  Open();
  WriteOne(next_batch_++);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([this] {
      while (!done_) WriteOne(next_batch_++);
    });
  }
  for (uint64_t i = 0; i < 4; ++i) threads.emplace_back([this, i] { Reader(i); });
  threads.emplace_back([this] {
    while (!done_) {
      if (!db_->Flush().ok() || !db_->CompactRange(0, nullptr, nullptr).ok()) Wrong("maintenance failed");
    }
  });
  std::this_thread::sleep_for(std::chrono::seconds(seconds_));  // how long the test is, not what it waits for
  done_ = true;
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(wrong_, std::vector<std::string>());
  ASSERT_GT(observations_.size(), 50u);
  std::set<uint64_t> batches;
  for (const Observation& o : observations_) {
    SequenceNumber sequence = sequence_of_.at(o.batch);
    ASSERT_GE(sequence, o.least) << "an acknowledged batch was not seen";
    ASSERT_GE(sequence, sequence_of_.at(o.least_batch)) << "a read went back behind an earlier one";
    batches.insert(o.batch);
  }
  EXPECT_GT(batches.size(), 10u) << "the readers must have met the writers";
}

}  // namespace
}  // namespace silt::lsm
