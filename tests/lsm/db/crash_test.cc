// Power cuts at every operation of the disk: what is found afterwards is a prefix of the batches, in order, that holds
// all that were synced. SILT_SEED=n changes the workload, SILT_CRASH_ROUNDS=n how many long ones are tried.
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>

#include "tests/lsm/db/crash_workload.h"

namespace silt::lsm {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

class Crasher {
 public:
  Crasher(uint64_t seed, size_t batches, size_t value_bytes) : seed_(seed), workload_(seed, batches, value_bytes) {}

  void LieAbout(std::function<bool(const SimOperation&)> lie) { lie_ = std::move(lie); }

  void RollManifestsAfter(uint64_t bytes) { manifest_roll_bytes_ = bytes; }

  // Operations of the disk in one run without a crash. The threads make it vary a little.
  uint64_t CountOperations(std::optional<SimOp> kind = std::nullopt) {
    SimStorage disk;
    Options options = OptionsFor(&disk);
    auto db = Db::Open(options, kStore);
    EXPECT_TRUE(db.has_value());
    RunWorkload(db->get(), workload_);
    db->reset();
    return kind ? disk.OperationCount(*kind) : disk.OperationCount();
  }

  // The power goes off at `operation`, comes back, goes off again while the store recovers, and comes back.
  std::string CutAt(uint64_t operation) {
    SimStorage disk;
    if (lie_) disk.SetFaultHook([this](const SimOperation& op) { return Lie(op); });
    disk.CutPowerAt(operation);
    Options options = OptionsFor(&disk);
    CrashTrace trace;
    if (auto db = Db::Open(options, kStore)) trace = RunWorkload(db->get(), workload_);
    disk.CutPower();  // if it has not happened yet

    std::mt19937_64 random(seed_ ^ operation);
    SimCrashOptions how;
    how.tear_sectors = random() % 2 == 0;
    auto second = disk.CrashClone(random(), how);
    second->CutPowerAt(random() % 25);
    options.storage = second.get();
    static_cast<void>(Db::Open(options, kStore));
    second->CutPower();

    auto third = second->CrashClone(random(), how);
    options.storage = third.get();
    return Check(options, trace);
  }

 private:
  Options OptionsFor(SimStorage* disk) {
    Options options = SmallOptions(disk);
    options.memtable_bytes = 4 << 10;
    options.clock = &clock_;
    if (manifest_roll_bytes_ != 0) options.manifest_roll_bytes = manifest_roll_bytes_;
    return options;
  }

  std::optional<SimFault> Lie(const SimOperation& op) const {
    if (!lie_(op)) return std::nullopt;
    return SimFault{.status = Status::Ok(), .effect = SimFault::Effect::kNothing};
  }

  std::string Check(Options options, const CrashTrace& trace) {
    auto db = Db::Open(options, kStore);
    if (!db) return "open: " + db.error().ToString();
    size_t found = 0;
    std::string wrong = CheckPrefix(db->get(), workload_, trace.synced, trace.attempted, &found);
    if (!wrong.empty()) return wrong;
    // The store goes on as if nothing had happened.
    CrashTrace rest = RunWorkload(db->get(), workload_, found + 1);
    if (rest.acknowledged != workload_.size()) return "a later write fails";
    db->reset();
    db = Db::Open(options, kStore);
    if (!db) return "open after going on: " + db.error().ToString();
    wrong = CheckPrefix(db->get(), workload_, workload_.size(), workload_.size(), &found);
    return wrong.empty() ? "" : "after going on: " + wrong;
  }

  const uint64_t seed_;
  CrashWorkload workload_;
  ImpatientClock clock_;
  uint64_t manifest_roll_bytes_ = 0;  // 0: as usual
  std::function<bool(const SimOperation&)> lie_;
};

TEST(CrashTest, APowerCutAtAnyOperationLeavesAPrefix) {
  uint64_t seed = FromEnvironment("SILT_SEED", 1);
  Crasher crasher(seed, 60, 300);
  uint64_t operations = crasher.CountOperations();
  ASSERT_GT(operations, 100u);
  for (uint64_t i = 0; i < operations; ++i) {
    std::string wrong = crasher.CutAt(i);
    ASSERT_EQ(wrong, "") << "SILT_SEED=" << seed << ", power cut at operation " << i << " of " << operations;
  }
}

// As the one before, with a new MANIFEST after every few edits.
TEST(CrashTest, APowerCutAtAnyOperationWhileManifestsRollOverLeavesAPrefix) {
  uint64_t seed = FromEnvironment("SILT_SEED", 2);
  Crasher crasher(seed, 150, 300);
  crasher.RollManifestsAfter(100);
  ASSERT_GE(crasher.CountOperations(SimOp::kRename), 5u) << "no roll-over is tested";  // CURRENT is renamed into place
  uint64_t operations = crasher.CountOperations();
  for (uint64_t i = 0; i < operations; ++i) {
    std::string wrong = crasher.CutAt(i);
    ASSERT_EQ(wrong, "") << "SILT_SEED=" << seed << ", power cut at operation " << i << " of " << operations;
  }
}

TEST(CrashTest, APowerCutSomewhereInALongRunLeavesAPrefix) {
  uint64_t first = FromEnvironment("SILT_SEED", 100);
  uint64_t rounds = FromEnvironment("SILT_CRASH_ROUNDS", 8);
  for (uint64_t seed = first; seed < first + rounds; ++seed) {
    Crasher crasher(seed, 600, 200 + 100 * (seed % 7));
    uint64_t operations = crasher.CountOperations();
    std::mt19937_64 random(seed);
    for (int cut = 0; cut < 4; ++cut) {
      uint64_t at = random() % operations;
      std::string wrong = crasher.CutAt(at);
      ASSERT_EQ(wrong, "") << "SILT_SEED=" << seed << ", power cut at operation " << at << " of " << operations;
    }
  }
}

// The test itself can fail: a disk that lies about its syncs is caught.
bool IsCaught(const std::function<bool(const SimOperation&)>& lie) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Crasher crasher(seed, 60, 300);
    uint64_t operations = crasher.CountOperations();
    crasher.LieAbout(lie);
    for (uint64_t i = 20; i < operations; i += 3) {
      if (!crasher.CutAt(i).empty()) return true;
    }
  }
  return false;
}

TEST(CrashTest, WouldNoticeThatWalsAreNotSynced) {
  EXPECT_TRUE(IsCaught([](const SimOperation& op) { return op.op == SimOp::kSync && op.path.ends_with(".wal"); }));
}

TEST(CrashTest, WouldNoticeThatTablesAreNotSynced) {
  EXPECT_TRUE(IsCaught([](const SimOperation& op) { return op.op == SimOp::kSync && op.path.ends_with(".sst"); }));
}

TEST(CrashTest, WouldNoticeThatDirectoriesAreNotSynced) {
  EXPECT_TRUE(IsCaught([](const SimOperation& op) { return op.op == SimOp::kSyncDir && op.path == kStore; }));
}

}  // namespace
}  // namespace silt::lsm
