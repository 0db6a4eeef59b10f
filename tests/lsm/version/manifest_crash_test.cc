// Power cuts and failing calls at every operation of a history of edits, roll-over of the MANIFEST included.
#include <gtest/gtest.h>

#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/version/version_set.h"
#include "version_testing.h"

namespace silt::lsm {
namespace {

using testing::Describe;
using testing::EditMaker;
using testing::kDir;

constexpr int kEdits = 18;
constexpr uint64_t kRollBytes = 500;  // a few edits
constexpr uint32_t kSeed = 4;

// One run: create, edit, reopen in the middle, edit. Stops at the first failure.
struct History {
  std::unique_ptr<VersionSet> versions;
  EditMaker edits{kSeed};
  bool created = false;
  int applied = 0;
  Status failure;
  VersionEdit failed_edit;

  void Go(const Options& options, SimStorage* storage) {
    versions = std::make_unique<VersionSet>(options, storage, kDir);
    failure = versions->CreateNew();
    if (!failure.ok()) return;
    created = true;
    for (; applied < kEdits; ++applied) {
      if (applied == kEdits / 2) {
        versions = std::make_unique<VersionSet>(options, storage, kDir);
        failure = versions->Recover();
        if (!failure.ok()) return;
      }
      VersionEdit edit = edits.Next(versions.get());
      failed_edit = edit;
      failure = versions->LogAndApply(&edit);
      if (!failure.ok()) return;
      edits.Applied(edit);
    }
  }
};

class ManifestCrash : public ::testing::Test {
 protected:
  ManifestCrash() { options_.manifest_roll_bytes = kRollBytes; }
  std::unique_ptr<SimStorage> NewDisk() {
    auto storage = std::make_unique<SimStorage>();
    EXPECT_TRUE(storage->CreateDir(kDir).ok());
    EXPECT_TRUE(storage->SyncDir("").ok());
    return storage;
  }

  // Reopens after whatever happened: everything applied is there, the edit that failed is there or not, and the store
  // takes a further edit.
  void CheckReopened(SimStorage* storage, const History& run, bool failed_edit_allowed) {
    VersionSet versions(options_, storage, kDir);
    Status status = versions.Recover();
    if (!run.created && status.IsNotFound()) return;
    ASSERT_TRUE(status.ok()) << status.ToString();
    std::string state = Describe(versions);
    EditMaker with_failed = run.edits;
    if (run.created) with_failed.Applied(run.failed_edit);
    if (state != run.edits.Expected()) {
      ASSERT_TRUE(failed_edit_allowed && state == with_failed.Expected())
          << "after " << run.applied << " edits: " << state << "\nwanted: " << run.edits.Expected();
    }
    EditMaker further = state == run.edits.Expected() ? run.edits : with_failed;
    VersionEdit edit = further.Next(&versions);
    status = versions.LogAndApply(&edit);
    ASSERT_TRUE(status.ok()) << status.ToString();
    further.Applied(edit);
    VersionSet again(options_, storage, kDir);
    status = again.Recover();
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(Describe(again), further.Expected());
  }

  uint64_t OperationsOfARun() {
    auto storage = NewDisk();
    History run;
    run.Go(options_, storage.get());
    EXPECT_TRUE(run.failure.ok()) << run.failure.ToString();
    EXPECT_GE(storage->OperationCount(SimOp::kRename), 4u) << "no roll-over is tested";
    return storage->OperationCount();
  }

  Options options_ = testing::TwoFamilies();
};

TEST_F(ManifestCrash, APowerCutAtAnyOperationLosesNoAppliedEdit) {
  uint64_t operations = OperationsOfARun();
  for (uint64_t at = 2; at < operations; ++at) {
    auto storage = NewDisk();
    storage->CutPowerAt(at);
    History run;
    run.Go(options_, storage.get());
    ASSERT_FALSE(run.failure.ok() && storage->PowerIsOff() && run.applied < kEdits);
    for (uint64_t seed = 0; seed < 6; ++seed) {
      SimCrashOptions crash;
      if (seed == 0) crash.data = crash.names = SimCrashOptions::Keep::kNone;
      if (seed == 1) crash.data = crash.names = SimCrashOptions::Keep::kAll;
      if (seed == 2) crash.tear_sectors = true;
      auto after = storage->CrashClone(6 * at + seed, crash);  // other choices at each operation
      CheckReopened(after.get(), run, /*failed_edit_allowed=*/true);
      if (HasFatalFailure()) FAIL() << "power cut at operation " << at << " seed " << seed;
    }
  }
}

struct FaultCase {
  const char* name;
  SimFault fault;
  bool space;
};

TEST_F(ManifestCrash, AFailureAtAnyOperationIsUndoneOrEndsWriting) {
  const FaultCase cases[] = {
      {"error, nothing done", {Status::IoError("injected")}, false},
      {"error, done all the same", {Status::IoError("injected"), SimFault::Effect::kDone}, false},
      {"full", {Status::NoSpace("injected")}, true},
      {"full half-way", {Status::NoSpace("injected"), SimFault::Effect::kPartial, 7}, true},
      {"sync loses what was dirty", {Status::IoError("injected"), SimFault::Effect::kDropped}, false},
  };
  uint64_t operations = OperationsOfARun();
  int retried = 0;
  int refused = 0;
  for (const FaultCase& c : cases) {
    for (uint64_t at = 2; at < operations; ++at) {
      SCOPED_TRACE(std::string(c.name) + " at operation " + std::to_string(at));
      auto storage = NewDisk();
      SimOp op{};
      storage->SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
        if (operation.index != at) return std::nullopt;
        op = operation.op;
        if (c.fault.effect == SimFault::Effect::kPartial && op != SimOp::kWrite) return std::nullopt;
        if (c.fault.effect == SimFault::Effect::kDropped && op != SimOp::kSync) return std::nullopt;
        return c.fault;
      });
      History run;
      run.Go(options_, storage.get());
      bool failed = !run.failure.ok();
      if (failed && run.created) {
        EXPECT_EQ(Describe(*run.versions), run.edits.Expected()) << "the current version has changed";
        VersionEdit again = run.failed_edit;
        Status status = run.versions->LogAndApply(&again);
        if (status.ok()) {
          // It said so, or the disk was full; nothing of the first attempt is left.
          run.edits.Applied(again);
          failed = false;
          ++retried;
        } else {
          ++refused;
          EXPECT_EQ(status.code(), StatusCode::kReadOnly);
          EXPECT_EQ(run.failure.code(), StatusCode::kReadOnly);
          EXPECT_NE(status.message().find("injected"), std::string::npos) << status.message();
          EXPECT_TRUE(run.versions->TakeObsoleteTables().empty());
        }
        EXPECT_TRUE(status.ok() || !c.space || op != SimOp::kWrite) << status.ToString();
      }
      run.versions.reset();
      storage->SetFaultHook({});
      auto cut = storage->CrashClone(at);
      CheckReopened(storage.get(), run, failed);
      CheckReopened(cut.get(), run, failed);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(retried, 20);
  EXPECT_GT(refused, 20);
}

TEST_F(ManifestCrash, ANewManifestThatFindsNoSpaceLeavesTheLongOneInUse) {
  auto storage = NewDisk();
  History run;
  storage->SetFaultHook([&](const SimOperation& operation) -> std::optional<SimFault> {
    bool roll = operation.op == SimOp::kCreate && run.applied > 0 && run.applied < kEdits / 2;
    return roll ? std::optional(SimFault{Status::NoSpace("injected")}) : std::nullopt;
  });
  run.Go(options_, storage.get());
  EXPECT_TRUE(run.failure.ok()) << run.failure.ToString();
  EXPECT_EQ(run.applied, kEdits);
  CheckReopened(storage.get(), run, false);
}

TEST_F(ManifestCrash, AFailedRunDoesNotOfferItsTablesForDeletion) {
  auto storage = NewDisk();
  VersionSet versions(options_, storage.get(), kDir);
  ASSERT_TRUE(versions.CreateNew().ok());
  VersionEdit add;
  add.new_files.push_back({0, 0, testing::MakeFile(10, 0, "a", "b", 1, 2)});
  ASSERT_TRUE(versions.LogAndApply(&add).ok());
  VersionRef reader = versions.current();
  VersionEdit drop;
  drop.deleted_files.push_back({0, 0, 10});
  ASSERT_TRUE(versions.LogAndApply(&drop).ok());
  // The drop is durable, but then something fails that may have reached the disk.
  storage->SetFaultHook([](const SimOperation& operation) -> std::optional<SimFault> {
    return operation.op == SimOp::kSync ? std::optional(SimFault{Status::IoError("injected")}) : std::nullopt;
  });
  VersionEdit other;
  other.new_files.push_back({0, 0, testing::MakeFile(11, 0, "a", "b", 3, 4)});
  EXPECT_EQ(versions.LogAndApply(&other).code(), StatusCode::kReadOnly);
  other = {};
  reader.reset();
  EXPECT_TRUE(versions.TakeObsoleteTables().empty());
}

}  // namespace
}  // namespace silt::lsm
