// A flipped bit in any file gives the right answer or an error that names the file, and never a wrong byte.
#include <fmt/format.h>

#include <map>
#include <random>

#include "lsm/filenames.h"
#include "tests/lsm/db/crash_workload.h"

namespace silt::lsm {
namespace {

class DamageTest : public DbTest {
 protected:
  DamageTest() {
    options_.families[0].compression = Compression::kSnappy;
    options_.families[0].last_level_compression = Compression::kZstd;
  }

  void MakeStore() {
    Open();
    for (int i = 0; i < 400; ++i) {
      std::string key = fmt::format("key{:05}", i * 7 % 400);
      model_[key] = fmt::format("value {} {}", i, std::string(i % 60, 'v'));
      Put(key, model_[key]);
    }
    ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
    for (int i = 0; i < 40; ++i) {
      std::string key = fmt::format("key{:05}", i);
      model_[key] = "newer";
      Put(key, "newer");
    }
    DeleteRange("key00100", "key00120");
    model_.erase(model_.lower_bound("key00100"), model_.lower_bound("key00120"));
    ASSERT_TRUE(db_->Flush().ok());
    Put("last", "logged");
    model_["last"] = "logged";
    ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
    db_.reset();
  }

  // Opens and reads all; every answer must be right or an error with a file's name. True if anything failed.
  bool CheckAnswers(const Options& options) {
    auto db = Db::Open(options, kStore);
    if (!db) {
      EXPECT_TRUE(NamesAFile(db.error())) << db.error().ToString();
      return true;
    }
    bool failed = false;
    bool last_lost = false;
    for (const auto& [key, expected] : model_) {
      PinnedValue value;
      Status status = (*db)->Get({}, 0, key, &value);
      // The end of the newest WAL cannot be told from a torn tail.
      if (key == "last" && status.IsNotFound()) {
        last_lost = true;
        continue;
      }
      if (status.ok()) {
        EXPECT_EQ(value.view(), expected) << key;
      } else {
        EXPECT_TRUE(status.IsCorruption() && NamesAFile(status)) << key << ": " << status.ToString();
        failed = true;
      }
    }
    for (bool backwards : {false, true}) {
      auto it = (*db)->NewIterator({}, 0);
      std::map<std::string, std::string> seen;
      for (backwards ? it->SeekToLast() : it->SeekToFirst(); it->Valid(); backwards ? it->Prev() : it->Next()) {
        seen[std::string(it->key())] = std::string(it->value());
      }
      for (const auto& [key, value] : seen) {
        auto known = model_.find(key);
        EXPECT_TRUE(known != model_.end() && known->second == value) << key;
      }
      if (it->status().ok()) {
        EXPECT_EQ(seen.size(), model_.size() - (last_lost ? 1 : 0));
      } else {
        EXPECT_TRUE(NamesAFile(it->status())) << it->status().ToString();
        failed = true;
      }
    }
    return failed || last_lost;
  }

  static bool NamesAFile(const Status& status) {
    for (const char* part : {".sst", ".wal", "MANIFEST", "CURRENT"}) {
      if (status.message().find(part) != std::string::npos) return true;
    }
    return false;
  }

  std::map<std::string, std::string> model_;
};

TEST_F(DamageTest, AFlippedBitNeverGivesAWrongAnswer) {
  MakeStore();
  std::mt19937_64 random(1);
  int noticed = 0;
  int flips = 0;
  for (const std::string& file : disk_->AllFiles()) {
    if (file.ends_with("LOCK")) continue;
    uint64_t size = *disk_->FileSize(file);
    for (int i = 0; i < 12 && size > 0; ++i) {
      auto copy = disk_->CrashClone(0);
      ASSERT_TRUE(copy->FlipBit(file, random() % size, static_cast<int>(random() % 8)).ok());
      Options options = options_;
      options.storage = copy.get();
      options.disable_auto_compaction = true;
      SCOPED_TRACE(file);
      noticed += CheckAnswers(options) ? 1 : 0;
      ++flips;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(noticed, flips / 4);
}

TEST_F(DamageTest, VerifyNamesEveryDamagedFile) {
  MakeStore();
  options_.disable_auto_compaction = true;
  Open();
  Put("more", "1");
  ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
  std::map<std::string, std::string> damaged;
  auto verify = [&] {
    damaged.clear();
    Status status =
        db_->Verify({.damage = [&](const std::string& file, const Status& what) { damaged[file] = what.ToString(); },
                     .progress = {}});
    EXPECT_TRUE(status.ok()) << status.ToString();
  };
  verify();
  EXPECT_TRUE(damaged.empty()) << damaged.begin()->first << ": " << damaged.begin()->second;

  std::vector<std::string> tables = FilesEndingWith(".sst");
  std::vector<std::string> wals = FilesEndingWith(".wal");
  ASSERT_FALSE(tables.empty());
  for (const std::string& table : tables) ASSERT_TRUE(disk_->FlipBit(table, 40, 3).ok());
  ASSERT_TRUE(disk_->FlipBit(std::string(kStore) + "/CURRENT", 3, 1).ok());
  verify();
  EXPECT_EQ(damaged.size(), tables.size() + 1);
  EXPECT_TRUE(damaged.contains("CURRENT"));
  EXPECT_GT(db_->GetStats().corruptions, 0u);
}

TEST_F(DamageTest, VerifyNoticesADamagedWalThatIsBeingWritten) {
  Open();
  for (int i = 0; i < 10; ++i) Put("key", std::string(100, 'v'));
  for (const std::string& wal : FilesEndingWith(".wal")) {
    if (*disk_->FileSize(wal) > 500) {
      ASSERT_TRUE(disk_->FlipBit(wal, 500, 1).ok());
    }
  }
  int damaged = 0;
  ASSERT_TRUE(db_->Verify({.damage =
                               [&](const std::string& file, const Status&) {
                                 EXPECT_TRUE(file.ends_with(".wal"));
                                 ++damaged;
                               },
                           .progress = {}})
                  .ok());
  EXPECT_EQ(damaged, 1);
}

TEST_F(DamageTest, ACompactionThatMeetsDamageLeavesTheRestOfTheStoreUsable) {
  MakeStore();
  for (const std::string& table : FilesEndingWith(".sst")) ASSERT_TRUE(disk_->FlipBit(table, 40, 3).ok());
  Open();
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(db_->Put(0, fmt::format("key{:05}n", i), std::string(100, 'v')).ok()) << i;
  }
  EXPECT_EQ(Get("key00000n"), std::string(100, 'v'));
  static_cast<void>(db_->WaitForBackgroundWork());
  Status status = db_->CompactRange(0, nullptr, nullptr);
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  DbStats stats = db_->GetStats();
  EXPECT_TRUE(stats.background_error);
  EXPECT_NE(stats.background_error_text.find(".sst"), std::string::npos) << stats.background_error_text;
  Put("still", "alive");
  EXPECT_EQ(Get("still"), "alive");
}

}  // namespace
}  // namespace silt::lsm
