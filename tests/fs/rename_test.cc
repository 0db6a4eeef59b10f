// rename(2) and its rules.
#include <stdio.h>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

constexpr uint32_t kNoReplace = 1, kExchange = 2, kWhiteout = 4;

class RenameTest : public FsTest {
 protected:
  int Rename(InodeNumber from, std::string_view name, InodeNumber to, std::string_view new_name, uint32_t flags = 0) {
    int error = ErrorOf(fs->Rename({}, from, name, to, new_name, flags));
    fs.ExpectConsistent();
    return error;
  }
  InodeNumber Find(InodeNumber directory, std::string_view name) {
    auto found = fs->Lookup(directory, name);
    return found ? found->ino : 0;
  }
};
SILT_FS_BACKENDS(RenameTest);

TEST_P(RenameTest, MovesFilesWithinAndBetweenDirectories) {
  InodeNumber dir = fs.Directory("d");
  InodeNumber file = fs.File("a");
  Time before = fs.Stat(file).ctime;
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "b"), 0);
  EXPECT_EQ(Rename(kRootInode, "b", dir, "c"), 0);
  EXPECT_EQ(Find(dir, "c"), file);
  EXPECT_EQ(Find(kRootInode, "a"), 0u);
  EXPECT_GT(fs.Stat(file).ctime, before);
  EXPECT_EQ(Rename(kRootInode, "a", dir, "x"), ENOENT);
  EXPECT_EQ(ErrorOf(fs->Rename({}, kRootInode, "a", dir, "..", 0)), EINVAL);
}

TEST_P(RenameTest, ReplacesFilesAndEmptyDirectories) {
  InodeNumber a = fs.File("a");
  InodeNumber b = fs.File("b");
  InodeNumber d = fs.Directory("d");
  InodeNumber e = fs.Directory("e");
  fs.File("inside", e);
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "b"), 0);
  EXPECT_EQ(Find(kRootInode, "b"), a);
  EXPECT_EQ(fs.Stat(b).nlink, 0u);  // referenced: an orphan
  EXPECT_EQ(Rename(kRootInode, "d", kRootInode, "e"), ENOTEMPTY);
  EXPECT_EQ(Rename(kRootInode, "e", kRootInode, "b"), ENOTDIR);
  EXPECT_EQ(Rename(kRootInode, "b", kRootInode, "d"), EISDIR);
  EXPECT_EQ(Rename(kRootInode, "e", kRootInode, "d"), 0);
  EXPECT_EQ(Find(kRootInode, "d"), e);
  EXPECT_EQ(fs.Stat(d).nlink, 0u);
  EXPECT_EQ(fs.Stat(kRootInode).nlink, 3u);
}

TEST_P(RenameTest, DirectoriesMoveWithTheirParentButNotIntoThemselves) {
  InodeNumber a = fs.Directory("a");
  InodeNumber b = fs.Directory("b", a);
  InodeNumber c = fs.Directory("c", b);
  InodeNumber other = fs.Directory("other");
  EXPECT_EQ(Rename(kRootInode, "a", c, "x"), EINVAL);
  EXPECT_EQ(Rename(kRootInode, "a", a, "x"), EINVAL);
  EXPECT_EQ(Rename(b, "c", kRootInode, "a"), ENOTEMPTY);
  EXPECT_EQ(Rename(a, "b", other, "b"), 0);
  EXPECT_EQ(*fs->Parent(b), other);
  EXPECT_EQ(fs.Stat(a).nlink, 2u);
  EXPECT_EQ(fs.Stat(other).nlink, 3u);
}

TEST_P(RenameTest, LinksOfOneFileStay) {
  InodeNumber a = fs.File("a");
  ASSERT_TRUE(fs->Link(a, kRootInode, "b"));
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "b"), 0);
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "a"), 0);
  EXPECT_EQ(Find(kRootInode, "a"), a);
  EXPECT_EQ(Find(kRootInode, "b"), a);
}

// A program that renames what it lists must come to an end.
TEST_P(RenameTest, ANameThatIsChangedKeepsItsPlaceInTheListing) {
  fs.File("a");
  fs.File("b");
  fs.File("c");
  auto cookie_of = [&](std::string_view name) {
    uint64_t cookie = 0;
    EXPECT_TRUE(fs->ReadDirectory(kRootInode, 0, [&](const DirectoryEntry& entry) {
      if (entry.name == name) cookie = entry.cookie;
      return true;
    }));
    return cookie;
  };
  const uint64_t before = cookie_of("b");
  EXPECT_EQ(Rename(kRootInode, "b", kRootInode, "d"), 0);
  EXPECT_EQ(cookie_of("d"), before);
  EXPECT_EQ(Rename(kRootInode, "d", kRootInode, "b"), 0);
  EXPECT_EQ(cookie_of("b"), before);
  EXPECT_EQ(Rename(kRootInode, "b", kRootInode, "d", kWhiteout), 0);
  EXPECT_EQ(cookie_of("b"), before);  // the whiteout
  EXPECT_GT(cookie_of("d"), before);
}

TEST_P(RenameTest, NoReplaceAndBadFlags) {
  fs.File("a");
  fs.File("b");
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "b", kNoReplace), EEXIST);
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "c", kNoReplace), 0);
  EXPECT_EQ(Rename(kRootInode, "c", kRootInode, "b", kNoReplace | kExchange), EINVAL);
  EXPECT_EQ(Rename(kRootInode, "c", kRootInode, "b", kWhiteout | kExchange), EINVAL);
  EXPECT_EQ(Rename(kRootInode, "c", kRootInode, "b", 8), EINVAL);
}

TEST_P(RenameTest, ExchangesAnyKinds) {
  InodeNumber a = fs.Directory("a");
  InodeNumber b = fs.Directory("b");
  InodeNumber file = fs.File("f", a);
  InodeNumber dir = fs.Directory("d", b);
  EXPECT_EQ(Rename(a, "f", b, "d", kExchange), 0);
  EXPECT_EQ(Find(a, "f"), dir);
  EXPECT_EQ(Find(b, "d"), file);
  EXPECT_EQ(*fs->Parent(dir), a);
  EXPECT_EQ(fs.Stat(a).nlink, 3u);
  EXPECT_EQ(fs.Stat(b).nlink, 2u);
  EXPECT_EQ(Rename(a, "x", b, "d", kExchange), ENOENT);
  EXPECT_EQ(Rename(a, "f", b, "x", kExchange), ENOENT);
  EXPECT_EQ(Rename(kRootInode, "a", a, "f", kExchange), EINVAL);
  EXPECT_EQ(Rename(a, "f", kRootInode, "a", kExchange), EINVAL);
}

TEST_P(RenameTest, WhiteoutStaysBehind) {
  fs.File("a");
  EXPECT_EQ(Rename(kRootInode, "a", kRootInode, "b", kWhiteout), 0);
  auto left = fs->Lookup(kRootInode, "a");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->mode, static_cast<uint32_t>(S_IFCHR));
  EXPECT_EQ(left->rdev, 0u);
}

TEST_P(RenameTest, WhiteoutBelongsToTheCaller) {
  fs.File("a");
  EXPECT_EQ(ErrorOf(fs->Rename({.uid = 7, .gid = 8}, kRootInode, "a", kRootInode, "b", kWhiteout)), 0);
  auto left = fs->Lookup(kRootInode, "a");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->uid, 7u);
  EXPECT_EQ(left->gid, 8u);
}

}  // namespace
}  // namespace silt::fs::test
