#include "mount/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mount/option_table.h"

namespace silt::mount {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

MountOptions Parsed(std::string_view list) {
  MountOptions options;
  lsm::Status status = ParseMountOptions(list, &options);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return options;
}

std::string Refused(std::string_view list) {
  MountOptions options;
  lsm::Status status = ParseMountOptions(list, &options);
  EXPECT_EQ(status.code(), lsm::StatusCode::kInvalidArgument) << list;
  return status.message();
}

TEST(MountOptionsTest, DefaultsAreTheDocumentedOnes) {
  MountOptions options = Parsed("");
  EXPECT_FALSE(options.read_only);
  EXPECT_FALSE(options.writeback);
  EXPECT_EQ(options.memory_bytes, uint64_t{256} << 20);
  EXPECT_EQ(options.commit_micros, 5'000'000u);
  EXPECT_TRUE(options.acl);
  EXPECT_FALSE(options.dirsync);
}

// What the table says of defaults, --help and the manuals say.
TEST(MountOptionsTest, TheDefaultsNamedInTheTableAreTheDefaults) {
  for (const MountOption& option : MountOptionTable()) {
    bool depends = option.default_value.starts_with("for ") || option.default_value.find(" of ") != std::string::npos;
    if (option.kind != OptionKind::kOwn || option.default_value.empty() || depends) continue;
    MountOptions options;
    ASSERT_TRUE(option.apply(&options, option.default_value)) << option.name;
    EXPECT_EQ(options, MountOptions{}) << option.name << " is said to be " << option.default_value;
  }
}

// Except of `defaults`, which is for fstab.
TEST(MountOptionsTest, AnOptionWithoutADefaultChangesSomething) {
  for (const MountOption& option : MountOptionTable()) {
    if (option.kind != OptionKind::kOwn || !option.default_value.empty() || option.name == "defaults") continue;
    std::string text(option.name);
    if (option.name == "metrics") text += "=127.0.0.1:9100";
    EXPECT_NE(Parsed(text), MountOptions{}) << option.name;
  }
}

TEST(MountOptionsTest, SyncOptionsGoToTheKernelAndToDirectories) {
  for (std::string_view option : {"dirsync", "sync"}) {
    EXPECT_TRUE(Parsed(option).dirsync);
    EXPECT_THAT(Parsed(option).kernel, Contains(std::string(option)));
  }
  EXPECT_FALSE(Parsed("sync,async").dirsync);
}

// libfuse passes on only those that its version knows, and the kernel moves no atime for any.
TEST(MountOptionsTest, WhatIsSaidOfAtimesStaysHere) {
  EXPECT_EQ(Parsed("relatime").atime, fs::AtimeRule::kRelative);
  EXPECT_EQ(Parsed("strictatime,noatime").atime, fs::AtimeRule::kNever);
  EXPECT_EQ(Parsed("strictatime,nodiratime").atime, fs::AtimeRule::kStrict);
  EXPECT_EQ(Parsed("strictatime,nodiratime").DirectoryAtime(), fs::AtimeRule::kNever);
  EXPECT_EQ(Parsed("nodiratime").atime, fs::AtimeRule::kRelative);
  EXPECT_EQ(Parsed("nodiratime,diratime").DirectoryAtime(), fs::AtimeRule::kRelative);
  for (std::string_view option : {"relatime", "strictatime", "nodiratime", "norelatime", "nostrictatime", "diratime"}) {
    EXPECT_TRUE(Parsed(option).kernel.empty()) << option;
  }
}

TEST(MountOptionsTest, OwnOptionsAreTaken) {
  MountOptions options = Parsed("ro,memory=512M,commit=30,writeback,max_threads=4,log_level=debug");
  EXPECT_TRUE(options.read_only);
  EXPECT_EQ(options.memory_bytes, uint64_t{512} << 20);
  EXPECT_EQ(options.commit_micros, 30'000'000u);
  EXPECT_TRUE(options.writeback);
  EXPECT_EQ(options.max_threads, 4u);
  EXPECT_EQ(options.log_level, "debug");
}

TEST(MountOptionsTest, OfContradictingOptionsTheLaterWins) {
  EXPECT_FALSE(Parsed("ro,rw").read_only);
  EXPECT_TRUE(Parsed("rw,ro").read_only);
  EXPECT_FALSE(Parsed("writeback,nowriteback").writeback);
  EXPECT_FALSE(Parsed("acl,noacl").acl);
  EXPECT_TRUE(Parsed("noacl,acl").acl);
  EXPECT_EQ(Parsed("allow_other,noallow_other").allow_other, false);
}

TEST(MountOptionsTest, WhatFstabKeepsForItselfHasNoEffect) {
  EXPECT_TRUE(Parsed("defaults,noauto,nofail,_netdev,user,x-systemd.automount,x-systemd.idle-timeout=60,"
                     "X-mount.mkdir=0755,comment=mine,relatime").kernel.empty());
}

TEST(MountOptionsTest, KernelFlagsArePassedOn) {
  EXPECT_THAT(LibfuseOptions(Parsed("noexec,noatime"), "/s", false), Contains("noexec"));
  EXPECT_THAT(LibfuseOptions(Parsed("noexec,noatime"), "/s", false), Contains("noatime"));
}

TEST(MountOptionsTest, AnUnknownOptionIsNamedWithAHint) {
  EXPECT_THAT(Refused("ro,writebak"), HasSubstr("'writebak'"));
  EXPECT_THAT(Refused("ro,writebak"), HasSubstr("did you mean 'writeback'"));
  EXPECT_THAT(Refused("frobnicate=7"), HasSubstr("'frobnicate'"));
  EXPECT_THAT(Refused("frobnicate=7"), Not(HasSubstr("did you mean")));
  EXPECT_THAT(Refused("foo"), Not(HasSubstr("did you mean"))) << "not ro, for one";
  EXPECT_THAT(Refused("noexec=1"), HasSubstr("'noexec'"));
}

TEST(MountOptionsTest, BadValuesAreRefusedWithTheRange) {
  for (const char* option : {"memory=lots", "memory=1K", "commit=0", "commit=x", "max_threads=0", "log_level=loud"}) {
    EXPECT_THAT(Refused(option), HasSubstr("is no good value")) << option;
  }
  EXPECT_THAT(Refused("memory"), HasSubstr("memory=SIZE"));
  EXPECT_THAT(Refused("ro=1"), HasSubstr("takes no value"));
}

TEST(MountOptionsTest, RootSharesItsMountsAndOthersDoNot) {
  std::vector<std::string> root = LibfuseOptions(MountOptions{}, "/s", true);
  for (const char* option : {"allow_other", "default_permissions", "suid", "dev", "subtype=siltfs", "fsname=/s"}) {
    EXPECT_THAT(root, Contains(option));
  }
  std::vector<std::string> user = LibfuseOptions(MountOptions{}, "/s", false);
  EXPECT_THAT(user, Contains("default_permissions"));
  for (const char* option : {"allow_other", "suid", "dev"}) EXPECT_THAT(user, Not(Contains(option)));
  EXPECT_THAT(LibfuseOptions(Parsed("allow_other"), "/s", false), Contains("allow_other"));
  EXPECT_THAT(LibfuseOptions(Parsed("noallow_other"), "/s", true), Not(Contains("allow_other")));
}

TEST(MountOptionsTest, ExplicitKernelFlagsComeAfterTheDefaultsAndWin) {
  std::vector<std::string> root = LibfuseOptions(Parsed("nosuid"), "/s", true);
  auto suid = std::find(root.begin(), root.end(), "suid");
  auto nosuid = std::find(root.begin(), root.end(), "nosuid");
  ASSERT_NE(nosuid, root.end());
  EXPECT_LT(suid, nosuid);
}

TEST(MountOptionsTest, CommasInAStoresNameAreEscaped) {
  EXPECT_THAT(LibfuseOptions(MountOptions{}, "/a,b\\c", true), Contains("fsname=/a\\,b\\\\c"));
}

}  // namespace
}  // namespace silt::mount
