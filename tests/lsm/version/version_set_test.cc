#include "lsm/version/version_set.h"

#include <gtest/gtest.h>

#include <thread>

#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/version/manifest.h"
#include "version_testing.h"

namespace silt::lsm {
namespace {

using testing::Describe;
using testing::EditMaker;
using testing::kDir;
using testing::MakeFile;

class VersionSetTest : public ::testing::Test {
 protected:
  VersionSetTest() { EXPECT_TRUE(storage_.CreateDir(kDir).ok()); }

  std::unique_ptr<VersionSet> Create(uint64_t roll_bytes = 4 << 20) {
    options_.manifest_roll_bytes = roll_bytes;
    auto versions = std::make_unique<VersionSet>(options_, &storage_, kDir);
    Status status = versions->CreateNew();
    EXPECT_TRUE(status.ok()) << status.ToString();
    return versions;
  }
  std::unique_ptr<VersionSet> Reopen(uint64_t roll_bytes = 4 << 20) {
    options_.manifest_roll_bytes = roll_bytes;
    auto versions = std::make_unique<VersionSet>(options_, &storage_, kDir);
    Status status = versions->Recover();
    EXPECT_TRUE(status.ok()) << status.ToString();
    return versions;
  }
  static Status Add(VersionSet* versions, int level, const FileRef& file) {
    VersionEdit edit;
    edit.new_files.push_back({file->properties.family, level, file});
    return versions->LogAndApply(&edit);
  }
  static Status Drop(VersionSet* versions, int level, FileNumber number) {
    VersionEdit edit;
    edit.deleted_files.push_back({0, level, number});
    return versions->LogAndApply(&edit);
  }
  static FileRef File(VersionSet* versions, const std::string& smallest = "a", const std::string& largest = "b") {
    return MakeFile(versions->NewFileNumber(), 0, smallest, largest, 1, 2);
  }
  size_t Manifests() {
    size_t count = 0;
    auto names = storage_.ListDir(kDir);
    for (const std::string& name : *names) {
      auto parsed = ParseFileName(name);
      count += parsed && parsed->kind == FileKind::kManifest;
    }
    return count;
  }

  Options options_ = testing::TwoFamilies();
  SimStorage storage_;
};

TEST_F(VersionSetTest, RandomHistoriesSurviveReopeningAtAnyPoint) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    std::string dir = kDir + std::to_string(seed);
    ASSERT_TRUE(storage_.CreateDir(dir).ok());
    options_.manifest_roll_bytes = 2000;
    auto versions = std::make_unique<VersionSet>(options_, &storage_, dir);
    ASSERT_TRUE(versions->CreateNew().ok());
    EditMaker edits(seed);
    FileNumber highest = 0;
    for (int i = 0; i < 150; ++i) {
      VersionEdit edit = edits.Next(versions.get());
      Status status = versions->LogAndApply(&edit);
      ASSERT_TRUE(status.ok()) << status.ToString();
      edits.Applied(edit);
      ASSERT_EQ(Describe(*versions), edits.Expected());
      for (const auto& added : edit.new_files) highest = std::max(highest, added.file->number);
      if (i % 7 != 0) continue;
      versions = std::make_unique<VersionSet>(options_, &storage_, dir);
      status = versions->Recover();
      ASSERT_TRUE(status.ok()) << status.ToString();
      ASSERT_EQ(Describe(*versions), edits.Expected());
      ASSERT_GT(versions->NewFileNumber(), highest) << "a number was handed out again";
    }
  }
}

TEST_F(VersionSetTest, WithoutCurrentThereIsNoStore) {
  VersionSet versions(options_, &storage_, kDir);
  EXPECT_TRUE(versions.Recover().IsNotFound());
}

TEST_F(VersionSetTest, RecoveryWritesNothing) {
  Create();
  uint64_t before = storage_.OperationCount();
  Reopen();
  EXPECT_EQ(storage_.OperationCount(), before);
}

TEST_F(VersionSetTest, ReadOnlyStoresAreReadAndNotWritten) {
  Add(Create().get(), 0, MakeFile(5, 0, "a", "b", 1, 9)).ok();
  options_.read_only = true;
  auto versions = Reopen();
  EXPECT_EQ(versions->current()->families[0].levels[0].size(), 1u);
  uint64_t before = storage_.OperationCount();
  EXPECT_EQ(Drop(versions.get(), 0, 5).code(), StatusCode::kReadOnly);
  EXPECT_EQ(storage_.OperationCount(), before);
}

TEST_F(VersionSetTest, RecoveringAgainFindsWhatTheOwnerDidMeanwhile) {
  auto owner = Create();
  Add(owner.get(), 0, MakeFile(5, 0, "a", "b", 1, 9)).ok();
  Add(owner.get(), 0, MakeFile(6, 0, "c", "d", 1, 9)).ok();
  Options options = options_;
  options.read_only = true;
  VersionSet reader(options, &storage_, kDir);
  ASSERT_TRUE(reader.Recover().ok());
  EXPECT_EQ(reader.LiveTables(), (std::set<FileNumber>{5, 6}));
  ASSERT_TRUE(Drop(owner.get(), 0, 5).ok());
  ASSERT_TRUE(reader.Recover().ok());
  EXPECT_EQ(reader.LiveTables(), (std::set<FileNumber>{6}));
}

TEST_F(VersionSetTest, TheFirstEditAfterRecoveryStartsANewManifestAndTheOldOneGoes) {
  FileNumber first = Create()->manifest_number();
  auto versions = Reopen();
  EXPECT_EQ(versions->manifest_number(), first);
  ASSERT_TRUE(Add(versions.get(), 0, File(versions.get())).ok());
  EXPECT_GT(versions->manifest_number(), first);
  EXPECT_EQ(Manifests(), 1u);
  EXPECT_EQ(*ReadCurrent(&storage_, kDir), versions->manifest_number());
}

TEST_F(VersionSetTest, ALongManifestIsFollowedByANewOne) {
  auto versions = Create(/*roll_bytes=*/1500);
  FileNumber first = versions->manifest_number();
  for (int i = 0; i < 40; ++i) {
    FileRef file = File(versions.get());
    ASSERT_TRUE(Add(versions.get(), 1, file).ok());
    ASSERT_TRUE(Drop(versions.get(), 1, file->number).ok());
  }
  EXPECT_GT(versions->manifest_number(), first);
  EXPECT_EQ(Manifests(), 1u);
  EXPECT_LT(*storage_.FileSize(JoinPath(kDir, ManifestName(versions->manifest_number()))), 2000u);
}

TEST_F(VersionSetTest, ATableIsObsoleteWhenNobodyHoldsAVersionWithIt) {
  auto versions = Create();
  FileRef file = File(versions.get());
  FileNumber number = file->number;
  ASSERT_TRUE(Add(versions.get(), 0, file).ok());
  file.reset();
  VersionRef reader = versions->current();
  ASSERT_TRUE(Drop(versions.get(), 0, number).ok());
  EXPECT_TRUE(versions->TakeObsoleteTables().empty());
  EXPECT_TRUE(versions->LiveTables().contains(number));
  reader.reset();
  EXPECT_FALSE(versions->LiveTables().contains(number));
  EXPECT_EQ(versions->TakeObsoleteTables(), std::vector<FileNumber>{number});
  EXPECT_TRUE(versions->TakeObsoleteTables().empty()) << "each is returned once";
}

TEST_F(VersionSetTest, AMovedTableIsNotObsolete) {
  auto versions = Create();
  ASSERT_TRUE(Add(versions.get(), 0, File(versions.get())).ok());
  FileRef file = versions->current()->families[0].levels[0][0];
  FileNumber number = file->number;
  file->allowed_seeks = 0;
  VersionEdit move;
  move.deleted_files.push_back({0, 0, number});
  // Also when the caller brings a copy of its own.
  move.new_files.push_back({0, 3, MakeFile(number, 0, "a", "b", 1, 2)});
  ASSERT_TRUE(versions->LogAndApply(&move).ok());
  file.reset();
  EXPECT_TRUE(versions->TakeObsoleteTables().empty());
  EXPECT_EQ(versions->current()->families[0].levels[3].size(), 1u);
  EXPECT_EQ(versions->current()->families[0].levels[3][0]->allowed_seeks, 100);
  ASSERT_TRUE(Drop(versions.get(), 3, number).ok());
  move = {};
  EXPECT_EQ(versions->TakeObsoleteTables(), std::vector<FileNumber>{number});
}

TEST_F(VersionSetTest, AVersionMayOutliveTheSet) {
  auto versions = Create();
  ASSERT_TRUE(Add(versions.get(), 0, File(versions.get())).ok());
  VersionRef reader = versions->current();
  versions.reset();
  EXPECT_EQ(reader->families[0].levels[0].size(), 1u);
}

TEST_F(VersionSetTest, SeeksAreGrantedBySize) {
  auto versions = Create();
  auto big = std::make_shared<FileMeta>();
  big->number = versions->NewFileNumber();
  big->size = 32 << 20;
  big->properties.smallest = big->properties.largest = "k";
  ASSERT_TRUE(Add(versions.get(), 0, big).ok());
  ASSERT_TRUE(Add(versions.get(), 1, File(versions.get())).ok());
  for (const VersionRef& version : {versions->current(), Reopen()->current()}) {
    EXPECT_EQ(version->families[0].levels[0][0]->allowed_seeks, 2048);
    EXPECT_EQ(version->families[0].levels[1][0]->allowed_seeks, 100);
  }
}

TEST_F(VersionSetTest, EditsThatDoNotFitAreRefusedByNameAndChangeNothing) {
  auto versions = Create();
  FileRef first = File(versions.get(), "c", "f");
  ASSERT_TRUE(Add(versions.get(), 1, first).ok());
  std::string before = Describe(*versions);
  auto refused = [&](VersionEdit edit) {
    Status status = versions->LogAndApply(&edit);
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    EXPECT_NE(status.message().find(ManifestName(versions->manifest_number())), std::string::npos) << status.message();
    EXPECT_EQ(Describe(*versions), before);
    EXPECT_TRUE(versions->TakeObsoleteTables().empty());
  };
  auto adding = [&](int level, const FileRef& file, FamilyId family = 0) {
    VersionEdit edit;
    edit.new_files.push_back({family, level, file});
    return edit;
  };
  auto dropping = [&](FamilyId family, int level, FileNumber number) {
    VersionEdit edit;
    edit.deleted_files.push_back({family, level, number});
    return edit;
  };
  refused(adding(1, File(versions.get(), "f", "g")));                  // overlaps
  refused(adding(2, first));                                           // live already
  refused(adding(2, File(versions.get(), "b", "a")));                  // bounds the wrong way round
  refused(adding(2, File(versions.get()), 1));                         // another family's table
  refused(adding(kNumLevels, File(versions.get())));                   // no such level
  refused(adding(0, MakeFile(99, 0, "a", "b", 5, 4)));                 // sequences the wrong way round
  refused(adding(0, MakeFile(uint64_t{1} << 63, 0, "a", "b", 1, 2)));  // absurd number
  refused(dropping(0, 2, first->number));                              // not in that level
  refused(dropping(1, 1, first->number));                              // not in that family
  refused(dropping(0, 1, 77));                                         // unknown
  VersionEdit twice = dropping(0, 1, first->number);
  twice.deleted_files.push_back(twice.deleted_files[0]);
  refused(twice);
  VersionEdit backwards;
  backwards.wal_number = 5;
  ASSERT_TRUE(versions->LogAndApply(&backwards).ok());
  before = Describe(*versions);
  backwards.wal_number = 4;
  refused(backwards);
  EXPECT_TRUE(Drop(versions.get(), 1, first->number).ok()) << "what fits still does";
}

TEST_F(VersionSetTest, ANumberStillHeldByAReaderIsNotTakenAgain) {
  auto versions = Create();
  ASSERT_TRUE(Add(versions.get(), 0, MakeFile(8, 0, "a", "b", 1, 2)).ok());
  VersionRef reader = versions->current();
  ASSERT_TRUE(Drop(versions.get(), 0, 8).ok());
  EXPECT_TRUE(Add(versions.get(), 0, MakeFile(8, 0, "a", "b", 1, 2)).IsCorruption());
}

TEST_F(VersionSetTest, FamiliesMustMatchAndMayGrow) {
  Create();
  options_.families[1].name = "other";
  EXPECT_EQ(VersionSet(options_, &storage_, kDir).Recover().code(), StatusCode::kInvalidArgument);
  options_.families.pop_back();
  EXPECT_EQ(VersionSet(options_, &storage_, kDir).Recover().code(), StatusCode::kInvalidArgument);
  options_ = testing::TwoFamilies();
  options_.families.push_back({.name = "third"});
  auto versions = Reopen();
  ASSERT_TRUE(Add(versions.get(), 0, MakeFile(30, 2, "a", "b", 1, 2)).ok());
  versions = Reopen();
  EXPECT_EQ(versions->current()->families[2].levels[0].size(), 1u);
  options_.families.pop_back();
  EXPECT_EQ(VersionSet(options_, &storage_, kDir).Recover().code(), StatusCode::kInvalidArgument);
}

TEST_F(VersionSetTest, FileNumbersThatCannotBeOursAreIgnored) {
  auto versions = Create();
  versions->MarkFileNumberUsed(40);
  EXPECT_EQ(versions->NewFileNumber(), 41u);
  versions->MarkFileNumberUsed(~uint64_t{0});
  versions->MarkFileNumberUsed(uint64_t{1} << 63);
  EXPECT_EQ(versions->NewFileNumber(), 42u);
}

TEST_F(VersionSetTest, CallersTakeTurnsAndReadersSeeWholeVersions) {
  auto versions = Create(/*roll_bytes=*/3000);
  constexpr int kThreads = 4;
  constexpr int kEdits = 60;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::string key = "k" + std::to_string(t);
      FileNumber before = 0;
      for (int i = 0; i < kEdits; ++i) {
        VersionEdit edit;
        FileRef file = MakeFile(versions->NewFileNumber(), 0, key, key, 1, 2);
        edit.new_files.push_back({0, 2, file});
        if (before != 0) edit.deleted_files.push_back({0, 2, before});
        Status status = versions->LogAndApply(&edit);
        ASSERT_TRUE(status.ok()) << status.ToString();
        before = file->number;
      }
    });
  }
  std::thread reader([&] {
    for (int i = 0; i < 500; ++i) {
      VersionRef version = versions->current();
      ASSERT_LE(version->families[0].levels[2].size(), static_cast<size_t>(kThreads));
      for (FileNumber obsolete : versions->TakeObsoleteTables()) {
        for (const FileRef& file : version->families[0].levels[2]) ASSERT_NE(file->number, obsolete);
      }
    }
  });
  for (std::thread& thread : threads) thread.join();
  reader.join();
  EXPECT_EQ(Describe(*Reopen()), Describe(*versions));
  EXPECT_EQ(versions->current()->families[0].levels[2].size(), static_cast<size_t>(kThreads));
}

}  // namespace
}  // namespace silt::lsm
