// fsck: each invariant of fs/FORMAT.md is broken on purpose, named by path, mended, and nothing else is touched.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/acl.h"
#include "fs/check_context.h"
#include "tests/fs/check_image.h"
#include "tests/fs/memory_db.h"

namespace silt::fs {
namespace {

using schema::kData;
using schema::kMeta;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::IsSupersetOf;

// /
//   a/            16
//     file        17   three blocks, linked as /hard, two xattrs
//     b/          18
//       deep      19
//   hard -> 17    (entry 20)
//   sym           21
//   fifo          22
//   sparse        23   a hole of two blocks, then data
//   c/            24   empty
//   prealloc      25   one block, another behind the end
//   (orphan file  26, with data; orphan directory 27)
class CheckTest : public ::testing::Test {
 protected:
  CheckTest() : db_(test::NewMemoryDb(std::make_shared<test::MemoryStore>())), image_(db_.get()) {
    a_ = image_.AddDirectory(kRootInode, "a");
    file_ = image_.AddFile(a_, "file", std::string(10'000, 'f'));
    b_ = image_.AddDirectory(a_, "b");
    deep_ = image_.AddFile(b_, "deep", "deep down");
    image_.AddLink(file_, kRootInode, "hard");
    sym_ = image_.AddNode(kRootInode, "sym", S_IFLNK | 0777, "a/file");
    fifo_ = image_.AddNode(kRootInode, "fifo", S_IFIFO | 0600);
    sparse_ = image_.AddFile(kRootInode, "sparse", std::string(8192, '\0') + std::string(5000, 's'));
    c_ = image_.AddDirectory(kRootInode, "c");
    prealloc_ = image_.AddFile(kRootInode, "prealloc", "p");
    image_.Preallocate(prealloc_, 1);
    image_.Preallocate(prealloc_, 7);
    image_.AddXattr(file_, "user.x", "value");
    image_.AddXattr(file_, "user.empty", "");
    image_.AddXattr(a_, "user.dir", "d");
    orphan_ = image_.AddOrphan(S_IFREG | 0644, std::string(5000, 'o'));
    orphan_dir_ = image_.AddOrphan(S_IFDIR | 0755, "");
    sound_ = image_.Read();
  }

  // The store is broken by now. Check names `line`, changes nothing; repair says the same, and a second check is clean.
  // Returns what is different from the sound store afterwards.
  std::set<std::string> Mend(const std::string& line) {
    Dump broken = image_.Read();
    EXPECT_NE(Difference(sound_, broken), std::set<std::string>{}) << "the test broke nothing";
    CheckReport found = image_.Check(false);
    EXPECT_THAT(Lines(found), HasSubstr(line));
    EXPECT_EQ(Difference(broken, image_.Read()), std::set<std::string>{}) << "a check without repair wrote";
    for (const auto& problem : found.problems) EXPECT_FALSE(problem.repaired);
    CheckReport mended = image_.Check(true);
    EXPECT_EQ(mended.problems.size(), found.problems.size()) << Lines(found) << "---\n" << Lines(mended);
    for (const auto& problem : mended.problems) EXPECT_TRUE(problem.repaired);
    problems_ = mended.problems.size();
    EXPECT_EQ(Lines(image_.Check(false)), "");
    Dump after = image_.Read();
    EXPECT_EQ(Lines(image_.Check(true)), "");
    EXPECT_EQ(Difference(after, image_.Read()), std::set<std::string>{}) << "repair of a clean store wrote";
    return Difference(sound_, after);
  }

  void ExpectRestored(const std::string& line) {
    EXPECT_EQ(Mend(line), std::set<std::string>{});
    EXPECT_EQ(problems_, 1u);
  }

  void ChangeInode(InodeNumber ino, const std::function<void(schema::InodeRecord&)>& change) {
    auto record = image_.Inode(ino);
    change(record);
    image_.PutInode(ino, record);
  }

  // What stands at lost+found/#ino, 0 if nothing.
  InodeNumber LostAndFound(InodeNumber ino) {
    Dump dump = image_.Read();
    auto home = dump.find(MetaKeyOf(schema::NameKey(kRootInode, "lost+found")));
    if (home == dump.end()) return 0;
    InodeNumber directory = schema::NameRecord::Decode(home->second)->ino;
    auto entry = dump.find(MetaKeyOf(schema::NameKey(directory, fmt::format("#{}", ino))));
    return entry == dump.end() ? 0 : schema::NameRecord::Decode(entry->second)->ino;
  }

  static RawKey I(InodeNumber ino) { return MetaKeyOf(schema::InodeKey(ino)); }
  static RawKey N(InodeNumber directory, std::string_view name) { return MetaKeyOf(schema::NameKey(directory, name)); }
  static RawKey E(InodeNumber directory, uint64_t id) { return MetaKeyOf(schema::EntryKey(directory, id)); }
  static RawKey D(InodeNumber ino, uint64_t block) { return DataKeyOf(ino, block); }

  std::unique_ptr<lsm::Db> db_;
  Image image_;
  InodeNumber a_, file_, b_, deep_, sym_, fifo_, sparse_, c_, prealloc_, orphan_, orphan_dir_;
  Dump sound_;
  size_t problems_ = 0;
};

TEST_F(CheckTest, SoundStoreIsCleanAndCounted) {
  CheckReport report = image_.Check(false);
  EXPECT_EQ(Lines(report), "");
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.inodes, 12u);
  EXPECT_EQ(report.directories, 5u);
  EXPECT_EQ(report.files, 5u);
  EXPECT_EQ(report.symlinks, 1u);
  EXPECT_EQ(report.others, 1u);
  EXPECT_EQ(report.orphans, 2u);
  EXPECT_EQ(report.xattrs, 3u);
  EXPECT_EQ(report.data_blocks, 3u + 1 + 2 + 3 + 2);
  EXPECT_EQ(Lines(image_.Check(true)), "");
  EXPECT_EQ(Difference(sound_, image_.Read()), std::set<std::string>{});
}

TEST_F(CheckTest, NamesAreToldAsOneLineOfUtf8) {
  const std::string name = "k\xc3\xa4se \xff\xc3\"\n\xed\xa0\x80";
  InodeNumber file = image_.AddFile(c_, name, "x");
  ChangeInode(file, [](auto& record) { record.nlink = 3; });
  EXPECT_THAT(Lines(image_.Check(false)), HasSubstr("/c/k\xc3\xa4se \\xff\\xc3\\x22\\x0a\\xed\\xa0\\x80: inode"));
}

TEST_F(CheckTest, ProblemsBeyondThousandsAreMendedAndCounted) {
  for (InodeNumber ino = 1000; ino < 13'000; ++ino) {
    image_.Put(MetaKeyOf(schema::OrphanKey(ino)), schema::EncodeMark());
  }
  CheckReport report = image_.Check(true);
  EXPECT_EQ(report.problems.size() + report.unlisted, 12'000u);
  EXPECT_EQ(report.unlisted, 2'000u);
  EXPECT_EQ(Lines(image_.Check(false)), "");
  EXPECT_EQ(Difference(sound_, image_.Read()), std::set<std::string>{});
}

TEST_F(CheckTest, ProgressGrowsAndStaysBelowItsTotal) {
  image_.AddFile(kRootInode, "big", std::string(20 << 20, 'x'));
  uint64_t calls = 0, last = 0;
  image_.Check(false, [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    last = done;
    ++calls;
  });
  EXPECT_GE(calls, 4u);
  EXPECT_GT(last, 16u << 20);
}

// ---- Superblock ----

TEST_F(CheckTest, MissingSuperblockIsMadeAgain) {
  image_.Delete(MetaKeyOf(schema::SuperblockKey()));
  EXPECT_EQ(Mend("the superblock is missing"), std::set<std::string>{"S"});
  auto made = schema::SuperblockRecord::Decode(image_.Get(MetaKeyOf(schema::SuperblockKey())));
  EXPECT_EQ(made->block_size, 4096u);
  EXPECT_EQ(made->next_number, orphan_dir_ + 1);
}

TEST(CheckSuperblockTest, BlockSizeOfALostSuperblockIsFoundFromTheFiles) {
  auto db = test::NewMemoryDb(std::make_shared<test::MemoryStore>());
  Image image(db.get(), 32768);
  for (int i = 0; i < 5; ++i) image.AddFile(kRootInode, fmt::format("f{}", i), std::string(100'000 + i * 7000, 'x'));
  Dump sound = image.Read();
  image.Put(MetaKeyOf(schema::SuperblockKey()), "\x01");
  EXPECT_THAT(Lines(image.Check(true)), HasSubstr("blocks of 32768 bytes"));
  EXPECT_EQ(Lines(image.Check(false)), "");
  EXPECT_EQ(Difference(sound, image.Read()), std::set<std::string>{"S"});
}

TEST_F(CheckTest, NewerFormatIsRefusedByName) {
  auto superblock = *schema::SuperblockRecord::Decode(image_.Get(MetaKeyOf(schema::SuperblockKey())));
  for (bool newer : {true, false}) {
    auto changed = superblock;
    if (newer) changed.format_version = schema::kFormatVersion + 1;
    if (!newer) changed.features_incompatible = 1;
    image_.Put(MetaKeyOf(schema::SuperblockKey()), changed.Encode());
    Dump before = image_.Read();
    CheckOptions options;
    options.repair = true;
    CheckReport report;
    EXPECT_EQ(check::Walk(db_.get(), options, 0, 1, &report).code(), lsm::StatusCode::kNotSupported);
    EXPECT_EQ(Difference(before, image_.Read()), std::set<std::string>{});
  }
}

TEST_F(CheckTest, HighWaterMarkIsRaised) {
  auto superblock = *schema::SuperblockRecord::Decode(image_.Get(MetaKeyOf(schema::SuperblockKey())));
  superblock.next_number = 20;
  image_.Put(MetaKeyOf(schema::SuperblockKey()), superblock.Encode());
  ExpectRestored("next number is 20, number 27 is in use (repair: set to 28)");
}

// ---- Keys and records that do not decode ----

TEST_F(CheckTest, MalformedKeysAreRemoved) {
  image_.Put({kMeta, "Z"}, "?");
  image_.Put({kMeta, "I12"}, "?");
  image_.Put({kMeta, "\xff\xff"}, "?");
  image_.Put({kMeta, "O1"}, "?");
  image_.Put({kMeta, "X123456789"}, "?");
  image_.Put({kMeta, schema::EntryKey(a_, 99) + "1"}, "?");
  image_.Put({kMeta, schema::NameKey(a_, std::string(256, 'n'))}, "?");
  image_.Put({kData, "short"}, "?");
  image_.Put({kData, schema::DataKey(file_, 1) + "1"}, "?");
  image_.Put({kData, schema::DataKey(0, 1)}, "?");
  EXPECT_EQ(Mend("malformed key 5a (1 bytes)"), std::set<std::string>{});
  EXPECT_GE(problems_, 9u);
}

TEST_F(CheckTest, DamagedInodeRecordOfAFileIsRebuiltFromItsData) {
  image_.Put(I(deep_), "garbage");
  EXPECT_EQ(Mend("/a/b/deep: inode 19: the record is damaged"), std::set<std::string>{"I 19"});
  auto record = image_.Inode(deep_);
  EXPECT_EQ(record.size, 9u);
  EXPECT_EQ(record.blocks, 1u);
  EXPECT_EQ(record.nlink, 1u);
  EXPECT_EQ(record.mode, S_IFREG | 0600u);
}

TEST_F(CheckTest, RebuiltFileWithTwoNamesHasTwoLinks) {
  image_.Delete(I(file_));
  EXPECT_EQ(Mend("inode 17: the file's inode is missing"), std::set<std::string>{"I 17"});
  EXPECT_EQ(image_.Inode(file_).nlink, 2u);
  EXPECT_EQ(image_.Inode(file_).size, 10'000u);
  EXPECT_EQ(problems_, 1u);
}

TEST_F(CheckTest, DamagedInodeRecordWithNothingLeftIsRemovedWithItsEntry) {
  image_.Put(I(fifo_), std::string(1, '\x02'));
  EXPECT_EQ(Mend("/fifo: inode 22: the record is damaged"),
            (std::set<std::string>{"I 22", "N 1 fifo", "E 1 22", "I 1"}));
  EXPECT_EQ(image_.Inode(kRootInode).entries, 6u);
}

TEST_F(CheckTest, DamagedInodeRecordOfADirectoryIsRebuiltAroundItsEntries) {
  image_.Put(I(a_), "");
  EXPECT_EQ(Mend("/a: inode 16: the record is damaged"), std::set<std::string>{"I 16"});
  EXPECT_EQ(image_.Inode(a_).nlink, 3u);
  EXPECT_EQ(image_.Inode(a_).entries, 2u);
  EXPECT_EQ(image_.Inode(a_).parent, kRootInode);
}

TEST_F(CheckTest, MissingRootIsMadeAgain) {
  image_.Delete(I(kRootInode));
  EXPECT_EQ(Mend("/: inode 1: the root directory is missing"), std::set<std::string>{"I 1"});
  EXPECT_EQ(image_.Inode(kRootInode).entries, 7u);
  EXPECT_EQ(image_.Inode(kRootInode).nlink, 4u);
}

TEST_F(CheckTest, RootThatIsNoDirectoryIsReplaced) {
  image_.Put(I(kRootInode), image_.Get(I(deep_)));
  EXPECT_EQ(Mend("/: inode 1: the root is no directory"), std::set<std::string>{"I 1"});
}

TEST_F(CheckTest, DamagedNameRecordIsRebuiltFromTheListing) {
  image_.Put(N(a_, "file"), "?");
  EXPECT_EQ(Mend("/a/file: the name record is damaged"), std::set<std::string>{});
}

TEST_F(CheckTest, DamagedEntryRecordIsRebuiltFromTheName) {
  image_.Put(E(a_, file_), "?");
  EXPECT_EQ(Mend("/a: inode 16: the listing entry 17 is damaged"), std::set<std::string>{});
}

// ---- Names and entries ----

TEST_F(CheckTest, MissingEntryIsRecreated) {
  image_.Delete(E(b_, deep_));
  ExpectRestored("/a/b/deep: the name and the listing do not agree");
}

TEST_F(CheckTest, MissingNameIsRecreated) {
  image_.Delete(N(b_, "deep"));
  ExpectRestored("/a/b/deep: listed, but cannot be looked up");
}

TEST_F(CheckTest, MissingTwinsOfADirectoryAreRecreated) {
  image_.Delete(N(kRootInode, "a"));
  image_.Delete(E(a_, b_));
  EXPECT_EQ(Mend("/a/b: the name and the listing do not agree"), std::set<std::string>{});
  EXPECT_EQ(problems_, 2u);
}

TEST_F(CheckTest, AllListingEntriesOfADirectoryAreRecreated) {
  for (uint64_t id = 16; id < 30; ++id) image_.Delete(E(kRootInode, id));
  EXPECT_EQ(Mend("/sparse: the name and the listing do not agree"), std::set<std::string>{});
}

TEST_F(CheckTest, EntryOfAnotherInodeFollowsTheName) {
  image_.PutEntry(b_, deep_, "deep", sparse_, S_IFREG);
  ExpectRestored("/a/b/deep: the name and the listing do not agree");
}

TEST_F(CheckTest, NameOfNoInodeFollowsTheEntry) {
  image_.PutName(b_, "deep", deep_, 5000, S_IFREG);
  ExpectRestored("/a/b/deep: listed, but cannot be looked up");
}

TEST_F(CheckTest, EntryOfAnotherNameFollowsTheName) {
  image_.PutEntry(b_, deep_, "other", deep_, S_IFREG);
  EXPECT_THAT(Mend("/a/b/deep: the name and the listing do not agree"),
              IsSubsetOf({"N 18 other", "I 18", "I 19", "S", "E 18 28"}));
}

TEST_F(CheckTest, SecondListingEntryOfANameIsRemoved) {
  image_.PutEntry(b_, 15, "deep", deep_, S_IFREG);
  ExpectRestored("/a/b/deep: a second listing entry (15)");
}

TEST_F(CheckTest, TwoNamesWithOneEntryIdGetTwo) {
  image_.PutName(kRootInode, "hard2", image_.EntryId(kRootInode, "hard"), file_, S_IFREG);
  EXPECT_EQ(Mend("/hard2: the name and the listing do not agree"),
            (std::set<std::string>{"N 1 hard2", "E 1 28", "S", "I 1", "I 17"}));
  EXPECT_EQ(image_.EntryId(kRootInode, "hard2"), 28u);
  EXPECT_EQ(image_.Inode(file_).nlink, 3u);
}

TEST_F(CheckTest, EntryOfAMissingInodeIsDropped) {
  image_.Delete(I(fifo_));
  EXPECT_EQ(Mend("/fifo: inode 22 does not exist (repair: entry removed)"),
            (std::set<std::string>{"I 22", "N 1 fifo", "E 1 22", "I 1"}));
  EXPECT_EQ(problems_, 1u);
}

TEST_F(CheckTest, EntryOfAMissingEmptyDirectoryIsDropped) {
  image_.Delete(I(c_));
  EXPECT_EQ(Mend("/c: inode 24 does not exist"), (std::set<std::string>{"I 24", "N 1 c", "E 1 24", "I 1"}));
  EXPECT_EQ(image_.Inode(kRootInode).nlink, 3u);
}

TEST_F(CheckTest, TypeOfAnEntryIsSetFromTheInode) {
  image_.PutName(b_, "deep", deep_, deep_, S_IFIFO);
  image_.PutEntry(b_, deep_, "deep", deep_, S_IFIFO);
  ExpectRestored("/a/b/deep: is a file, listed as FIFO");
}

TEST_F(CheckTest, NamesThatNoFileMayHaveAreDropped) {
  for (std::string name : {std::string("."), std::string(".."), std::string("x/y"), std::string("x\0y", 3)}) {
    image_.PutName(b_, name, 15, deep_, S_IFREG);
    image_.PutEntry(b_, 15, name, deep_, S_IFREG);
    ExpectRestored("a name that no file may have");
  }
}

TEST_F(CheckTest, EntryOfTheRootIsDropped) {
  image_.PutName(b_, "up", 15, kRootInode, S_IFDIR);
  image_.PutEntry(b_, 15, "up", kRootInode, S_IFDIR);
  ExpectRestored("/a/b/up: an entry that names the root directory");
}

TEST_F(CheckTest, EntriesBelowAFileAreRemoved) {
  image_.PutName(deep_, "child", 15, file_, S_IFREG);
  image_.PutEntry(deep_, 15, "child", file_, S_IFREG);
  ExpectRestored("/a/b/deep: inode 19: has directory entries and is no directory");
}

TEST_F(CheckTest, EntriesBelowNothingGetADirectoryInLostAndFound) {
  image_.PutName(9000, "child", 9001, 9002, S_IFREG);
  image_.PutEntry(9000, 9001, "child", 9002, S_IFREG);
  image_.Put(D(9002, 0), "saved");
  auto changed = Mend("#9000: inode 9000: the directory's inode is missing");
  EXPECT_EQ(LostAndFound(9000), 9000u);
  EXPECT_EQ(image_.Inode(9002).size, 5u);
  EXPECT_THAT(changed, IsSupersetOf({"I 9000", "I 9002", "N 9000 child", "E 9000 9001", "I 1", "S"}));
  EXPECT_FALSE(changed.contains("I 17"));
}

// ---- Counts ----

TEST_F(CheckTest, LinkCountOfAFileIsCorrected) {
  ChangeInode(file_, [](auto& record) { record.nlink = 5; });
  ExpectRestored("/hard: inode 17: the link count is 5, should be 2 (repair: set to 2)");
}

TEST_F(CheckTest, LinkCountOfZeroIsCorrectedWhereThereIsAName) {
  ChangeInode(deep_, [](auto& record) { record.nlink = 0; });
  ExpectRestored("/a/b/deep: inode 19: the link count is 0, should be 1");
}

TEST_F(CheckTest, LinkCountOfADirectoryIsCorrected) {
  ChangeInode(a_, [](auto& record) { record.nlink = 2; });
  ExpectRestored("/a: inode 16: the link count is 2, should be 3");
}

TEST_F(CheckTest, EntryCountIsCorrected) {
  ChangeInode(kRootInode, [](auto& record) { record.entries = 1; });
  ExpectRestored("/: inode 1: the number of entries is 1, should be 7");
}

TEST_F(CheckTest, BlockCountIsCorrected) {
  ChangeInode(sparse_, [](auto& record) { record.blocks = 4; });
  ExpectRestored("/sparse: inode 23: the number of blocks is 4, should be 2");
}

TEST_F(CheckTest, ParentIsCorrected) {
  ChangeInode(b_, [this](auto& record) { record.parent = c_; });
  ExpectRestored("/a/b: inode 18: the parent is 24, should be 16");
}

TEST_F(CheckTest, ParentOfTheRootIsItself) {
  ChangeInode(kRootInode, [this](auto& record) { record.parent = c_; });
  ExpectRestored("/: inode 1: the parent is 24, should be 1");
}

TEST_F(CheckTest, MissingFlagsAreSet) {
  ChangeInode(file_, [](auto& record) { record.flags = 0; });
  ChangeInode(prealloc_, [](auto& record) { record.flags = 0; });
  EXPECT_EQ(Mend("/prealloc: inode 25: not marked as having blocks behind its end"), std::set<std::string>{});
  EXPECT_EQ(problems_, 2u);
}

TEST_F(CheckTest, LargeDirectoryMustBeMarked) {
  for (int i = 0; i < 1001; ++i) image_.AddNode(c_, fmt::format("n{}", i), S_IFSOCK | 0600);
  ChangeInode(c_, [](auto& record) { record.flags = schema::kDirectoryWasLarge; });
  sound_ = image_.Read();
  ChangeInode(c_, [](auto& record) { record.flags = 0; });
  ExpectRestored("/c: inode 24: not marked as large");
}

// ---- The tree ----

TEST_F(CheckTest, UnreachableFileGoesToLostAndFound) {
  image_.Delete(N(b_, "deep"));
  image_.Delete(E(b_, deep_));
  EXPECT_EQ(Mend("#19: inode 19: nothing leads to it (repair: moved to /lost+found/#19)"),
            (std::set<std::string>{"N 18 deep", "E 18 19", "I 18", "S", "I 1", "I 28", "N 1 lost+found", "E 1 28",
                                   "N 28 #19", "E 28 29"}));
  EXPECT_EQ(LostAndFound(deep_), deep_);
}

TEST_F(CheckTest, UnreachableDirectoryGoesToLostAndFoundWhole) {
  image_.Delete(N(kRootInode, "a"));
  image_.Delete(E(kRootInode, a_));
  auto changed = Mend("#16: inode 16: nothing leads to it");
  EXPECT_EQ(LostAndFound(a_), a_);
  EXPECT_FALSE(changed.contains("I 18"));
  EXPECT_FALSE(changed.contains("N 16 file"));
  EXPECT_EQ(image_.Inode(a_).parent, 28u);
}

TEST_F(CheckTest, LostAndFoundIsUsedAgain) {
  InodeNumber home = image_.AddDirectory(kRootInode, "lost+found");
  image_.AddFile(home, "#19", "an older one");
  image_.Delete(N(b_, "deep"));
  image_.Delete(E(b_, deep_));
  sound_ = image_.Read();
  image_.Delete(N(kRootInode, "fifo"));
  image_.Delete(E(kRootInode, fifo_));
  Mend("#19: inode 19: nothing leads to it");
  EXPECT_EQ(LostAndFound(fifo_), fifo_);
  EXPECT_EQ(image_.EntryId(home, "#19.1"), image_.EntryId(home, "#19.1"));
  EXPECT_EQ(image_.Inode(home).entries, 3u);
}

TEST_F(CheckTest, FileNamedLostAndFoundStaysWhatItIs) {
  InodeNumber squatter = image_.AddFile(kRootInode, "lost+found", "mine");
  sound_ = image_.Read();
  image_.Delete(N(b_, "deep"));
  image_.Delete(E(b_, deep_));
  auto changed = Mend("nothing leads to it");
  EXPECT_TRUE(changed.contains("N 1 lost+found.1"));
  EXPECT_FALSE(changed.contains(fmt::format("I {}", squatter)));
}

TEST_F(CheckTest, CycleIsBrokenIntoLostAndFound) {
  // a's entry moves from the root into a/b.
  image_.Delete(N(kRootInode, "a"));
  image_.Delete(E(kRootInode, a_));
  image_.PutName(b_, "loop", a_, a_, S_IFDIR);
  image_.PutEntry(b_, a_, "loop", a_, S_IFDIR);
  Mend("lies below itself, in directory 18");
  EXPECT_EQ(LostAndFound(a_), a_);
  EXPECT_EQ(image_.Inode(b_).entries, 1u);
  EXPECT_EQ(image_.Inode(b_).nlink, 2u);
}

TEST_F(CheckTest, DirectoryInItselfIsTakenOut) {
  image_.Delete(N(kRootInode, "c"));
  image_.Delete(E(kRootInode, c_));
  image_.PutName(c_, "me", c_, c_, S_IFDIR);
  image_.PutEntry(c_, c_, "me", c_, S_IFDIR);
  Mend("lies below itself, in directory 24");
  EXPECT_EQ(LostAndFound(c_), c_);
  EXPECT_EQ(image_.Inode(c_).entries, 0u);
}

TEST_F(CheckTest, DirectoryWithTwoEntriesKeepsTheOneOfItsParent) {
  // Both orders: the wrong entry found before the right one, and after it.
  for (InodeNumber wrong : {InodeNumber{kRootInode}, c_}) {
    image_.PutName(wrong, "second", 15, b_, S_IFDIR);
    image_.PutEntry(wrong, 15, "second", b_, S_IFDIR);
    ExpectRestored(wrong == c_ ? "/c/second: directory 18 has another entry already"
                               : "/a/b: inode 18: has entries in the directories 1 and 16");
  }
}

TEST_F(CheckTest, DirectoryWithTwoEntriesInOneDirectoryKeepsTheFirst) {
  image_.PutName(a_, "b2", 28, b_, S_IFDIR);
  image_.PutEntry(a_, 28, "b2", b_, S_IFDIR);
  ExpectRestored("/a/b2: directory 18 has another entry already");
}

// ---- Orphans ----

TEST_F(CheckTest, OrphanRecordOfNothingIsRemoved) {
  image_.Put(MetaKeyOf(schema::OrphanKey(14)), schema::EncodeMark());
  ExpectRestored("inode 14: listed as orphan, does not exist");
}

TEST_F(CheckTest, DamagedOrphanRecordIsWrittenAnew) {
  image_.Put(MetaKeyOf(schema::OrphanKey(orphan_)), "?");
  ExpectRestored("inode 26: the orphan record is damaged");
}

TEST_F(CheckTest, OrphanRecordOfALinkedInodeIsRemoved) {
  image_.Put(MetaKeyOf(schema::OrphanKey(file_)), schema::EncodeMark());
  image_.Put(MetaKeyOf(schema::OrphanKey(b_)), schema::EncodeMark());
  image_.Put(MetaKeyOf(schema::OrphanKey(kRootInode)), schema::EncodeMark());
  EXPECT_EQ(Mend("inode 17: listed as orphan, has a name"), std::set<std::string>{});
  EXPECT_EQ(problems_, 3u);
}

TEST_F(CheckTest, UnlinkedInodeWithoutOrphanRecordGoesToLostAndFound) {
  image_.Delete(MetaKeyOf(schema::OrphanKey(orphan_)));
  image_.Delete(MetaKeyOf(schema::OrphanKey(orphan_dir_)));
  Mend("#26: inode 26: nothing leads to it");
  EXPECT_EQ(LostAndFound(orphan_), orphan_);
  EXPECT_EQ(LostAndFound(orphan_dir_), orphan_dir_);
  EXPECT_EQ(image_.Inode(orphan_).nlink, 1u);
}

TEST_F(CheckTest, OrphanWithALinkCountGoesToLostAndFound) {
  ChangeInode(orphan_, [](auto& record) { record.nlink = 1; });
  auto changed = Mend("inode 26: listed as orphan, its link count is not 0");
  EXPECT_EQ(LostAndFound(orphan_), orphan_);
  EXPECT_TRUE(changed.contains("O 26"));
}

TEST_F(CheckTest, OrphanDirectoryWithEntriesGoesToLostAndFound) {
  image_.PutName(orphan_dir_, "kept", 15, fifo_, S_IFIFO);
  image_.PutEntry(orphan_dir_, 15, "kept", fifo_, S_IFIFO);
  Mend("#27: inode 27: nothing leads to it");
  EXPECT_EQ(LostAndFound(orphan_dir_), orphan_dir_);
  EXPECT_EQ(image_.Inode(fifo_).nlink, 2u);
}

// ---- Data and xattrs ----

TEST_F(CheckTest, DataOfNoInodeIsRemoved) {
  for (InodeNumber ino : {InodeNumber{5}, InodeNumber{100'000}}) {
    for (uint64_t block = 0; block < 3; ++block) image_.Put(D(ino, block), "x");
    ExpectRestored(fmt::format("#{0}: inode {0}: there are data blocks and no such inode", ino));
  }
}

TEST_F(CheckTest, DataOfSomethingElseThanAFileIsRemoved) {
  image_.Put(D(sym_, 0), "x");
  image_.Put(D(b_, 3), "x");
  EXPECT_EQ(Mend("/a/b: inode 18: is a directory and has data blocks"), std::set<std::string>{});
  EXPECT_EQ(problems_, 2u);
}

TEST_F(CheckTest, DataBehindTheEndIsRemoved) {
  image_.Put(D(file_, 3), "late");
  image_.Put(D(file_, 1'000'000), "later");
  ExpectRestored("inode 17: 2 blocks of data behind the end of the file");
}

TEST_F(CheckTest, BytesBehindTheEndAreCut) {
  image_.Put(D(file_, 2), std::string(10'000 - 8192, 'f') + std::string(10, '\0') + "tail");
  ExpectRestored("inode 17: the last block holds bytes behind the end of the file");
}

TEST_F(CheckTest, BlockThatIsTooLongIsCut) {
  image_.Put(D(file_, 1), std::string(5000, 'f'));
  ExpectRestored("inode 17: 1 blocks are longer than a block");
}

TEST_F(CheckTest, ZerosAtTheEndOfABlockAreCut) {
  image_.Put(D(deep_, 0), std::string("deep down") + std::string(100, '\0'));
  ExpectRestored("/a/b/deep: inode 19: 1 blocks are stored with zeros at their end");
}

TEST_F(CheckTest, WrittenZerosStayWritten) {
  image_.Put(D(file_, 1), std::string(4096, '\0'));
  EXPECT_EQ(Mend("inode 17: 1 blocks are stored with zeros at their end"), (std::set<std::string>{"D 17 1"}));
  EXPECT_EQ(image_.Get(D(file_, 1)), schema::kWrittenZeros);
}

TEST_F(CheckTest, PreallocatedBlocksAreCounted) {
  ChangeInode(prealloc_, [](auto& record) { record.promised = 1; });
  ExpectRestored("/prealloc: inode 25: the number of preallocated blocks is 1, should be 2");
  // With the count its mark goes too.
  ChangeInode(prealloc_, [](auto& record) { record.promised = 0; });
  image_.Delete(MetaKeyOf(schema::PromiseKey(prealloc_)));
  EXPECT_EQ(Mend("the number of preallocated blocks is 0, should be 2"), std::set<std::string>{});
  EXPECT_EQ(problems_, 2u);
}

TEST_F(CheckTest, InodesWithPreallocatedBlocksAreListed) {
  image_.Delete(MetaKeyOf(schema::PromiseKey(prealloc_)));
  ExpectRestored("/prealloc: inode 25: not listed as having preallocated blocks");
  image_.Put(MetaKeyOf(schema::PromiseKey(prealloc_)), "?");
  ExpectRestored("/prealloc: inode 25: the mark of its preallocated blocks is damaged");
  image_.Put(MetaKeyOf(schema::PromiseKey(file_)), schema::EncodeMark());
  ExpectRestored("inode 17: listed as having preallocated blocks, has none");
  image_.Put(MetaKeyOf(schema::PromiseKey(b_)), schema::EncodeMark());
  ExpectRestored("/a/b: inode 18: listed as having preallocated blocks, has none");
}

TEST_F(CheckTest, PromisesOfNoInodeAreRemoved) {
  for (InodeNumber ino : {InodeNumber{5}, InodeNumber{100'000}}) {
    image_.Put(MetaKeyOf(schema::PromiseKey(ino)), schema::EncodeMark());
    ExpectRestored(fmt::format("#{0}: inode {0}: listed as having preallocated blocks, does not exist", ino));
  }
}

TEST_F(CheckTest, MissingBlocksAreHoles) {
  image_.Delete(D(file_, 1));
  EXPECT_EQ(Mend("inode 17: the number of blocks is 3, should be 2"), (std::set<std::string>{"D 17 1", "I 17"}));
}

TEST_F(CheckTest, XattrsOfNoInodeAreRemoved) {
  for (InodeNumber ino : {InodeNumber{5}, InodeNumber{100'000}}) {
    image_.Put(MetaKeyOf(schema::XattrKey(ino, "user.a")), schema::XattrHead());
    image_.Put(MetaKeyOf(schema::XattrKey(ino, "user.b")), schema::XattrHead());
    ExpectRestored("there are xattrs and no such inode");
  }
}

TEST_F(CheckTest, DamagedXattrIsRemoved) {
  image_.Put(MetaKeyOf(schema::XattrKey(a_, "user.dir2")), "");
  ExpectRestored("/a: inode 16: the xattr user.dir2 is damaged");
}

TEST_F(CheckTest, AclsThatAreNoneAreRemoved) {
  const std::string minimal = schema::XattrHead() + std::string(
                                                        "\2\0\0\0"
                                                        "\1\0\7\0\xff\xff\xff\xff"
                                                        "\4\0\5\0\xff\xff\xff\xff"
                                                        "\x20\0\0\0\xff\xff\xff\xff",
                                                        28);
  image_.Put(MetaKeyOf(schema::XattrKey(a_, kDefaultAclName)), minimal);
  image_.Put(MetaKeyOf(schema::XattrKey(a_, kAccessAclName)), minimal);
  EXPECT_EQ(Mend("/a: inode 16: the xattr system.posix_acl_access says no more than the mode"),
            (std::set<std::string>{"X 16 system.posix_acl_default"}));
  EXPECT_EQ(problems_, 1u);
  image_.Delete(MetaKeyOf(schema::XattrKey(a_, kDefaultAclName)));
  image_.Put(MetaKeyOf(schema::XattrKey(file_, kDefaultAclName)), minimal);
  ExpectRestored("inode 17: the xattr system.posix_acl_default belongs to directories alone");
  image_.Put(MetaKeyOf(schema::XattrKey(file_, kAccessAclName)), schema::XattrHead() + "nonsense");
  ExpectRestored("inode 17: the xattr system.posix_acl_access is no valid ACL");
}

}  // namespace
}  // namespace silt::fs
