// fsck on whole stores: who holds it, what is opened how, and damage of the engine's files.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "fs/check.h"
#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"

namespace silt::fs {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPath = "/store";

class CheckStoreTest : public ::testing::Test {
 protected:
  CheckStoreTest() { options_.open.storage = &disk_; }

  // A store with some hundred files and enough churn for tables in both families.
  void Make() {
    ASSERT_TRUE(Filesystem::Format(&disk_, kPath, {}, false).ok());
    auto fs = Mount();
    Caller caller;
    for (int d = 0; d < 5; ++d) {
      auto directory = fs->MakeDirectory(caller, kRootInode, fmt::format("d{}", d), 0755);
      ASSERT_TRUE(directory.has_value());
      for (int f = 0; f < 60; ++f) {
        auto file = fs->MakeNode(caller, directory->ino, fmt::format("f{}", f), S_IFREG | 0644, 0);
        ASSERT_TRUE(file.has_value());
        std::string data(static_cast<size_t>(f) * 300, static_cast<char>('a' + f % 26));
        ASSERT_TRUE(fs->Write(file->ino, 0, data, {}).has_value());
      }
    }
    ASSERT_TRUE(fs->db().Flush().ok());
    ASSERT_TRUE(fs->db().CompactRange(0, nullptr, nullptr).ok());
    ASSERT_TRUE(fs->db().CompactRange(1, nullptr, nullptr).ok());
    ASSERT_TRUE(fs->Close().ok());
  }

  std::unique_ptr<Filesystem> Mount() {
    OpenOptions open;
    open.storage = &disk_;
    open.lock_description = "pid 12, mounted at /mnt";
    auto fs = Filesystem::Open(open, kPath);
    EXPECT_TRUE(fs.has_value()) << fs.error().ToString();
    return fs ? std::move(*fs) : nullptr;
  }

  lsm::Result<CheckReport> Run(bool repair) {
    options_.repair = repair;
    return Check(options_, kPath);
  }

  std::string Lines(bool repair) {
    auto report = Run(repair);
    if (!report) return report.error().ToString();
    std::string lines;
    for (const auto& problem : report->problems) lines += problem.what + '\n';
    return lines;
  }

  std::map<std::string, std::string> Files() {
    std::map<std::string, std::string> files;
    for (const std::string& path : disk_.AllFiles()) {
      if (path.ends_with(lsm::kLockName)) continue;
      files[path] = *lsm::ReadFileToString(&disk_, path);
    }
    return files;
  }

  // The biggest table.
  std::string Table() {
    std::string biggest;
    for (const std::string& path : disk_.AllFiles()) {
      if (path.ends_with(".sst") && (biggest.empty() || *disk_.FileSize(path) > *disk_.FileSize(biggest)))
        biggest = path;
    }
    EXPECT_NE(biggest, "");
    return biggest;
  }

  lsm::SimStorage disk_;
  CheckOptions options_;
};

TEST_F(CheckStoreTest, WhereThereIsNoStoreItSaysSo) {
  ASSERT_TRUE(disk_.CreateDir(kPath).ok());
  for (bool repair : {false, true}) EXPECT_EQ(Run(repair).error().code(), lsm::StatusCode::kNotFound);
  EXPECT_TRUE(disk_.AllFiles().empty());
}

TEST_F(CheckStoreTest, MountedStoreIsBusyAndItSaysWhoHasIt) {
  Make();
  auto fs = Mount();
  for (bool repair : {false, true}) {
    auto report = Run(repair);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code(), lsm::StatusCode::kBusy);
    EXPECT_THAT(report.error().message(), HasSubstr("pid 12, mounted at /mnt"));
  }
  fs.reset();
  EXPECT_EQ(Lines(false), "");
}

TEST_F(CheckStoreTest, StoreIsLockedWhileItIsChecked) {
  Make();
  bool asked = false;
  for (bool repair : {false, true}) {
    options_.progress = [&](uint64_t, uint64_t) {
      if (asked) return;
      asked = true;
      OpenOptions open;
      open.storage = &disk_;
      auto fs = Filesystem::Open(open, kPath);
      ASSERT_FALSE(fs.has_value());
      EXPECT_EQ(fs.error().code(), lsm::StatusCode::kBusy);
    };
    EXPECT_EQ(Lines(repair), "");
    EXPECT_TRUE(asked);
    asked = false;
  }
  EXPECT_NE(Mount(), nullptr);
}

TEST_F(CheckStoreTest, SoundStoreIsCleanCountedAndLeftAlone) {
  Make();
  auto before = Files();
  uint64_t last = 0, all = 0;
  options_.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
    all = total;
  };
  auto report = Run(false);
  ASSERT_TRUE(report.has_value()) << report.error().ToString();
  EXPECT_TRUE(report->clean());
  EXPECT_EQ(report->directories, 6u);
  EXPECT_EQ(report->files, 300u);
  EXPECT_EQ(last, all);
  EXPECT_GT(all, 0u);
  EXPECT_EQ(Files(), before);
  options_.progress = nullptr;
  EXPECT_EQ(Lines(true), "");
}

TEST_F(CheckStoreTest, StoreOfAKilledDaemonIsCleanUnmounted) {
  Make();
  auto fs = Mount();
  ASSERT_TRUE(fs->MakeDirectory({}, kRootInode, "late", 0755).has_value());
  lsm::SimCrashOptions killed;
  killed.data = killed.names = lsm::SimCrashOptions::Keep::kAll;
  auto after = disk_.CrashClone(1, killed);
  options_.open.storage = after.get();
  auto report = Run(false);
  ASSERT_TRUE(report.has_value()) << report.error().ToString();
  EXPECT_TRUE(report->clean());
  EXPECT_EQ(report->directories, 7u);
}

TEST_F(CheckStoreTest, DamagedTableIsNamedPutAsideAndTheRestIsMended) {
  Make();
  std::string table = Table();
  ASSERT_TRUE(disk_.FlipBit(table, *disk_.FileSize(table) / 3, 4).ok());
  auto before = Files();
  std::string name = table.substr(table.rfind('/') + 1);
  EXPECT_THAT(Lines(false), HasSubstr(name));
  EXPECT_EQ(Files(), before);
  EXPECT_THAT(Lines(true), HasSubstr(name));
  EXPECT_EQ(Lines(false), "");
  auto fs = Mount();
  ASSERT_NE(fs, nullptr);
  EXPECT_TRUE(fs->GetAttributes(kRootInode).has_value());
}

TEST_F(CheckStoreTest, LostManifestIsAStatusAndRepairRebuildsIt) {
  Make();
  for (const std::string& path : disk_.AllFiles()) {
    if (path.find("MANIFEST") == std::string::npos) continue;
    ASSERT_TRUE(disk_.Overwrite(path, 0, std::string(20, '?')).ok());
  }
  auto report = Run(false);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), lsm::StatusCode::kCorruption);
  EXPECT_THAT(Lines(true), HasSubstr("MANIFEST"));
  auto again = Run(false);
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_TRUE(again->clean());
  EXPECT_EQ(again->files, 300u);
}

}  // namespace
}  // namespace silt::fs
