// Work that takes long says how far it is, and ends early when it is told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "mount/service.h"
#include "tests/mount/temporary_directory.h"

namespace silt::mount {
namespace {

using nlohmann::json;

class LongWorkTest : public testing::Test {
 protected:
  static constexpr int kTables = 4;

  // A store with so many tables that no compaction has touched.
  LongWorkTest() {
    lsm::Options options;
    options.create_if_missing = true;
    options.disable_auto_compaction = true;
    db_ = *lsm::Db::Open(options, directory_.path());
    std::mt19937_64 random(1);
    for (int table = 0; table < kTables; ++table) {
      for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(db_->Put(0, std::to_string(random()), std::string(100, 'v')).ok());
      }
      EXPECT_TRUE(db_->Flush().ok());
    }
  }

  // Progress that was emitted, as (done, total).
  EventSink Collect() {
    return [this](const json& event) {
      std::lock_guard lock(mutex_);
      if (event.contains("progress")) steps_.emplace_back(event["progress"]["done"], event["progress"]["total"]);
    };
  }

  TemporaryDirectory directory_;
  std::unique_ptr<lsm::Db> db_;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, uint64_t>> steps_;
};

TEST_F(LongWorkTest, AScrubStopsBeforeTheNextFile) {
  int asked = 0;
  auto stopped = Scrub(*db_, Collect(), [&] { return ++asked == 3; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), lsm::StatusCode::kAborted);
  EXPECT_EQ(asked, 3);
  EXPECT_LT(steps_.back().first, steps_.back().second) << "it went on";
}

TEST_F(LongWorkTest, AScrubThatIsWantedReadsAll) {
  int asked = 0;
  auto result = Scrub(*db_, Collect(), [&] { return ++asked > 1000; });
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(asked, kTables);
  EXPECT_EQ((*result)["damaged_files"], 0);
  EXPECT_EQ(steps_.front().first, 0u);
  EXPECT_EQ(steps_.back().first, steps_.back().second);
}

TEST_F(LongWorkTest, ACompactionTellsItsWayFromNothingToAll) {
  const uint64_t before = db_->GetStats().merged_bytes;
  ASSERT_TRUE(CompactAll(*db_, Collect(), [] { return false; }));
  ASSERT_GE(steps_.size(), 2u);
  EXPECT_EQ(steps_.front().first, 0u);
  EXPECT_EQ(steps_.back().first, steps_.back().second);
  const auto merged = static_cast<double>(db_->GetStats().merged_bytes - before);
  EXPECT_NEAR(static_cast<double>(steps_.back().second), merged, 0.1 * merged) << "what was estimated";
  EXPECT_TRUE(std::is_sorted(steps_.begin(), steps_.end()));
  EXPECT_GE(merged, 4 * 1000 * 100) << "all keys and values";
}

TEST_F(LongWorkTest, ACompactionWithNothingToDoShowsNothing) {
  ASSERT_TRUE(CompactAll(*db_, Collect(), [] { return false; }));
  steps_.clear();
  ASSERT_TRUE(CompactAll(*db_, Collect(), [] { return false; }));
  EXPECT_TRUE(steps_.empty());
}

TEST_F(LongWorkTest, ACompactionThatNobodyWantsDoesNotBegin) {
  auto stopped = CompactAll(*db_, Collect(), [] { return true; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), lsm::StatusCode::kAborted);
  EXPECT_EQ(db_->GetStats().merged_bytes, 0u);
}

}  // namespace
}  // namespace silt::mount
