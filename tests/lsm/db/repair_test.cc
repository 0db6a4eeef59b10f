// Repair: whatever is broken, the store opens afterwards, verifies clean, and returns only what was once written.
#include "lsm/repair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "db_fixture.h"
#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

constexpr uint32_t kKeys = 300;

class RepairTest : public DbTest {
 protected:
  using State = std::map<std::string, std::string>;

  static std::string Key(uint32_t n) { return "key" + std::to_string(1000 + n); }
  uint32_t Random(uint32_t below) { return std::uniform_int_distribution<uint32_t>(0, below - 1)(random_); }

  std::string NewValue() {
    std::string value = std::to_string(++written_) + ":";
    for (uint32_t i = Random(120); i > 0; --i) value.push_back(static_cast<char>('a' + Random(26)));
    return value;
  }

  void Write(const WriteBatch& batch) {
    Status status = db_->Write({}, batch);
    ASSERT_TRUE(status.ok()) << status.ToString();
    for (FamilyId family : {FamilyId{0}, FamilyId{1}}) prefixes_[family].insert(state_[family]);
  }

  // Puts, deletes and range deletes in both families.
  void WriteSome(int operations) {
    for (int i = 0; i < operations; ++i) {
      auto family = static_cast<FamilyId>(Random(2));
      WriteBatch batch;
      std::string key = Key(Random(kKeys));
      uint32_t what = Random(20);
      if (what == 0) {
        std::string end = Key(Random(kKeys));
        if (end < key) std::swap(end, key);
        if (end > Key(kKeys / 2) && key < Key(kKeys / 4)) continue;  // not half of everything
        batch.DeleteRange(family, key, end);
        state_[family].erase(state_[family].lower_bound(key), state_[family].lower_bound(end));
      } else if (what < 5) {
        batch.Delete(family, key);
        state_[family].erase(key);
      } else {
        std::string value = NewValue();
        batch.Put(family, key, value);
        state_[family][key] = value;
        history_[family][key].insert(value);
      }
      Write(batch);
    }
  }

  // A store with tables in several levels and something in the WAL, closed.
  void MakeStore(uint32_t seed) {
    random_.seed(seed);
    Open();
    for (int i = 0; i < 6; ++i) {
      WriteSome(250);
      ASSERT_TRUE(db_->Flush().ok());
      ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    }
    WriteSome(100);
    db_.reset();
  }

  RepairReport MustRepair() {
    auto report = Repair(options_, kStore);
    EXPECT_TRUE(report.has_value()) << report.error().ToString();
    return report ? *report : RepairReport{};
  }
  State Read(FamilyId family) {
    State read;
    auto it = db_->NewIterator({}, family);
    for (it->SeekToFirst(); it->Valid(); it->Next()) read[std::string(it->key())] = std::string(it->value());
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    for (const auto& [key, value] : read) EXPECT_EQ(Get(key, family), value);
    return read;
  }
  void ExpectSound() {
    Db::VerifyCallbacks callbacks;
    callbacks.damage = [](const std::string& file, const Status& what) { ADD_FAILURE() << file << what.ToString(); };
    EXPECT_TRUE(db_->Verify(callbacks).ok());
    ASSERT_TRUE(db_->Put(0, "after", "repair").ok());
    ASSERT_TRUE(db_->Flush().ok());
    ASSERT_TRUE(db_->Delete(0, "after").ok());
  }
  void ExpectEverything() {
    Open();
    if (HasFatalFailure()) return;
    for (FamilyId family : {FamilyId{0}, FamilyId{1}}) EXPECT_EQ(Read(family), state_[family]);
    ExpectSound();
    db_.reset();
  }
  // Nothing that was never written; the number of keys that have their newest value.
  size_t ExpectOnlyHistory() {
    Open();
    if (HasFatalFailure()) return 0;
    size_t newest = 0;
    for (FamilyId family : {FamilyId{0}, FamilyId{1}}) {
      for (const auto& [key, value] : Read(family)) {
        EXPECT_TRUE(history_[family][key].contains(value)) << key;
        auto now = state_[family].find(key);
        newest += now != state_[family].end() && now->second == value;
      }
    }
    ExpectSound();
    db_.reset();
    return newest;
  }
  size_t KeysInAll() const { return state_[0].size() + state_[1].size(); }

  std::string OnlyFile(std::string_view part) {
    for (const std::string& name : disk_->AllFiles()) {
      if (name.find(part) != std::string::npos) return name;
    }
    ADD_FAILURE() << "no " << part;
    return {};
  }
  std::unique_ptr<SimStorage> Copy() const {
    return disk_->CrashClone(1, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
  }
  void Use(std::unique_ptr<SimStorage> disk) {
    disk_ = std::move(disk);
    options_.storage = disk_.get();
  }
  size_t Lost() const {
    auto names = disk_->AllFiles();
    return static_cast<size_t>(
        std::count_if(names.begin(), names.end(), [](const auto& n) { return n.find("/lost/") != std::string::npos; }));
  }

  std::mt19937 random_;
  uint64_t written_ = 0;
  State state_[2];
  std::set<State> prefixes_[2];  // the state after each operation
  std::map<std::string, std::set<std::string>> history_[2];
};

TEST_F(RepairTest, AnIntactStoreStaysAsItIs) {
  MakeStore(1);
  RepairReport report = MustRepair();
  EXPECT_TRUE(report.moved_aside.empty());
  EXPECT_TRUE(report.notes.empty()) << report.notes[0];
  EXPECT_FALSE(report.kept.empty());
  EXPECT_EQ(Lost(), 0u);
  MustRepair();
  ExpectEverything();
}

TEST_F(RepairTest, WithoutCurrentEverythingIsFound) {
  MakeStore(2);
  ASSERT_TRUE(disk_->DeleteFile(OnlyFile("/CURRENT")).ok());
  RepairReport report = MustRepair();
  ASSERT_EQ(report.notes.size(), 1u) << "the MANIFEST tells the rest";
  ExpectEverything();
}

TEST_F(RepairTest, ADamagedCurrentIsKeptAside) {
  MakeStore(3);
  ASSERT_TRUE(disk_->FlipBit(OnlyFile("/CURRENT"), 3, 1).ok());
  RepairReport report = MustRepair();
  EXPECT_EQ(report.moved_aside, std::vector<std::string>{"CURRENT"});
  ExpectEverything();
}

TEST_F(RepairTest, WithoutAManifestEverythingIsFound) {
  for (uint32_t seed = 10; seed < 16; ++seed) {
    Use(std::make_unique<SimStorage>());
    for (FamilyId family : {FamilyId{0}, FamilyId{1}}) {
      state_[family].clear();
      history_[family].clear();
    }
    MakeStore(seed);
    ASSERT_TRUE(disk_->DeleteFile(OnlyFile("/MANIFEST")).ok());
    ASSERT_TRUE(seed % 2 != 0 || disk_->DeleteFile(OnlyFile("/CURRENT")).ok());
    RepairReport report = MustRepair();
    EXPECT_TRUE(report.moved_aside.empty());
    ExpectEverything();
    EXPECT_GE(disk_->OperationCount(), 1u);
  }
}

TEST_F(RepairTest, SaysHowFarItIsWithOrWithoutAManifest) {
  for (const char* lost : {"", "/MANIFEST"}) {
    MakeStore(8);
    if (*lost != '\0') {
      ASSERT_TRUE(disk_->DeleteFile(OnlyFile(lost)).ok());
    }
    std::vector<std::pair<uint64_t, uint64_t>> steps;
    auto report = Repair(options_, kStore, [&](uint64_t done, uint64_t total) { steps.emplace_back(done, total); });
    ASSERT_TRUE(report.has_value()) << report.error().ToString();
    ASSERT_GT(steps.size(), 20u) << "of " << report->kept.size() << " files";
    EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end())) << "it went back";
    const uint64_t total = steps.front().second;
    for (const auto& step : steps) EXPECT_EQ(step.second, total);
    EXPECT_EQ(steps.back().first, total);
    EXPECT_LT(steps[steps.size() - 2].first, total) << "all done before the MANIFEST was";
    // The steps before the last come near the end by themselves: nothing is forecast that does not happen.
    EXPECT_GT(steps[steps.size() - 2].first, total - total / 4);
    Use(std::make_unique<SimStorage>());
  }
}

TEST_F(RepairTest, ADamagedOrCutManifestCostsNothing) {
  MakeStore(4);
  std::string manifest = OnlyFile("/MANIFEST");
  uint64_t size = *disk_->FileSize(manifest);
  auto whole = Copy();
  for (uint64_t at = 0; at < size; at += 1 + size / 40) {
    for (bool cut : {false, true}) {
      Use(whole->CrashClone(1));
      ASSERT_TRUE((cut ? disk_->CutFile(manifest, at) : disk_->FlipBit(manifest, at, 2)).ok());
      MustRepair();
      ExpectEverything();
      ASSERT_FALSE(HasFailure()) << (cut ? "cut at " : "flipped at ") << at;
    }
  }
}

TEST_F(RepairTest, ADamagedTableCostsItsDamagedBlocksOnly) {
  MakeStore(5);
  auto whole = Copy();
  std::vector<std::string> tables = FilesEndingWith(".sst");
  ASSERT_GT(tables.size(), 3u);
  for (int round = 0; round < 60; ++round) {
    Use(whole->CrashClone(1));
    const std::string& table = tables[Random(static_cast<uint32_t>(tables.size()))];
    uint64_t size = *disk_->FileSize(table);
    // The end of a table, where it is most complicated, every other time.
    uint64_t at = round % 2 == 0 ? Random(static_cast<uint32_t>(size))
                                 : size - 1 - Random(static_cast<uint32_t>(std::min<uint64_t>(size, 300)));
    ASSERT_TRUE(disk_->FlipBit(table, at, round % 8).ok());
    RepairReport report = MustRepair();
    EXPECT_EQ(report.moved_aside.size(), 1u);
    EXPECT_FALSE(report.notes.empty());
    size_t newest = ExpectOnlyHistory();
    EXPECT_GE(newest + 40, KeysInAll()) << table << " at " << at;
    ASSERT_FALSE(HasFailure()) << table << " at " << at;
    EXPECT_EQ(Lost(), 1u);
  }
}

TEST_F(RepairTest, ATableCutShortIsReadUpToThere) {
  MakeStore(6);
  auto whole = Copy();
  for (const std::string& table : FilesEndingWith(".sst")) {
    Use(whole->CrashClone(1));
    uint64_t size = *disk_->FileSize(table);
    ASSERT_TRUE(disk_->CutFile(table, size * 3 / 4).ok());
    RepairReport report = MustRepair();
    EXPECT_EQ(report.moved_aside.size(), 1u);
    ExpectOnlyHistory();
    ASSERT_FALSE(HasFailure()) << table;
  }
}

TEST_F(RepairTest, WithoutItsEndAllBlocksOfATableAreFound) {
  Open();
  for (uint32_t i = 0; i < kKeys; ++i) Put(Key(i), "v" + std::to_string(i) + std::string(50, 'x'));
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  db_.reset();
  for (const std::string& table : FilesEndingWith(".sst")) {
    ASSERT_TRUE(disk_->Overwrite(table, *disk_->FileSize(table) - 100, std::string(100, '\0')).ok());
  }
  MustRepair();
  Open();
  for (uint32_t i = 0; i < kKeys; ++i) ASSERT_EQ(Get(Key(i)), "v" + std::to_string(i) + std::string(50, 'x'));
}

// Values that look like an index block's handles must not be mistaken, nor handles for values.
TEST_F(RepairTest, ValuesThatLookLikeBlockHandlesSurviveWithoutTheIndex) {
  Open();
  for (uint32_t i = 0; i < kKeys; ++i) Put(Key(i), std::string(1, static_cast<char>(i % 100)) + "\x10");
  ASSERT_TRUE(db_->Flush().ok());
  db_.reset();
  for (const std::string& table : FilesEndingWith(".sst")) {
    ASSERT_TRUE(disk_->Overwrite(table, *disk_->FileSize(table) - 100, std::string(100, '\0')).ok());
  }
  MustRepair();
  Open();
  size_t right = 0;
  auto it = db_->NewIterator({}, 0);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    auto i = static_cast<uint32_t>(std::stoul(std::string(it->key().substr(3)))) - 1000;
    ASSERT_EQ(it->value(), std::string(1, static_cast<char>(i % 100)) + "\x10");
    ++right;
  }
  EXPECT_EQ(right, kKeys);
}

// With one entry a block, every value is a well-formed handle of bytes before its block: only that it leads into the
// middle of blocks that are known tells it from an index. And the index itself, which follows, is not taken for data.
TEST_F(RepairTest, WithoutItsEndATablesDataIsToldFromItsIndexByWhereTheHandlesLead) {
  options_.families[0].filter_bits_per_key = 0;  // a filter lies between, and ends the search
  options_.families[0].block_bytes = 1;
  options_.families[0].compression = Compression::kNone;
  Open();
  for (uint32_t i = 0; i < kKeys; ++i) Put(Key(i), "\x05\x03");
  ASSERT_TRUE(db_->Flush().ok());
  db_.reset();
  for (const std::string& table : FilesEndingWith(".sst")) {
    ASSERT_TRUE(disk_->Overwrite(table, *disk_->FileSize(table) - 100, std::string(100, '\0')).ok());
  }
  MustRepair();
  Open();
  State found = Read(0);
  EXPECT_EQ(found.size(), kKeys);
  for (const auto& [key, value] : found) EXPECT_EQ(value, "\x05\x03") << key;
}

// The separator of this block in the index is its key itself, so that only the value tells the index from data.
TEST_F(RepairTest, AnIndexBlockIsNotTakenForTheDataThatIsLost) {
  options_.families[0].filter_bits_per_key = 0;  // a filter lies between, and ends the search
  Open();
  Put("\xff\xff", "value");
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  db_.reset();
  for (const std::string& table : FilesEndingWith(".sst")) {
    ASSERT_TRUE(disk_->FlipBit(table, 1, 1).ok());
    ASSERT_TRUE(disk_->Overwrite(table, *disk_->FileSize(table) - 100, std::string(100, '\0')).ok());
  }
  MustRepair();
  Open();
  EXPECT_EQ(Get("\xff\xff"), "-");
}

// A table in the last level may have the newest entry of all and still be older than one above it in other keys: the
// order of the tables' largest sequence numbers would bring back the old value.
TEST_F(RepairTest, TablesAreMergedByEntryAndNotRankedByTheirNewestOne) {
  options_.disable_auto_compaction = true;
  Open();
  for (const char* key : {"a", "m", "z"}) Put(key, "old");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  Put("m", "new");
  ASSERT_TRUE(db_->Flush().ok());
  Put("z", "new");
  std::string from = "x";
  ASSERT_TRUE(db_->CompactRange(0, &from, nullptr).ok());
  db_.reset();
  ASSERT_EQ(FilesEndingWith(".sst").size(), 2u);
  ASSERT_TRUE(disk_->DeleteFile(OnlyFile("/MANIFEST")).ok());
  MustRepair();
  Open();
  EXPECT_EQ(Get("m"), "new");
  EXPECT_EQ(Get("z"), "new");
  EXPECT_EQ(Get("a"), "old");
}

// Obsolete tables that a killed process left lying about are no part of the store, and the MANIFEST knows it.
TEST_F(RepairTest, WhatACompactionReplacedDoesNotComeBack) {
  options_.disable_auto_compaction = true;
  Open();
  Put("a", "1");
  Put("b", "1");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  std::string old = OnlyFile(".sst");
  Delete("a");
  disk_->SetFaultHook([&](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op != SimOp::kDelete || op.path != old) return std::nullopt;
    return SimFault{Status::IoError("killed before")};
  });
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  Kill();
  ASSERT_EQ(FilesEndingWith(".sst").size(), 2u) << "the old one and the new one";
  RepairReport report = MustRepair();
  EXPECT_TRUE(report.notes.empty()) << report.notes[0];
  Open();
  EXPECT_EQ(Scan(), "b=1 ");
}

// A crash during a roll-over leaves a newer MANIFEST that CURRENT does not name yet.
TEST_F(RepairTest, CurrentSaysWhichManifestCounts) {
  MakeStore(20);
  ASSERT_TRUE(disk_->NewWritableFile("/store/MANIFEST-000900").has_value());
  RepairReport report = MustRepair();
  EXPECT_TRUE(report.notes.empty()) << report.notes[0];
  EXPECT_TRUE(report.moved_aside.empty());
  ExpectEverything();
}

// A damaged file is in lost/ and nowhere else, so that a second repair has nothing to do.
TEST_F(RepairTest, ADamagedOriginalIsNotFoundAgain) {
  MakeStore(21);
  std::string table = FilesEndingWith(".sst")[0];
  std::string manifest = OnlyFile("/MANIFEST");
  ASSERT_TRUE(disk_->FlipBit(table, 10, 1).ok());
  ASSERT_TRUE(disk_->FlipBit(manifest, 60, 1).ok());
  RepairReport first = MustRepair();
  EXPECT_EQ(first.moved_aside.size(), 2u);
  EXPECT_FALSE(disk_->FileExists(table));
  EXPECT_FALSE(disk_->FileExists(manifest));
  RepairReport second = MustRepair();
  EXPECT_TRUE(second.moved_aside.empty());
  EXPECT_TRUE(second.notes.empty()) << second.notes[0];
}

TEST_F(RepairTest, AMissingTableIsNamed) {
  MakeStore(7);
  std::string table = FilesEndingWith(".sst")[1];
  ASSERT_TRUE(disk_->DeleteFile(table).ok());
  RepairReport report = MustRepair();
  std::string name = table.substr(table.rfind('/') + 1);
  EXPECT_TRUE(std::any_of(report.notes.begin(), report.notes.end(),
                          [&](const std::string& note) { return note.find(name + ": missing") != std::string::npos; }));
  ExpectOnlyHistory();
}

// What is left is the state after some operation: no mixture.
TEST_F(RepairTest, ADamagedWalKeepsWhatCameBefore) {
  options_.memtable_bytes = 1 << 20;  // everything stays in WALs
  Open();
  WriteSome(120);
  Reopen();
  WriteSome(120);
  Reopen();
  WriteSome(120);
  db_.reset();
  auto whole = Copy();
  std::vector<std::string> wals = FilesEndingWith(".wal");
  ASSERT_GE(wals.size(), 3u);
  for (bool with_manifest : {true, false}) {
    for (int round = 0; round < 30; ++round) {
      Use(whole->CrashClone(1));
      ASSERT_TRUE(with_manifest || disk_->DeleteFile(OnlyFile("/MANIFEST")).ok());
      const std::string& wal = wals[Random(static_cast<uint32_t>(wals.size()))];
      uint64_t at = Random(6000);
      bool missing = round % 3 == 0;
      if (missing) {
        ASSERT_TRUE(disk_->DeleteFile(wal).ok());
      } else {
        ASSERT_TRUE(disk_->FlipBit(wal, at, round % 8).ok());
      }
      RepairReport report = MustRepair();
      Open();
      ASSERT_FALSE(HasFatalFailure()) << wal << " at " << at;
      bool told = std::any_of(report.notes.begin(), report.notes.end(), [](const std::string& note) {
        return note.find("in no table and no WAL") != std::string::npos;
      });
      // Without the first WAL the rest is better than nothing, and is not passed off for more.
      bool beginning = missing && wal == wals[0];
      EXPECT_TRUE(told || !beginning) << wal;
      for (FamilyId family : {FamilyId{0}, FamilyId{1}}) {
        if (beginning) break;
        EXPECT_TRUE(prefixes_[family].contains(Read(family)) || Read(family).empty())
            << wal << " at " << at << ": " << ::testing::PrintToString(report.notes);
      }
      ExpectSound();
      db_.reset();
      ASSERT_FALSE(HasFailure()) << wal << " at " << at << " manifest " << with_manifest;
    }
  }
}

// Deletions that were compacted away leave a gap between the last operation in any table and the first in a WAL. With a
// WAL before it that was flushed but not deleted yet, it is still no gap among WALs.
TEST_F(RepairTest, WhatFollowsDeletionsThatAreCompactedAwayIsNoLoss) {
  options_.disable_auto_compaction = true;
  options_.recycle_wal = false;
  Open();
  Put("a", "1");
  Put("b", "1");
  disk_->SetFaultHook([](const SimOperation& operation) -> std::optional<SimFault> {
    if (operation.op != SimOp::kDelete || !operation.path.ends_with(".wal")) return std::nullopt;
    return SimFault{Status::IoError("killed before")};
  });
  ASSERT_TRUE(db_->Flush().ok());
  const std::string flushed = FilesEndingWith(".wal").front();
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  disk_->SetFaultHook({});
  Delete("b");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  Put("c", "1");
  Kill();
  ASSERT_TRUE(disk_->FileExists(flushed));
  ASSERT_TRUE(disk_->DeleteFile(OnlyFile("/MANIFEST")).ok());
  RepairReport report = MustRepair();
  EXPECT_TRUE(report.moved_aside.empty()) << report.moved_aside[0];
  Open();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("c"), "1");  // b may have come back, as the report says
}

// A flush that ended half-way left the table of one family: the WAL still has what belongs to the other.
TEST_F(RepairTest, AHalfFinishedFlushIsNotTakenForAWholeOne) {
  Open();
  WriteSome(100);
  uint64_t edits = 0;
  disk_->SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
    bool manifest = operation.path.find("MANIFEST") != std::string::npos;
    if (!manifest || operation.op == SimOp::kDelete) return std::nullopt;
    ++edits;
    return SimFault{Status::IoError("injected")};
  });
  EXPECT_FALSE(db_->Flush().ok());
  db_.reset();
  disk_->SetFaultHook({});
  EXPECT_GT(edits, 0u);
  std::vector<std::string> tables = FilesEndingWith(".sst");
  ASSERT_EQ(tables.size(), 2u) << "one for each family";
  ASSERT_TRUE(disk_->DeleteFile(tables[1]).ok());
  ASSERT_TRUE(disk_->DeleteFile(OnlyFile("/MANIFEST")).ok());
  MustRepair();
  ExpectEverything();
}

TEST_F(RepairTest, APowerCutDuringRepairIsRepairedAgain) {
  MakeStore(8);
  ASSERT_TRUE(disk_->FlipBit(OnlyFile("/MANIFEST"), 40, 2).ok());
  auto broken = Copy();
  for (uint64_t at = 0;; ++at) {
    Use(broken->CrashClone(1));
    disk_->CutPowerAt(at);
    auto report = Repair(options_, kStore);
    bool done = report.has_value() && !disk_->PowerIsOff();
    Use(disk_->CrashClone(at));
    MustRepair();
    ExpectEverything();
    ASSERT_FALSE(HasFailure()) << "power cut at operation " << at;
    if (done) break;
  }
}

TEST_F(RepairTest, AnErrorDuringRepairLeavesTheStoreToBeRepaired) {
  MakeStore(9);
  ASSERT_TRUE(disk_->DeleteFile(OnlyFile("/MANIFEST")).ok());
  auto broken = Copy();
  bool done = false;
  for (uint64_t at = 0; !done; ++at) {
    Use(broken->CrashClone(1));
    disk_->SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
      if (operation.index != at) return std::nullopt;
      return SimFault{Status::NoSpace("injected")};
    });
    auto report = Repair(options_, kStore);
    done = disk_->OperationCount() <= at;
    disk_->SetFaultHook({});
    if (!report) MustRepair();
    ExpectEverything();
    ASSERT_FALSE(HasFailure()) << "error at operation " << at;
  }
}

TEST_F(RepairTest, WhatIsNoStoreOrInUseOrNewerIsLeftAlone) {
  EXPECT_TRUE(Repair(options_, "/nowhere").error().IsNotFound());
  ASSERT_TRUE(disk_->CreateDir("/empty").ok());
  EXPECT_TRUE(Repair(options_, "/empty").error().IsNotFound());
  EXPECT_TRUE(disk_->ListDir("/empty")->empty());
  Open();
  EXPECT_EQ(Repair(options_, kStore).error().code(), StatusCode::kBusy);
  db_.reset();
  options_.families[0].name = "other";
  EXPECT_EQ(Repair(options_, kStore).error().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace silt::lsm
