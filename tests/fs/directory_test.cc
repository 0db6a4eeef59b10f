// Names: what lookup, create, link, unlink and rmdir do and refuse.
#include <set>
#include <string>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

class DirectoryTest : public FsTest {};
SILT_FS_BACKENDS(DirectoryTest);

TEST_P(DirectoryTest, CreatedFileHasItsAttributesAndSurvivesReopening) {
  auto made = fs->MakeNode({.uid = 7, .gid = 8}, kRootInode, "a", S_IFREG | 0640, 0);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->mode, S_IFREG | 0640u);
  EXPECT_EQ(made->nlink, 1u);
  EXPECT_EQ(made->uid, 7u);
  EXPECT_EQ(made->gid, 8u);
  EXPECT_EQ(made->mtime, made->btime);
  EXPECT_EQ(fs.Stat(kRootInode).mtime, made->mtime);
  fs.Reopen();
  auto found = fs->Lookup(kRootInode, "a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ino, made->ino);
  EXPECT_EQ(found->mtime, made->mtime);
  fs.ExpectConsistent();
}

TEST_P(DirectoryTest, BadNamesAreRefused) {
  for (std::string_view bad : {std::string_view(""), std::string_view("."), std::string_view(".."),
                               std::string_view("a/b"), std::string_view("a\0b", 3)}) {
    EXPECT_EQ(ErrorOf(fs->MakeNode({}, kRootInode, bad, S_IFREG | 0644, 0)), EINVAL);
    EXPECT_EQ(ErrorOf(fs->Lookup(kRootInode, bad)), EINVAL);
  }
  EXPECT_EQ(ErrorOf(fs->MakeDirectory({}, kRootInode, std::string(256, 'x'), 0755)), ENAMETOOLONG);
  EXPECT_EQ(ErrorOf(fs->MakeDirectory({}, kRootInode, std::string(255, 'x'), 0755)), 0);
}

TEST_P(DirectoryTest, NamesThatExistOrDoNot) {
  InodeNumber file = fs.File("a");
  EXPECT_EQ(ErrorOf(fs->MakeDirectory({}, kRootInode, "a", 0755)), EEXIST);
  EXPECT_EQ(ErrorOf(fs->Lookup(kRootInode, "b")), ENOENT);
  EXPECT_EQ(ErrorOf(fs->Lookup(file, "b")), ENOTDIR);
  EXPECT_EQ(ErrorOf(fs->MakeNode({}, file, "b", S_IFREG, 0)), ENOTDIR);
  EXPECT_EQ(ErrorOf(fs->Lookup(4711, "b")), ENOENT);
}

TEST_P(DirectoryTest, EveryTypeOfNode) {
  for (uint32_t type : {S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK}) {
    auto made = fs->MakeNode({}, kRootInode, std::to_string(type), type | 0600u, 0x501);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->mode, type | 0600u);
    EXPECT_EQ(made->rdev, type == S_IFCHR || type == S_IFBLK ? 0x501u : 0u);
  }
  auto link = fs->MakeSymlink({}, kRootInode, "link", "to/where");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->size, 8u);
  fs.Reopen();
  EXPECT_EQ(*fs->ReadSymlink(link->ino), "to/where");
  EXPECT_EQ(ErrorOf(fs->ReadSymlink(kRootInode)), EINVAL);
  EXPECT_EQ(ErrorOf(fs->MakeSymlink({}, kRootInode, "long", std::string(4096, 'x'))), ENAMETOOLONG);
  fs.ExpectConsistent();
}

TEST_P(DirectoryTest, SetgidDirectoriesGiveTheirGroup) {
  InodeNumber dir = fs.Directory("d");
  AttributeChange change;
  change.mode = 02755;
  change.gid = 99;
  ASSERT_TRUE(fs->SetAttributes(dir, change));
  auto file = fs->MakeNode({.uid = 1, .gid = 2}, dir, "f", S_IFREG | 0644, 0);
  auto sub = fs->MakeDirectory({.uid = 1, .gid = 2}, dir, "s", 0755);
  EXPECT_EQ(file->gid, 99u);
  EXPECT_EQ(file->mode, S_IFREG | 0644u);
  EXPECT_EQ(sub->gid, 99u);
  EXPECT_EQ(sub->mode, S_IFDIR | 02755u);
}

TEST_P(DirectoryTest, LinksCountAndShareTheInode) {
  InodeNumber file = fs.File("a");
  auto linked = fs->Link(file, kRootInode, "b");
  ASSERT_TRUE(linked);
  EXPECT_EQ(linked->nlink, 2u);
  EXPECT_EQ(fs->Lookup(kRootInode, "b")->ino, file);
  EXPECT_EQ(ErrorOf(fs->Link(file, kRootInode, "b")), EEXIST);
  EXPECT_EQ(ErrorOf(fs->Link(fs.Directory("d"), kRootInode, "e")), EPERM);
  ASSERT_TRUE(fs->Unlink(kRootInode, "a"));
  EXPECT_EQ(fs.Stat(file).nlink, 1u);
  fs.ExpectConsistent();
}

TEST_P(DirectoryTest, UnlinkedFileLivesUntilForgottenAndThenLeavesNothing) {
  size_t keys = fs.CountKeys();
  InodeNumber file = fs.File("a");
  ASSERT_EQ(fs.Write(file, 0, std::string(100'000, 'x')), 0);
  ASSERT_TRUE(fs->SetXattr(file, "user.k", "v", 0));
  ASSERT_TRUE(fs->Unlink(kRootInode, "a"));
  EXPECT_EQ(ErrorOf(fs->Lookup(kRootInode, "a")), ENOENT);
  EXPECT_EQ(fs.Stat(file).nlink, 0u);
  EXPECT_EQ(fs.Read(file, 99'999, 10), "x");
  fs.ExpectConsistent();
  fs->Forget(file, 1);
  EXPECT_EQ(ErrorOf(fs->GetAttributes(file)), ENOENT);
  EXPECT_EQ(fs.CountKeys(), keys);
  EXPECT_EQ(fs->LiveInodes(), 0u);
}

TEST_P(DirectoryTest, LookupsAndListingsWithAttributesHoldTheFile) {
  for (bool by_lookup : {true, false}) {
    InodeNumber file = fs.File("a");
    fs->Forget(file, 1);
    EXPECT_EQ(fs->LiveInodes(), 0u);
    if (by_lookup) {
      ASSERT_TRUE(fs->Lookup(kRootInode, "a"));
    } else {
      auto take = [](const DirectoryEntry&, const Attributes&) { return true; };
      ASSERT_TRUE(fs->ReadDirectoryPlus(kRootInode, 0, take));
    }
    EXPECT_EQ(fs->LiveInodes(), 1u);
    ASSERT_TRUE(fs->Unlink(kRootInode, "a"));
    EXPECT_EQ(fs.Stat(file).nlink, 0u);
    fs->Forget(file, 1);
    EXPECT_EQ(ErrorOf(fs->GetAttributes(file)), ENOENT);
  }
}

TEST_P(DirectoryTest, UnreferencedFileGoesAtOnce) {
  size_t keys = fs.CountKeys();
  InodeNumber file = fs.File("a");
  fs->Forget(file, 1);
  ASSERT_TRUE(fs->Unlink(kRootInode, "a"));
  EXPECT_EQ(fs.CountKeys(), keys);
}

TEST_P(DirectoryTest, OrphansAreReapedAtOpen) {
  size_t keys = fs.CountKeys();
  InodeNumber file = fs.File("a");
  ASSERT_EQ(fs.Write(file, 0, std::string(1 << 20, 'x')), 0);
  ASSERT_TRUE(fs->Unlink(kRootInode, "a"));
  EXPECT_GT(fs.CountKeys(), keys);
  fs.Reopen();
  EXPECT_EQ(fs.CountKeys(), keys);
  EXPECT_EQ(ErrorOf(fs->GetAttributes(file)), ENOENT);
}

TEST_P(DirectoryTest, RmdirRefusesAndRemoves) {
  InodeNumber dir = fs.Directory("d");
  InodeNumber sub = fs.Directory("s", dir);
  EXPECT_EQ(fs.Stat(dir).nlink, 3u);
  EXPECT_EQ(ErrorOf(fs->RemoveDirectory(kRootInode, "d")), ENOTEMPTY);
  fs.File("f");
  EXPECT_EQ(ErrorOf(fs->RemoveDirectory(kRootInode, "f")), ENOTDIR);
  EXPECT_EQ(ErrorOf(fs->Unlink(kRootInode, "d")), EISDIR);
  EXPECT_EQ(ErrorOf(fs->RemoveDirectory(kRootInode, "x")), ENOENT);
  ASSERT_TRUE(fs->RemoveDirectory(dir, "s"));
  EXPECT_EQ(fs.Stat(dir).nlink, 2u);
  // Somebody's working directory: exists, is empty, takes nothing.
  EXPECT_EQ(fs.Stat(sub).nlink, 0u);
  EXPECT_EQ(ErrorOf(fs->MakeNode({}, sub, "x", S_IFREG, 0)), ENOENT);
  EXPECT_TRUE(fs.List(sub).empty());
  ASSERT_TRUE(fs->RemoveDirectory(kRootInode, "d"));
  fs.ExpectConsistent();
  fs.Reopen();
  fs.ExpectConsistent();
}

TEST_P(DirectoryTest, ListsInOrderOfCreationAndContinuesAnywhere) {
  for (int i = 0; i < 50; ++i) fs->Forget(fs.File("f" + std::to_string((i * 37) % 50)), 1);
  std::vector<std::string> names;
  uint64_t cookie = 0;
  for (int calls = 0; calls < 100; ++calls) {
    size_t before = names.size();
    size_t taken = 0;
    auto listed =
        fs->ReadDirectoryPlus(kRootInode, cookie, [&](const DirectoryEntry& entry, const Attributes& attributes) {
          if (taken++ == 7) return false;
          EXPECT_EQ(attributes.ino, entry.ino);
          EXPECT_EQ(attributes.nlink, 1u);
          EXPECT_EQ(entry.type, static_cast<uint32_t>(S_IFREG));
          names.emplace_back(entry.name);
          cookie = entry.cookie;
          return true;
        });
    ASSERT_TRUE(listed);
    if (names.size() == before) break;
    // Entries that go must not move the others.
    ASSERT_TRUE(fs->Unlink(kRootInode, names.back()));
  }
  ASSERT_EQ(names.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(names[static_cast<size_t>(i)], "f" + std::to_string((i * 37) % 50));
  // Each was counted by the listing.
  EXPECT_EQ(fs->LiveInodes(), 50u);
  fs.ExpectConsistent();
}

// What the kernel holds of an inode goes with each change of it, and with reading, which drops its atime.
TEST_P(DirectoryTest, ListingTellsAttributesThatTheKernelDoesNotHave) {
  const InodeNumber dir = fs.Directory("d");
  const InodeNumber file = fs.File("f", dir), other = fs.File("other", dir);
  const InodeNumber link = fs->MakeSymlink({}, dir, "link", "f")->ino;
  const InodeNumber sub = fs.Directory("sub", dir);
  auto told = [&] {
    std::set<InodeNumber> inodes;
    EXPECT_TRUE(fs->ReadDirectoryPlus(dir, 0, [&](const DirectoryEntry& entry, const Attributes& attributes) {
      EXPECT_FALSE(entry.damaged);
      EXPECT_EQ(attributes.mode & S_IFMT, entry.type);
      if (attributes.ino == 0) return true;
      EXPECT_EQ(attributes.ino, entry.ino);
      EXPECT_EQ(attributes.ctime, fs.Stat(entry.ino).ctime);
      inodes.insert(entry.ino);
      return true;
    }));
    for (InodeNumber ino : inodes) fs->Forget(ino, 1);
    return inodes;
  };
  using Inodes = std::set<InodeNumber>;
  EXPECT_EQ(told(), Inodes{}) << "creating told all";
  EXPECT_EQ(fs.Write(file, 0, "x"), 0);
  EXPECT_EQ(told(), Inodes{file}) << "written";
  EXPECT_EQ(told(), Inodes{}) << "the listing told";
  EXPECT_EQ(fs.Read(file, 0, 1), "x");
  EXPECT_EQ(told(), Inodes{file}) << "read";
  EXPECT_TRUE(fs->ReadSymlink(link));
  EXPECT_EQ(told(), Inodes{link}) << "read, as a link";
  EXPECT_TRUE(fs->ReadDirectory(sub, 0, [](const DirectoryEntry&) { return true; }));
  EXPECT_EQ(told(), Inodes{sub}) << "listed";
  AttributeChange change;
  change.mode = 0600;
  EXPECT_TRUE(fs->SetAttributes(file, change));
  EXPECT_EQ(told(), Inodes{file}) << "chmod";
  EXPECT_TRUE(fs->SetXattr(file, "user.x", "1", 0));
  EXPECT_EQ(told(), Inodes{file}) << "setxattr";
  EXPECT_TRUE(fs->CopyRange(file, 0, other, 10, 1));
  EXPECT_EQ(told(), Inodes{other}) << "copied to";
  EXPECT_TRUE(fs->Rename({}, dir, "f", dir, "g", 0));
  EXPECT_EQ(told(), Inodes{file}) << "renamed";
  EXPECT_TRUE(fs->Link(file, kRootInode, "elsewhere"));
  EXPECT_TRUE(fs->Unlink(kRootInode, "elsewhere"));
  EXPECT_EQ(told(), Inodes{file}) << "one link less";
  fs.File("in", sub);
  EXPECT_EQ(told(), Inodes{sub}) << "an entry more";
  EXPECT_EQ(fs.Write(file, 0, "y"), 0);
  EXPECT_TRUE(fs->GetAttributes(file));
  EXPECT_EQ(told(), Inodes{}) << "asked for";
  fs->Forget(other, 1);
  EXPECT_EQ(told(), Inodes{other}) << "forgotten";
  EXPECT_EQ(told(), Inodes{other}) << "and again, as the listing's lookup was forgotten, too";
}

TEST_P(DirectoryTest, ListingSeesANameOnceWhileItIsReplacedByRename) {
  fs.File("a");
  fs.File("b");
  std::vector<std::string> names;
  uint64_t cookie = 0;
  for (bool more = true; more;) {
    more = false;
    ASSERT_TRUE(fs->ReadDirectory(kRootInode, cookie, [&](const DirectoryEntry& entry) {
      if (more) return false;
      names.emplace_back(entry.name);
      cookie = entry.cookie;
      more = true;
      return true;
    }));
    std::string temporary = "t" + std::to_string(names.size());
    if (names.size() < 5) {
      fs.File(temporary);
      ASSERT_TRUE(fs->Rename({}, kRootInode, temporary, kRootInode, "a", 0));
      fs.File(temporary + "b");
      ASSERT_TRUE(fs->Rename({}, kRootInode, temporary + "b", kRootInode, "b", 0));
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
}

TEST_P(DirectoryTest, EmptiedLargeDirectoryLeavesOnlyItself) {
  InodeNumber dir = fs.Directory("d");
  size_t keys = fs.CountKeys();
  for (int i = 0; i < 1100; ++i) fs->Forget(fs.File(std::to_string(i), dir), 1);
  for (int i = 0; i < 1100; ++i) ASSERT_TRUE(fs->Unlink(dir, std::to_string(i)));
  EXPECT_EQ(fs.CountKeys(), keys);
  EXPECT_TRUE(fs.List(dir).empty());
  fs.File("again", dir);
  EXPECT_EQ(fs.List(dir), std::vector<std::string>{"again"});
  fs.ExpectConsistent();
}

TEST_P(DirectoryTest, NumbersAreNeverGivenOutTwice) {
  InodeNumber last = 0;
  for (int i = 0; i < 5; ++i) {
    InodeNumber file = fs.File("f" + std::to_string(i));
    EXPECT_GT(file, last);
    last = file;
    ASSERT_TRUE(fs->Unlink(kRootInode, "f" + std::to_string(i)));
    fs.Reopen();
  }
}

TEST_P(DirectoryTest, ClosedFilesystemAnswersEio) {
  fs.File("a");
  ASSERT_TRUE(fs->Close().ok());
  EXPECT_TRUE(fs->Close().ok());
  EXPECT_EQ(ErrorOf(fs->Lookup(kRootInode, "a")), EIO);
  EXPECT_EQ(ErrorOf(fs->GetAttributes(kRootInode)), EIO);
  EXPECT_EQ(ErrorOf(fs->SyncAll()), EIO);
}

}  // namespace
}  // namespace silt::fs::test
