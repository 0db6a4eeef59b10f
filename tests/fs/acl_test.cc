// POSIX ACLs: what is one, how it goes with the mode, what new objects inherit.
#include "fs/acl.h"

#include "lsm/coding.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

struct Entry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id = UINT32_MAX;
};
constexpr uint16_t kOwner = 1, kUser = 2, kGroup = 4, kMask = 16, kOther = 32;

std::string Value(const std::vector<Entry>& entries) {
  std::string value;
  lsm::PutFixed<uint32_t>(&value, 2);
  for (const Entry& entry : entries) {
    lsm::PutFixed<uint16_t>(&value, entry.tag);
    lsm::PutFixed<uint16_t>(&value, entry.permissions);
    lsm::PutFixed<uint32_t>(&value, entry.id);
  }
  return value;
}

std::string Named(uint16_t owner, uint16_t user, uint16_t group, uint16_t mask, uint16_t other) {
  return Value({{kOwner, owner}, {kUser, user, 1001}, {kGroup, group}, {kMask, mask}, {kOther, other}});
}

TEST(AclTest, DecodesWhatItEncodes) {
  std::string value = Named(7, 6, 5, 4, 3);
  auto acl = Acl::Decode(value);
  ASSERT_TRUE(acl);
  EXPECT_EQ(acl->Encode(), value);
  EXPECT_TRUE(acl->IsExtended());
  EXPECT_EQ(acl->PermissionBits(), 0743u);  // the mask stands for the group
  EXPECT_FALSE(Acl::Decode(Value({{kOwner, 7}, {kGroup, 5}, {kOther, 1}}))->IsExtended());
}

TEST(AclTest, RefusesWhatIsNone) {
  std::string good = Named(7, 6, 5, 4, 3);
  EXPECT_FALSE(Acl::Decode(""));
  for (size_t length = 0; length < good.size(); ++length) EXPECT_FALSE(Acl::Decode(good.substr(0, length))) << length;
  EXPECT_FALSE(Acl::Decode(Value({{kOwner, 7}, {kUser, 6, 1001}, {kGroup, 5}, {kOther, 1}})));  // named, but no mask
  EXPECT_FALSE(Acl::Decode(Value({{kOwner, 7}, {kOwner, 7}, {kGroup, 5}, {kOther, 1}})));
  EXPECT_FALSE(Acl::Decode(Value({{kGroup, 7}, {kOwner, 5}, {kOther, 1}})));
  EXPECT_FALSE(Acl::Decode(Value({{kOwner, 8}, {kGroup, 5}, {kOther, 1}})));
  EXPECT_FALSE(Acl::Decode(Value({{kOwner, 7}, {kGroup, 5}, {kOther, 1}, {64, 1}})));
}

class AclStoreTest : public FsTest {
 protected:
  int SetAcl(InodeNumber ino, std::string_view name, const std::string& value, int flags = 0) {
    return ErrorOf(fs->SetXattr(ino, name, value, flags));
  }
  std::string Get(InodeNumber ino, std::string_view name) { return fs->GetXattr(ino, name).value_or("none"); }
  void Chmod(InodeNumber ino, uint32_t mode) {
    AttributeChange change;
    change.mode = mode;
    ASSERT_TRUE(fs->SetAttributes(ino, change));
  }
};
SILT_FS_BACKENDS(AclStoreTest);

TEST_P(AclStoreTest, ModeAndAccessAclAreOne) {
  InodeNumber file = fs.File("f");
  Chmod(file, 04644);
  ASSERT_EQ(SetAcl(file, kAccessAclName, Named(6, 7, 5, 3, 1)), 0);
  EXPECT_EQ(fs.Stat(file).mode & 07777, 04631u);
  EXPECT_EQ(Get(file, kAccessAclName), Named(6, 7, 5, 3, 1));
  Chmod(file, 0750);
  EXPECT_EQ(Get(file, kAccessAclName), Named(7, 7, 5, 5, 0));  // chmod moves the mask, not the group
  fs.Reopen();
  EXPECT_EQ(Get(file, kAccessAclName), Named(7, 7, 5, 5, 0));
  fs.ExpectConsistent();
}

TEST_P(AclStoreTest, MinimalAclLeavesNothingButTheMode) {
  InodeNumber file = fs.File("f");
  size_t keys = fs.CountKeys();
  ASSERT_EQ(SetAcl(file, kAccessAclName, Named(6, 7, 5, 3, 1)), 0);
  EXPECT_EQ(fs.CountKeys(), keys + 1);
  ASSERT_EQ(SetAcl(file, kAccessAclName, Value({{kOwner, 7}, {kGroup, 1}, {kOther, 0}})), 0);
  EXPECT_EQ(fs.CountKeys(), keys);
  EXPECT_EQ(fs.Stat(file).mode & 07777, 0710u);
  EXPECT_EQ(ErrorOf(fs->GetXattr(file, kAccessAclName)), ENODATA);
  EXPECT_EQ(ErrorOf(fs->RemoveXattr(file, kAccessAclName)), 0);
}

TEST_P(AclStoreTest, WhatIsSoAlreadyMovesNoTime) {
  InodeNumber directory = fs.Directory("d");
  const std::string minimal = Value({{kOwner, 7}, {kGroup, 5}, {kOther, 5}});
  Chmod(directory, 0755);
  for (auto [name, value] : {std::pair{kAccessAclName, minimal},
                             {kAccessAclName, Named(7, 7, 5, 3, 1)},
                             {kDefaultAclName, Named(7, 7, 5, 3, 1)},
                             {kDefaultAclName, minimal}}) {
    ASSERT_EQ(SetAcl(directory, name, value), 0);
    const Time before = fs.Stat(directory).ctime;
    ASSERT_EQ(SetAcl(directory, name, value), 0);
    EXPECT_EQ(fs.Stat(directory).ctime, before);
    ASSERT_EQ(SetAcl(directory, name, Named(7, 7, 5, 2, 1)), 0);
    EXPECT_GT(fs.Stat(directory).ctime, before);
    ASSERT_EQ(SetAcl(directory, name, value), 0);
  }
  // The mode alone differs.
  ASSERT_EQ(SetAcl(directory, kAccessAclName, minimal), 0);
  const Time before = fs.Stat(directory).ctime;
  ASSERT_EQ(SetAcl(directory, kAccessAclName, Value({{kOwner, 7}, {kGroup, 5}, {kOther, 1}})), 0);
  EXPECT_GT(fs.Stat(directory).ctime, before);
  EXPECT_EQ(SetAcl(fs->MakeSymlink({}, kRootInode, "s", "f")->ino, kAccessAclName,
                   Value({{kOwner, 7}, {kGroup, 7}, {kOther, 7}})),
            EOPNOTSUPP);
}

TEST_P(AclStoreTest, RefusesWhereThereCanBeNone) {
  InodeNumber file = fs.File("f");
  auto link = fs->MakeSymlink({}, kRootInode, "s", "f");
  EXPECT_EQ(SetAcl(file, kDefaultAclName, Named(7, 7, 7, 7, 7)), EACCES);
  EXPECT_EQ(SetAcl(link->ino, kAccessAclName, Named(7, 7, 7, 7, 7)), EOPNOTSUPP);
  EXPECT_EQ(SetAcl(file, kAccessAclName, "nonsense"), EINVAL);
}

TEST_P(AclStoreTest, SetgidGoesWhenAsked) {
  InodeNumber file = fs.File("f");
  Chmod(file, 02775);
  ASSERT_EQ(SetAcl(file, kAccessAclName, Named(7, 7, 7, 7, 7)), 0);
  EXPECT_EQ(fs.Stat(file).mode & 07777, 02777u);
  ASSERT_EQ(SetAcl(file, kAccessAclName, Named(7, 7, 7, 7, 7), kXattrClearSgid), 0);
  EXPECT_EQ(fs.Stat(file).mode & 07777, 0777u);
}

TEST_P(AclStoreTest, DefaultAclTakesThePlaceOfTheUmask) {
  Caller caller{.umask = 077};
  InodeNumber directory = fs.Directory("d");
  auto before = fs->MakeNode(caller, directory, "before", S_IFREG | 0666, 0);
  EXPECT_EQ(before->mode & 07777, 0600u);
  ASSERT_EQ(SetAcl(directory, kDefaultAclName, Named(7, 7, 5, 6, 4)), 0);
  auto file = fs->MakeNode(caller, directory, "f", S_IFREG | 0666, 0);
  EXPECT_EQ(file->mode & 07777, 0664u);
  EXPECT_EQ(Get(file->ino, kAccessAclName), Named(6, 7, 5, 6, 4));
  EXPECT_EQ(ErrorOf(fs->GetXattr(file->ino, kDefaultAclName)), ENODATA);
  auto sub = fs->MakeDirectory(caller, directory, "sub", 0750);
  EXPECT_EQ(sub->mode & 07777, 0740u);
  EXPECT_EQ(Get(sub->ino, kDefaultAclName), Named(7, 7, 5, 6, 4));
  auto link = fs->MakeSymlink(caller, directory, "s", "f");
  EXPECT_EQ(link->mode & 07777, 0777u);
  EXPECT_TRUE(fs->ListXattr(link->ino)->empty());
  fs.ExpectConsistent();
}

TEST_P(AclStoreTest, MinimalDefaultAclMakesPlainFiles) {
  InodeNumber directory = fs.Directory("d");
  ASSERT_EQ(SetAcl(directory, kDefaultAclName, Value({{kOwner, 7}, {kGroup, 4}, {kOther, 0}})), 0);
  auto file = fs->MakeNode({.umask = 0777}, directory, "f", S_IFREG | 0666, 0);
  EXPECT_EQ(file->mode & 07777, 0640u);
  EXPECT_TRUE(fs->ListXattr(file->ino)->empty());
}

// What a handle (name_to_handle_at) stands on.
class HandleTest : public FsTest {};
SILT_FS_BACKENDS(HandleTest);

TEST_P(HandleTest, FindsByNumberUntilTheInodeIsGone) {
  InodeNumber file = fs.File("f");
  EXPECT_EQ(fs->LookupInode(file)->ino, file);
  EXPECT_EQ(fs->LookupInode(kRootInode)->mode & S_IFMT, static_cast<uint32_t>(S_IFDIR));
  EXPECT_EQ(ErrorOf(fs->LookupInode(file + 1000)), ENOENT);
  EXPECT_EQ(fs->LiveInodes(), 2u);  // what was not found is not counted
  fs.Reopen();
  EXPECT_EQ(fs->LookupInode(file)->ino, file);
  ASSERT_TRUE(fs->Unlink(kRootInode, "f"));
  EXPECT_EQ(ErrorOf(fs->LookupInode(file)), ENOENT);  // an orphan that somebody still has open
  fs->Forget(file, 1);
  EXPECT_EQ(ErrorOf(fs->LookupInode(file)), ENOENT);
  fs.ExpectConsistent();
}

}  // namespace
}  // namespace silt::fs::test
