// Files without a name (O_TMPFILE): gone with their last reference, or linked into the tree.
#include "fs/acl.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

class TemporaryTest : public FsTest {};
SILT_FS_BACKENDS(TemporaryTest);

TEST_P(TemporaryTest, GoesWithItsLastReference) {
  size_t keys = fs.CountKeys();
  auto made = fs->MakeTemporary({.uid = 5, .umask = 022}, kRootInode, 0666);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->mode, S_IFREG | 0644u);
  EXPECT_EQ(made->uid, 5u);
  EXPECT_EQ(made->nlink, 0u);
  ASSERT_EQ(fs.Write(made->ino, 0, "unseen"), 0);
  EXPECT_EQ(fs.Read(made->ino, 0, 10), "unseen");
  EXPECT_TRUE(fs.List(kRootInode).empty());
  fs.ExpectConsistent();
  fs->Forget(made->ino, 1);
  EXPECT_EQ(fs.CountKeys(), keys);
  // A mount that ends first takes it away as well.
  ASSERT_TRUE(fs->MakeTemporary({}, kRootInode, 0600));
  fs.Reopen();
  EXPECT_EQ(fs.CountKeys(), keys);
}

TEST_P(TemporaryTest, LinkMakesItAFileLikeAnyOther) {
  auto made = fs->MakeTemporary({}, kRootInode, 0600);
  ASSERT_EQ(fs.Write(made->ino, 0, "kept"), 0);
  auto linked = fs->Link(made->ino, kRootInode, "f");
  ASSERT_TRUE(linked);
  EXPECT_EQ(linked->nlink, 1u);
  fs->Forget(made->ino, 2);
  fs.ExpectConsistent();
  fs.Reopen();
  auto found = fs->Lookup(kRootInode, "f");
  ASSERT_TRUE(found);
  EXPECT_EQ(fs.Read(found->ino, 0, 10), "kept");
  // And it ends like any other.
  ASSERT_TRUE(fs->Unlink(kRootInode, "f"));
  EXPECT_EQ(ErrorOf(fs->GetAttributes(found->ino)), 0);
  fs->Forget(found->ino, 1);
  EXPECT_EQ(ErrorOf(fs->GetAttributes(found->ino)), ENOENT);
  fs.ExpectConsistent();
}

TEST_P(TemporaryTest, TakesTheRightsOfItsDirectory) {
  InodeNumber directory = fs.Directory("d");
  AttributeChange change;
  change.mode = 02755;
  change.gid = 77;
  ASSERT_TRUE(fs->SetAttributes(directory, change));
  EXPECT_EQ(fs->MakeTemporary({.gid = 5}, directory, 0600)->gid, 77u);
  EXPECT_EQ(ErrorOf(fs->MakeTemporary({}, fs.File("f"), 0600)), ENOTDIR);
}

}  // namespace
}  // namespace silt::fs::test
