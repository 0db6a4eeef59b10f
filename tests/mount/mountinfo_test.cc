#include "mount/mountinfo.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/mount/temporary_directory.h"

namespace silt::mount {
namespace {

constexpr std::string_view kMounts =
    "25 30 0:23 / /sys rw,nosuid,nodev shared:7 - sysfs sysfs rw\n"
    "30 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
    "garbage\n"
    "40 30 0:44 / /mnt/with\\040space rw,nosuid shared:9 master:2 - fuse.siltfs /srv/a\\040b rw,user_id=0\n"
    "41 30 0:45 / /mnt/x rw - fuse.siltfs /srv/x rw\n"
    "42 30 0:46 / /mnt/x rw - tmpfs tmpfs rw\n"
    "43 30 0:45 / /mnt/y rw - fuse.siltfs /srv/x rw\n"
    "44 30 0:45 /a/part /mnt/z rw - fuse.siltfs /srv/x rw\n";

TEST(MountinfoTest, OctalEscapesAreUndone) {
  EXPECT_EQ(UnescapeOctal("a\\040b\\011c\\134"), "a b\tc\\");
  EXPECT_EQ(UnescapeOctal("\\04"), "\\04");
  EXPECT_EQ(UnescapeOctal("\\089"), "\\089");
}

TEST(MountinfoTest, LinesWithAnyNumberOfOptionalFieldsAreRead) {
  auto mounts = ParseMountinfo(kMounts);
  ASSERT_EQ(mounts.size(), 7u);
  EXPECT_EQ(mounts[1].mountpoint, "/");
  EXPECT_EQ(mounts[2].mountpoint, "/mnt/with space");
  EXPECT_EQ(mounts[2].type, "fuse.siltfs");
  EXPECT_EQ(mounts[2].source, "/srv/a b");
  EXPECT_EQ(mounts[2].device, "0:44");
}

TEST(MountinfoTest, AMountIsReadOnlyByItselfOrByItsFilesystem) {
  auto mounts = ParseMountinfo(
      "1 0 0:1 / /a rw,relatime - fuse.siltfs /s rw,user_id=0\n"
      "2 0 0:2 / /b ro,relatime - fuse.siltfs /s rw\n"
      "3 0 0:3 / /c rw - fuse.siltfs /s ro,user_id=0\n"
      "4 0 0:4 / /d rw,root=x - fuse.siltfs /s rootcontext=x\n");
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_FALSE(IsReadOnly(mounts[0]));
  EXPECT_TRUE(IsReadOnly(mounts[1]));
  EXPECT_TRUE(IsReadOnly(mounts[2]));
  EXPECT_FALSE(IsReadOnly(mounts[3]));
}

TEST(MountinfoTest, TheLastMountAtAPathIsTheVisibleOne) {
  auto mounts = ParseMountinfo(kMounts);
  EXPECT_EQ(FindMount(mounts, "/mnt/x")->type, "tmpfs");
  EXPECT_FALSE(FindMount(mounts, "/mnt"));
}

TEST(MountinfoTest, AStoresMountpointsAreFoundButNotThoseOfItsParts) {
  auto mounts = ParseMountinfo(kMounts);
  EXPECT_EQ(MountpointsOf(mounts, "/srv/x"), (std::vector<std::string>{"/mnt/x", "/mnt/y"}));
  EXPECT_TRUE(MountpointsOf(mounts, "/srv").empty());
}

TEST(MountinfoTest, ThisMachinesMountsAreRead) {
  EXPECT_TRUE(FindMount(ReadMountinfo(), "/"));
}

TEST(MountinfoTest, PathsAreMadeAbsolute) {
  TemporaryDirectory directory;
  const std::string& path = directory.path();
  EXPECT_EQ(ResolvePath(path + "/../" + path.substr(path.rfind('/') + 1) + "/."), path);
  EXPECT_EQ(ResolvePath(path + "/missing"), "");
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(IsDeadMount(path));
  EXPECT_FALSE(FindSiltfsMount(path));
}

}  // namespace
}  // namespace silt::mount
