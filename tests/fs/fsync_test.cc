// What programs and other filesystems' tests expect of fsync(2) of one file or directory: after a power cut that takes
// everything else, that, the names that lead to it, and what was done before to make room for it are there.
#include <linux/falloc.h>

#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

class FsyncTest : public ::testing::Test {
 protected:
  void Make(InodeNumber* ino, std::string_view name, std::string_view contents, InodeNumber parent = kRootInode) {
    *ino = fs.File(name, parent);
    ASSERT_EQ(fs.Write(*ino, 0, contents), 0);
  }
  void MoveTo(InodeNumber from, std::string_view name, InodeNumber to, std::string_view new_name) {
    ASSERT_TRUE(fs->Rename({}, from, name, to, new_name, 0)) << name << " to " << new_name;
  }
  // The only thing that is synced; the power goes off, and the disk has kept nothing that was not.
  void SyncAndCutPower() {
    ASSERT_TRUE(fs->SyncAll());
    ASSERT_EQ(fs.Write(fs.File("after the sync"), 0, "lost"), 0);
    auto disk = fs.disk().CrashClone(
        1, {.data = lsm::SimCrashOptions::Keep::kNone, .names = lsm::SimCrashOptions::Keep::kNone});
    fs.Close();
    fs.ReplaceDisk(std::move(disk));
    fs.Open();
    fs.ExpectConsistent();
    EXPECT_EQ(ErrorOf(fs->Lookup(kRootInode, "after the sync")), ENOENT) << "the disk kept what was not synced";
  }
  // "": nothing has that name.
  std::string At(std::string_view name, InodeNumber parent = kRootInode) {
    auto found = fs->Lookup(parent, name);
    if (!found) return "";
    fs->Forget(found->ino, 1);
    return fs.Read(found->ino, 0, 100'000);
  }

  TestFilesystem fs{Backend::kEngine};
};

TEST_F(FsyncTest, AFileThatReplacesAnotherByRename) {
  InodeNumber old_file = 0, new_file = 0;
  Make(&old_file, "config", "old");
  ASSERT_TRUE(fs->SyncAll());
  Make(&new_file, "config.tmp", "new");
  MoveTo(kRootInode, "config.tmp", kRootInode, "config");
  SyncAndCutPower();
  EXPECT_EQ(At("config"), "new");
  EXPECT_EQ(At("config.tmp"), "");
}

TEST_F(FsyncTest, AFileUnderTheNameThatAnotherGaveUp) {
  InodeNumber first = 0, second = 0;
  Make(&first, "a", "first");
  ASSERT_TRUE(fs->SyncAll());
  MoveTo(kRootInode, "a", kRootInode, "b");
  Make(&second, "a", "second");
  SyncAndCutPower();
  EXPECT_EQ(At("a"), "second");
  EXPECT_EQ(At("b"), "first") << "the renamed file is lost";
}

TEST_F(FsyncTest, AFileWithLinksAddedAndTakenAway) {
  InodeNumber file = 0;
  Make(&file, "a", "linked");
  ASSERT_TRUE(fs->SyncAll());
  ASSERT_TRUE(fs->Link(file, kRootInode, "b"));
  ASSERT_TRUE(fs->Link(file, kRootInode, "c"));
  ASSERT_TRUE(fs->Unlink(kRootInode, "a"));
  SyncAndCutPower();
  EXPECT_EQ(fs.List(kRootInode), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(fs.Stat(file).nlink, 2u);
}

TEST_F(FsyncTest, ADirectoryAfterFilesAndDirectoriesMovedIntoAndOutOfIt) {
  InodeNumber from = fs.Directory("from"), to = fs.Directory("to"), inner = fs.Directory("inner", from);
  InodeNumber file = 0, other = 0;
  Make(&file, "f", "moved", inner);
  Make(&other, "g", "moved too", to);
  ASSERT_TRUE(fs->SyncAll());
  MoveTo(from, "inner", to, "inner");
  MoveTo(to, "g", from, "g");
  SyncAndCutPower();
  EXPECT_EQ(fs.List(to), (std::vector<std::string>{"inner"}));
  EXPECT_EQ(fs.List(from), (std::vector<std::string>{"g"}));
  EXPECT_EQ(At("f", inner), "moved");
  EXPECT_EQ(fs->Parent(inner).value_or(0), to);
}

TEST_F(FsyncTest, ADirectoryWithASymlinkAndNewDirectoriesAboveIt) {
  InodeNumber outer = fs.Directory("outer"), inner = fs.Directory("inner", outer);
  auto link = fs->MakeSymlink({}, inner, "link", "target");
  ASSERT_TRUE(link);
  SyncAndCutPower();
  EXPECT_EQ(fs->ReadSymlink(link->ino).value_or(""), "target");
  EXPECT_EQ(fs.List(outer), (std::vector<std::string>{"inner"}));
}

TEST_F(FsyncTest, SizesHolesPreallocationAndXattrs) {
  InodeNumber file = 0;
  Make(&file, "f", std::string(20'000, 'x'));
  ASSERT_TRUE(fs->SetXattr(file, "user.old", "1", 0));
  ASSERT_TRUE(fs->SyncAll());
  ASSERT_TRUE(fs->SetXattr(file, "user.new", "2", 0));
  ASSERT_TRUE(fs->RemoveXattr(file, "user.old"));
  ASSERT_TRUE(fs->Allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
  ASSERT_TRUE(fs->Allocate(file, FALLOC_FL_KEEP_SIZE, 40'960, 8192));
  AttributeChange shorter;
  shorter.size = 15'000;
  shorter.mode = 0640;
  ASSERT_TRUE(fs->SetAttributes(file, shorter));
  ASSERT_TRUE(fs->Allocate(file, FALLOC_FL_KEEP_SIZE, 40'960, 8192));
  const Attributes before = fs.Stat(file);
  SyncAndCutPower();
  const Attributes after = fs.Stat(file);
  EXPECT_EQ(after.size, 15'000u);
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.blocks, before.blocks);
  EXPECT_EQ(after.mtime, before.mtime);
  EXPECT_EQ(At("f"), std::string(4096, 'x') + std::string(4096, '\0') + std::string(15'000 - 8192, 'x'));
  EXPECT_EQ(fs->ListXattr(file).value(), (std::vector<std::string>{"user.new"}));
}

TEST_F(FsyncTest, AFileThatHasNoNameAnyMoreTakesTheRestAlong) {
  InodeNumber unlinked = 0, other = 0;
  Make(&unlinked, "gone", "x");
  Make(&other, "stays", "y");
  ASSERT_TRUE(fs->Unlink(kRootInode, "gone"));
  SyncAndCutPower();
  EXPECT_EQ(At("gone"), "");
  EXPECT_EQ(At("stays"), "y");
}

// Programs sync what they only read (directories that they have listed, say).
TEST_F(FsyncTest, OfAStoreThatIsReadOnlyIsNoError) {
  InodeNumber file = 0;
  Make(&file, "f", "contents");
  fs.Close();
  fs.options().read_only = true;
  fs.Open();
  EXPECT_EQ(At("f"), "contents");
  EXPECT_EQ(ErrorOf(fs->SyncAll()), 0);
}

}  // namespace
}  // namespace silt::fs::test
