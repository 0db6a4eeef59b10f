// Every byte of a small store with every kind of file, flipped, and every file cut at every length: the right answer or
// an error that names a file, and a Repair that loses no more than what the damage hit.
//
// Sanitizers are slow: there only every 5th byte is tried, or as SILT_BYTE_STEP says.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

#include "lsm/filenames.h"
#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kDefaultStep = 5;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr uint64_t kDefaultStep = 5;
#else
constexpr uint64_t kDefaultStep = 1;
#endif
#else
constexpr uint64_t kDefaultStep = 1;
#endif

constexpr uint32_t kKeys = 60;
constexpr size_t kKeysInABlock = 8;
constexpr size_t kKeysUnderTheTombstone = 10;

std::string BaseName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

class EveryByteTest : public DbTest {
 protected:
  using State = std::map<std::string, std::string>;

  EveryByteTest() {
    options_.families.resize(1);
    options_.families[0].block_bytes = 100;
    options_.families[0].last_level_compression = Compression::kZstd;
    options_.disable_auto_compaction = true;
    options_.recycle_wal = false;
    const char* step = std::getenv("SILT_BYTE_STEP");
    step_ = step != nullptr ? std::strtoull(step, nullptr, 10) : kDefaultStep;
  }

  static std::string Key(uint32_t i) { return fmt::format("key{:02}", i); }

  // Tables in the last level and in level 0, a range tombstone, two WALs that are needed.
  void MakeStore() {
    Open();
    for (uint32_t i = 0; i < kKeys; ++i) Write(i, "first");
    ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
    for (uint32_t i = 0; i < kKeys; i += 4) Write(i, "second");
    DeleteRange(Key(20), Key(20 + kKeysUnderTheTombstone));
    state_.erase(state_.lower_bound(Key(20)), state_.lower_bound(Key(20 + kKeysUnderTheTombstone)));
    ASSERT_TRUE(db_->Flush().ok());
    Write(1, "third");
    Reopen();
    Write(2, "third");
    Write(3, "third");
    ASSERT_TRUE(db_->Sync(db_->LastSequence()).ok());
    db_.reset();
    files_ = disk_->AllFiles();
    std::erase_if(files_, [](const std::string& file) { return file.ends_with("LOCK"); });
    // All of it, and durable, so that a copy has the same bytes.
    whole_ = disk_->CrashClone(1, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
  }
  void Write(uint32_t i, const std::string& version) {
    std::string value = fmt::format("{} of {}", version, i);
    Put(Key(i), value);
    history_[Key(i)].push_back(value);
    state_[Key(i)] = value;
  }

  // Calls `check` with the store open on a disk that has the damage, for each damage.
  void ForEachFlip(const std::function<void(const std::string& file)>& check) {
    for (const std::string& file : files_) {
      uint64_t size = *whole_->FileSize(file);
      for (uint64_t at = 0; at < size && !HasFailure(); at += step_) {
        Use(whole_->CrashClone(1));
        ASSERT_TRUE(disk_->FlipBit(file, at, static_cast<int>((at * 7 + at / 8) % 8)).ok());
        check(file);
        ASSERT_FALSE(HasFailure()) << file << ", byte " << at << " of " << size << " flipped";
      }
    }
  }
  void ForEachCut(const std::function<void(const std::string& file)>& check) {
    for (const std::string& file : files_) {
      uint64_t size = *whole_->FileSize(file);
      for (uint64_t length = 0; length < size && !HasFailure(); length += step_) {
        Use(whole_->CrashClone(1));
        ASSERT_TRUE(disk_->CutFile(file, length).ok());
        check(file);
        ASSERT_FALSE(HasFailure()) << file << ", cut to " << length << " of " << size;
      }
    }
  }
  void Use(std::unique_ptr<SimStorage> disk) {
    db_.reset();
    disk_ = std::move(disk);
    options_.storage = disk_.get();
  }

  bool NamesAFile(const Status& status) const {
    if (status.message().find("CURRENT") != std::string::npos) return true;
    return std::any_of(files_.begin(), files_.end(), [&](const std::string& file) {
      return status.message().find(BaseName(file)) != std::string::npos;
    });
  }
  // What the last sync alone covered cannot be told from a torn end: the state may be one of the last few moments.
  bool IsALateState(const State& state) const {
    State earlier = state_;
    if (state == earlier) return true;
    for (uint32_t last : {3, 2, 1}) {
      earlier[Key(last)] = "first of " + std::to_string(last);
      if (state == earlier) return true;
    }
    return false;
  }

  // The damaged file's name is in whatever error there is. True when something was noticed.
  bool CheckAnswers(const std::string& file) {
    auto expect_named = [&](const Status& status) {
      EXPECT_TRUE(NamesAFile(status)) << status.ToString();
      if (file.ends_with(".sst")) {
        EXPECT_NE(status.message().find(BaseName(file)), std::string::npos) << status.ToString();
      }
    };
    auto db = Db::Open(options_, kStore);
    if (!db) {
      expect_named(db.error());
      return true;
    }
    bool noticed = false;
    State found;
    auto it = (*db)->NewIterator({}, 0);
    for (it->SeekToFirst(); it->Valid(); it->Next()) found[std::string(it->key())] = std::string(it->value());
    if (it->status().ok()) {
      EXPECT_TRUE(IsALateState(found)) << ::testing::PrintToString(found);
      noticed = found != state_;
    } else {
      expect_named(it->status());
      noticed = true;
    }
    for (uint32_t i = 0; i < kKeys; ++i) {
      PinnedValue value;
      Status status = (*db)->Get({}, 0, Key(i), &value);
      auto expected = state_.find(Key(i));
      if (status.ok()) {
        bool late = i < 4 && value.view() == fmt::format("first of {}", i);
        EXPECT_TRUE(late || (expected != state_.end() && value.view() == expected->second)) << Key(i) << value.view();
      } else if (status.IsNotFound()) {
        EXPECT_TRUE(expected == state_.end()) << Key(i) << " is gone";
      } else {
        EXPECT_TRUE(status.IsCorruption());
        expect_named(status);
        noticed = true;
      }
    }
    return noticed;
  }

  // Nothing that was never written, and at most `most` keys that are not as they were.
  void CheckRepaired(size_t most) {
    auto report = Repair(options_, kStore);
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    auto opened = Db::Open(options_, kStore);
    ASSERT_TRUE(opened.has_value()) << opened.error().ToString();
    db_ = *std::move(opened);
    size_t different = 0;
    State found;
    auto it = db_->NewIterator({}, 0);
    for (it->SeekToFirst(); it->Valid(); it->Next()) found[std::string(it->key())] = std::string(it->value());
    Status scanned = it->status();
    it.reset();
    ASSERT_TRUE(scanned.ok()) << scanned.ToString();
    for (const auto& [key, value] : found) {
      const auto& written = history_[key];
      EXPECT_NE(std::find(written.begin(), written.end(), value), written.end()) << key << "=" << value;
    }
    for (uint32_t i = 0; i < kKeys; ++i) {
      auto expected = state_.find(Key(i));
      auto got = found.find(Key(i));
      bool same =
          (expected == state_.end()) == (got == found.end()) && (got == found.end() || got->second == expected->second);
      different += same ? 0 : 1;
    }
    EXPECT_LE(different, most) << ::testing::PrintToString(report->notes);
    EXPECT_TRUE(different <= 3 || !report->notes.empty()) << "what is lost must be said";
    Status verified =
        db_->Verify({.damage = [](const std::string& name,
                                  const Status& what) { ADD_FAILURE() << name << ": " << what.ToString(); },
                     .progress = {}});
    EXPECT_TRUE(verified.ok());
    db_.reset();
  }

  uint64_t step_;
  std::unique_ptr<SimStorage> whole_;
  std::vector<std::string> files_;
  State state_;
  std::map<std::string, std::vector<std::string>> history_;
};

TEST_F(EveryByteTest, FlippedGivesTheRightAnswerOrAnErrorThatNamesTheFile) {
  MakeStore();
  size_t flips = 0;
  size_t noticed = 0;
  ForEachFlip([&](const std::string& file) {
    ++flips;
    noticed += CheckAnswers(file) ? 1 : 0;
  });
  EXPECT_GT(flips, 3000 / step_);
  // Not: flips in what is not needed any more, such as the marker behind the last edit.
  EXPECT_GT(noticed * 10, flips * 9);
}

TEST_F(EveryByteTest, CutAnywhereGivesTheRightAnswerOrAnErrorThatNamesAFile) {
  MakeStore();
  ForEachCut([&](const std::string& file) { CheckAnswers(file); });
}

TEST_F(EveryByteTest, FlippedIsRepairedWithAllButTheBlockThatWasHit) {
  MakeStore();
  ForEachFlip([&](const std::string& file) {
    size_t most = file.ends_with(".sst")   ? std::max(kKeysInABlock, kKeysUnderTheTombstone)
                  : file.ends_with(".wal") ? 3  // what was logged there and behind it
                                           : 0;
    CheckRepaired(most);
  });
}

TEST_F(EveryByteTest, CutAnywhereIsRepairedWithNothingMadeUp) {
  MakeStore();
  ForEachCut([&](const std::string& file) { CheckRepaired(file.ends_with(".sst") ? kKeys : 3); });
}

}  // namespace
}  // namespace silt::lsm
