// A repair that is cut off, at any of its steps, and run again brings the store to where the first would have: what
// had been deleted stays deleted.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>

#include "db_fixture.h"
#include "lsm/filenames.h"
#include "lsm/repair.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_set.h"

namespace silt::lsm {
namespace {

using State = std::map<std::string, std::string>;
using States = std::array<State, 2>;

std::string Key(uint32_t n) {
  return "key" + std::to_string(1000 + n);
}

class RepairCrashTest : public DbTest {
 protected:
  // Tables of both families in the last level, none of which holds a trace of what was deleted; beside them the tables
  // that held it, as a process that is killed leaves them; and something in the WAL.
  void MakeStore(uint32_t seed) {
    std::mt19937 random(seed);
    options_.disable_auto_compaction = true;
    Open();
    for (FamilyId family : {0, 1}) {
      for (uint32_t i = 0; i < 200; ++i) Put(Key(i), "old" + std::to_string(random()) + std::string(40, 'x'), family);
      ASSERT_TRUE(db_->CompactRange(family, nullptr, nullptr).ok());
    }
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    const std::vector<std::string> old = FilesEndingWith(".sst");
    ASSERT_GE(old.size(), 4u);
    for (FamilyId family : {0, 1}) {
      for (uint32_t i = 0; i < 200; i += 2) Delete(Key(i), family);
    }
    disk_->SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
      const bool is_old = std::find(old.begin(), old.end(), operation.path) != old.end();
      if (operation.op != SimOp::kDelete || !is_old) return std::nullopt;
      return SimFault{Status::IoError("killed before")};
    });
    for (FamilyId family : {0, 1}) ASSERT_TRUE(db_->CompactRange(family, nullptr, nullptr).ok());
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    for (FamilyId family : {0, 1}) {
      for (uint32_t i = 1; i < 40; i += 2) Put(Key(i), "new" + std::to_string(random()), family);
    }
    Kill();
    for (const std::string& name : old) ASSERT_TRUE(disk_->FileExists(name)) << name;
  }

  std::unique_ptr<SimStorage> Copy() const {
    return disk_->CrashClone(1, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
  }
  void Use(std::unique_ptr<SimStorage> disk) {
    disk_ = std::move(disk);
    options_.storage = disk_.get();
  }
  std::string Newest(std::string_view part) const {
    std::string found;
    for (const std::string& name : disk_->AllFiles()) {
      if (name.find(part) != std::string::npos) found = name;
    }
    return found;
  }
  // The last that is live is the last at all.
  void DamageATable() {
    std::string table = Newest(".sst");
    ASSERT_TRUE(disk_->FlipBit(table, *disk_->FileSize(table) / 3, 1).ok());
  }

  States Contents() {
    States states;
    Open();
    if (HasFatalFailure()) return states;
    for (FamilyId family : {0, 1}) {
      auto it = db_->NewIterator({}, family);
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        states[family][std::string(it->key())] = std::string(it->value());
      }
      EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    }
    db_.reset();
    return states;
  }
  States RepairAndRead() {
    auto report = Repair(options_, kStore);
    EXPECT_TRUE(report.has_value()) << report.error().ToString();
    return report ? Contents() : States{};
  }
  static size_t Deleted(const States& states) {
    size_t found = 0;
    for (const State& state : states) {
      for (uint32_t i = 0; i < 200; i += 2) found += state.count(Key(i));
    }
    return found;
  }

  // Cuts a repair at each of its operations; `between`, then another repair.
  void CutEverywhere(
      const States& expected, const SimCrashOptions& how, const std::function<void()>& between = [] {}) {
    const auto broken = Copy();
    for (uint64_t at = 0;; ++at) {
      Use(broken->CrashClone(1));
      disk_->CutPowerAt(at);
      const bool done = Repair(options_, kStore).has_value() && !disk_->PowerIsOff();
      Use(disk_->CrashClone(at, how));
      between();
      const States found = RepairAndRead();
      ASSERT_EQ(Deleted(found), Deleted(expected)) << "cut at operation " << at;
      ASSERT_EQ(found, expected) << "cut at operation " << at;
      ASSERT_FALSE(HasFailure()) << "cut at operation " << at;
      if (done) {
        ASSERT_GT(at, 10u);
        return;
      }
    }
  }
  void CutEverywhereHoweverThePowerGoes(const States& expected) {
    CutEverywhere(expected, {});
    if (HasFatalFailure()) return;
    // No power cut but kill -9.
    CutEverywhere(expected, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
  }
};

TEST_F(RepairCrashTest, WhatWasSalvagedDoesNotMakeTheNextRepairDistrustTheManifest) {
  for (uint32_t seed = 0; seed < 3; ++seed) {
    Use(std::make_unique<SimStorage>());
    MakeStore(seed);
    DamageATable();
    const auto broken = Copy();
    const States expected = RepairAndRead();
    ASSERT_EQ(Deleted(expected), 0u);
    ASSERT_GT(expected[1].size(), 50u);
    Use(broken->CrashClone(1));
    CutEverywhereHoweverThePowerGoes(expected);
    if (HasFatalFailure()) return;
  }
}

TEST_F(RepairCrashTest, NorDoesALostCurrentBesideADamagedTable) {
  for (bool missing : {true, false}) {
    Use(std::make_unique<SimStorage>());
    MakeStore(7);
    DamageATable();
    const std::string current = JoinPath(kStore, kCurrentName);
    ASSERT_TRUE((missing ? disk_->DeleteFile(current) : disk_->FlipBit(current, 3, 1)).ok());
    ASSERT_TRUE(disk_->SyncDir(kStore).ok());
    const auto broken = Copy();
    const States expected = RepairAndRead();
    ASSERT_EQ(Deleted(expected), 0u);
    Use(broken->CrashClone(1));
    CutEverywhereHoweverThePowerGoes(expected);
    if (HasFatalFailure()) return;
  }
}

TEST_F(RepairCrashTest, NorDoesADamagedWalBesideADamagedTable) {
  MakeStore(8);
  DamageATable();
  ASSERT_TRUE(disk_->FlipBit(Newest(".wal"), 1000, 1).ok());
  const auto broken = Copy();
  const States expected = RepairAndRead();
  ASSERT_EQ(Deleted(expected), 0u);
  Use(broken->CrashClone(1));
  CutEverywhereHoweverThePowerGoes(expected);
}

// Opened in between, if it opens: it sweeps what the first repair left, and the next one finds the damage again.
TEST_F(RepairCrashTest, AStoreThatIsOpenedBetweenTwoRepairsComesToTheSame) {
  MakeStore(9);
  DamageATable();
  const auto broken = Copy();
  const States expected = RepairAndRead();
  Use(broken->CrashClone(1));
  CutEverywhere(expected, {}, [&] {
    auto db = Db::Open(options_, kStore);
    if (db) {
      EXPECT_TRUE((*db)->WaitForBackgroundWork().ok());
    }
  });
}

// What it cannot trust the first time it cannot the second time either; and nothing more comes back or is lost.
TEST_F(RepairCrashTest, WithoutTheWholeManifestTheSecondRepairComesToTheSame) {
  for (bool missing : {true, false}) {
    Use(std::make_unique<SimStorage>());
    MakeStore(10);
    DamageATable();
    const std::string manifest = Newest("/MANIFEST");
    ASSERT_TRUE(
        (missing ? disk_->DeleteFile(manifest) : disk_->CutFile(manifest, *disk_->FileSize(manifest) * 2 / 3)).ok());
    ASSERT_TRUE(disk_->SyncDir(kStore).ok());
    const auto broken = Copy();
    const States expected = RepairAndRead();
    ASSERT_GT(expected[1].size(), 50u);
    Use(broken->CrashClone(1));
    CutEverywhereHoweverThePowerGoes(expected);
    if (HasFatalFailure()) return;
  }
}

// A store killed while it flushes and compacts, whose MANIFEST then loses its last records: either the repair sees that
// something is missing, or it finds exactly what was there. Nothing that was live is lost either way.
TEST_F(RepairCrashTest, AManifestWithoutItsLastRecordsIsTrustedOnlyWhereNothingIsMissing) {
  struct Moment {
    std::unique_ptr<SimStorage> disk;
    States states;
  };
  std::vector<Moment> moments;
  States states;
  std::mt19937 random(11);
  options_.memtable_bytes = 4 << 10;
  Open();
  for (int i = 0; i < 1500; ++i) {
    const FamilyId family = random() % 2;
    const std::string key = Key(random() % 150);
    if (random() % 3 == 0) {
      Delete(key, family);
      states[family].erase(key);
    } else {
      states[family][key] = std::to_string(i) + std::string(random() % 60, 'v');
      Put(key, states[family][key], family);
    }
    if (i % 100 == 99) moments.push_back({Copy(), states});
  }
  db_.reset();
  size_t trusted = 0, distrusted = 0;
  for (const Moment& moment : moments) {
    Use(moment.disk->CrashClone(1));
    auto number = ReadCurrent(disk_.get(), kStore);
    ASSERT_TRUE(number.has_value());
    const std::string manifest = JoinPath(kStore, ManifestName(*number));
    std::vector<uint64_t> ends;
    ASSERT_TRUE(ReadManifest(disk_.get(), manifest, *number, [&](uint64_t offset, const VersionEdit&) {
                  if (offset > 0) ends.push_back(offset);
                }).ok());
    ends.push_back(*disk_->FileSize(manifest));
    for (size_t i = 0; i < ends.size(); ++i) {
      if (i + 4 < ends.size() && i % 15 != 0) continue;  // the last ones, and some before
      const uint64_t end = ends[i];
      Use(moment.disk->CrashClone(1));
      ASSERT_TRUE(disk_->CutFile(manifest, end).ok());
      auto report = Repair(options_, kStore);
      ASSERT_TRUE(report.has_value()) << report.error().ToString();
      const bool sure = std::none_of(report->notes.begin(), report->notes.end(), [](const std::string& note) {
        return note.find("not known for sure") != std::string::npos;
      });
      ++(sure ? trusted : distrusted);
      const States found = Contents();
      for (FamilyId family : {0, 1}) {
        for (const auto& [key, value] : moment.states[family]) {
          auto it = found[family].find(key);
          ASSERT_TRUE(it != found[family].end() && it->second == value)
              << key << ", cut at " << end << " of " << ends.back() << ", " << ::testing::PrintToString(report->notes);
        }
        if (sure) {
          ASSERT_EQ(found[family].size(), moment.states[family].size()) << "cut at " << end;
        }
      }
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GE(trusted, moments.size()) << "the whole ones at least";
  EXPECT_GT(distrusted, 10u);
}

}  // namespace
}  // namespace silt::lsm
