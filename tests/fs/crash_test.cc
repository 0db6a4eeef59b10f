// Power cuts under the filesystem: what is found is a prefix of the operations, and holds at least what was fsynced.
#include <random>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

// Operation i creates file "i" in one of a few directories, writes its number into it, and removes file "i - 10".
struct Script {
  static std::string Name(int i) { return "f" + std::to_string(i); }
  static constexpr int kLifetime = 10;

  explicit Script(TestFilesystem* filesystem) : fs(*filesystem) {
    for (int d = 0; d < 3; ++d) directories[d] = fs.Directory("d" + std::to_string(d));
  }
  void Do(int i) {
    InodeNumber dir = directories[i % 3];
    InodeNumber file = fs.File(Name(i), dir);
    ASSERT_EQ(fs.Write(file, 0, std::string(static_cast<size_t>(i) * 37 % 9000 + 1, static_cast<char>('a' + i % 26))),
              0);
    fs->Forget(file, 1);
    if (i >= kLifetime) {
      ASSERT_TRUE(fs->Unlink(directories[(i - kLifetime) % 3], Name(i - kLifetime)));
    }
    done = i;
  }

  TestFilesystem& fs;
  InodeNumber directories[3] = {};
  int done = -1;
};

// The highest operation of which anything is seen; checks that what it sees is one prefix.
int CheckPrefix(TestFilesystem* filesystem, const Script& script) {
  TestFilesystem& fs = *filesystem;
  fs.ExpectConsistent();
  int last = -1;
  for (int i = 0; i <= script.done + 1; ++i) {
    auto found = fs->Lookup(script.directories[i % 3], Script::Name(i));
    if (found) last = i;
  }
  for (int i = std::max(0, last - Script::kLifetime + 1); i < last; ++i) {
    auto found = fs->Lookup(script.directories[i % 3], Script::Name(i));
    EXPECT_TRUE(found) << i << " is missing, though " << last << " is there";
    if (!found) continue;
    std::string expected(static_cast<size_t>(i) * 37 % 9000 + 1, static_cast<char>('a' + i % 26));
    EXPECT_TRUE(fs.Read(found->ino, 0, 10'000) == expected) << "content of " << i;
  }
  return last;
}

TEST(CrashTest, PowerCutLeavesAPrefixThatHoldsWhatWasSynced) {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    TestFilesystem fs(Backend::kEngine);
    Script script(&fs);
    ASSERT_TRUE(fs->SyncAll());
    int synced = -1;
    int crash_after = 20 + static_cast<int>(random() % 300);
    for (int i = 0; i < crash_after; ++i) {
      script.Do(i);
      if (random() % 20 == 0) {
        ASSERT_TRUE(fs->SyncAll());
        synced = i;
      }
      if (random() % 90 == 0) {
        ASSERT_TRUE(fs->db().Flush().ok());
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    auto after = fs.disk().CrashClone(seed);
    TestFilesystem revived(Backend::kEngine);
    revived.Close();
    revived.ReplaceDisk(std::move(after));
    revived.Open();
    int last = CheckPrefix(&revived, script);
    EXPECT_GE(last, synced);
    EXPECT_LE(last, script.done);
    // Life goes on, and no number comes twice.
    InodeNumber fresh = revived.File("fresh");
    for (int d = 0; d < 3; ++d) {
      ASSERT_TRUE(revived->ReadDirectory(script.directories[d], 0, [&](const DirectoryEntry& entry) {
        EXPECT_LT(entry.ino, fresh);
        return true;
      }));
    }
    revived.ExpectConsistent();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(CrashTest, KilledProcessLosesNothing) {
  TestFilesystem fs(Backend::kEngine);
  Script script(&fs);
  for (int i = 0; i < 100; ++i) script.Do(i);
  // What was appended survives the process, synced or not.
  auto after =
      fs.disk().CrashClone(1, {.data = lsm::SimCrashOptions::Keep::kAll, .names = lsm::SimCrashOptions::Keep::kAll});
  TestFilesystem revived(Backend::kEngine);
  revived.Close();
  revived.ReplaceDisk(std::move(after));
  revived.Open();
  EXPECT_EQ(CheckPrefix(&revived, script), 99);
}

// O_SYNC and O_DSYNC: durable on return, and so is all before it; what comes later is not.
TEST(CrashTest, SyncWritesAreDurableOnReturn) {
  TestFilesystem fs(Backend::kEngine);
  InodeNumber file = fs.File("f");
  ASSERT_EQ(fs.Write(file, 0, "before"), 0);
  ASSERT_TRUE(fs->Write(file, 10, std::string_view("synced"), {.sync = true}));
  ASSERT_EQ(fs.Write(file, 20, "after"), 0);
  auto after =
      fs.disk().CrashClone(1, {.data = lsm::SimCrashOptions::Keep::kNone, .names = lsm::SimCrashOptions::Keep::kNone});
  TestFilesystem revived(Backend::kEngine);
  revived.Close();
  revived.ReplaceDisk(std::move(after));
  revived.Open();
  EXPECT_EQ(revived.Read(file, 0, 100), std::string("before\0\0\0\0synced", 16));
}

// The test above must be able to fail: a disk that loses all that was not synced, with nothing synced, loses files.
TEST(CrashTest, UnsyncedOperationsAreLostOnADiskThatKeepsNothing) {
  TestFilesystem fs(Backend::kEngine);
  Script script(&fs);
  ASSERT_TRUE(fs->SyncAll());
  for (int i = 0; i < 20; ++i) script.Do(i);
  auto after =
      fs.disk().CrashClone(1, {.data = lsm::SimCrashOptions::Keep::kNone, .names = lsm::SimCrashOptions::Keep::kNone});
  TestFilesystem revived(Backend::kEngine);
  revived.Close();
  revived.ReplaceDisk(std::move(after));
  revived.Open();
  EXPECT_LT(CheckPrefix(&revived, script), 19);
}

}  // namespace
}  // namespace silt::fs::test
