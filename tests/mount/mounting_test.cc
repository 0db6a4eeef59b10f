// Mounting and unmounting as a user does it, and what goes wrong with it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "mount/mountinfo.h"
#include "mount/unique_fd.h"
#include "program.h"

namespace silt::mount {
namespace {

using testing::HasSubstr;

class MountingTest : public ProgramTest {
 protected:
  void ExpectRefused(const std::vector<std::string>& words, int exit_code, const std::string& part) {
    Finished finished = Siltfs(words);
    EXPECT_EQ(finished.exit_code, exit_code);
    EXPECT_THAT(finished.err, HasSubstr(part));
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
  }
};

TEST_F(MountingTest, WhatIsWrittenIsThereAfterARemount) {
  MakeStore();
  Mount();
  WriteFile(mountpoint_ + "/file", "contents");
  struct stat before {};
  ASSERT_EQ(::stat((mountpoint_ + "/file").c_str(), &before), 0);
  Unmount();
  EXPECT_FALSE(std::filesystem::exists(mountpoint_ + "/file"));
  Mount();
  EXPECT_EQ(ReadFile(mountpoint_ + "/file"), "contents");
  struct stat after {};
  ASSERT_EQ(::stat((mountpoint_ + "/file").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(MountingTest, UnmountReturnsWhenTheStoreIsClosed) {
  MakeStore();
  for (int i = 0; i < 3; ++i) {
    Mount();
    WriteFile(mountpoint_ + "/file", "contents");
    Unmount();
    // The lock is free, the socket gone.
    EXPECT_FALSE(std::filesystem::exists(store_ + "/control.sock"));
    ASSERT_EQ(Siltfs({"compact", store_}).exit_code, 0);
  }
}

TEST_F(MountingTest, TheKernelIsToldWhichStoreAndType) {
  MakeStore();
  Mount("noatime");
  auto mount = FindSiltfsMount(mountpoint_);
  ASSERT_TRUE(mount);
  EXPECT_EQ(mount->source, store_);
  EXPECT_THAT(mount->options, HasSubstr("noatime"));
}

TEST_F(MountingTest, AMountedStoreSaysByWhomAndWhere) {
  MakeStore();
  Mount();
  std::string other = directory_ + "/other";
  ASSERT_TRUE(std::filesystem::create_directory(other));
  std::string pid = std::to_string(DaemonPid());
  ExpectRefused({"mount", store_, other}, 1, "already mounted by pid " + pid + " at " + mountpoint_);
  ExpectRefused({"mount", "-o", "ro", store_, other}, 1, "already mounted by pid " + pid);
  ExpectRefused({"mkfs", "--force", store_}, 1, "mounted by pid " + pid);
  ExpectRefused({"fsck", store_}, 8, "mounted by pid " + pid);
}

TEST_F(MountingTest, WhatCannotBeMountedIsRefusedBeforeAnythingHappens) {
  ExpectRefused({"mount", store_, mountpoint_}, 1, "No such file");
  ExpectRefused({"mount", mountpoint_, directory_}, 1, "must not contain");
  MakeStore();
  ExpectRefused({"mount", store_, directory_ + "/missing"}, 1, "No such file");
  WriteFile(directory_ + "/plain", "");
  ExpectRefused({"mount", store_, directory_ + "/plain"}, 1, "not a directory");
  ExpectRefused({"mount", store_, store_}, 1, "must not contain");
  ExpectRefused({"mount", store_, directory_}, 1, "must not contain");
  ExpectRefused({"mount", "-o", "ro,writebak", store_, mountpoint_}, 2, "did you mean 'writeback'");
  std::string empty = directory_ + "/empty";
  ASSERT_TRUE(std::filesystem::create_directory(empty));
  ExpectRefused({"mount", empty, mountpoint_}, 1, "no siltfs store");
  EXPECT_FALSE(FindSiltfsMount(mountpoint_));
}

TEST_F(MountingTest, AReadOnlyMountChangesNothing) {
  MakeStore();
  Mount();
  WriteFile(mountpoint_ + "/file", "contents");
  Unmount();
  Mount("ro");
  EXPECT_EQ(ReadFile(mountpoint_ + "/file"), "contents");
  EXPECT_EQ(::open((mountpoint_ + "/new").c_str(), O_CREAT | O_WRONLY, 0600), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(Status().at("read_only"), true);
}

TEST_F(MountingTest, ABusyMountIsNotUnmountedAndGoesOn) {
  MakeStore();
  Mount();
  UniqueFd fd(::open((mountpoint_ + "/file").c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_TRUE(fd);
  ExpectRefused({"umount", mountpoint_}, 1, "in use");
  EXPECT_EQ(::write(fd.get(), "x", 1), 1);
  fd.Reset();
  Unmount();
  ExpectRefused({"umount", mountpoint_}, 1, "no siltfs is mounted there");
}

TEST_F(MountingTest, AKilledDaemonsMountIsReplaced) {
  MakeStore();
  Mount();
  WriteFile(mountpoint_ + "/file", "contents");
  struct stat st {};
  ASSERT_EQ(::stat(mountpoint_.c_str(), &st), 0);  // from now on the kernel has it cached
  Signal(SIGKILL);
  ASSERT_TRUE(IsDeadMount(mountpoint_));
  EXPECT_EQ(Siltfs({"status", mountpoint_}).exit_code, 0) << "verbs find the store of a dead mount";
  Mount();
  EXPECT_EQ(ReadFile(mountpoint_ + "/file"), "contents");
  Unmount();
  EXPECT_FALSE(FindMount(ReadMountinfo(), mountpoint_)) << "the dead mount below is gone too";
}

TEST_F(MountingTest, ADeadMountCanBeUnmounted) {
  MakeStore();
  Mount();
  Signal(SIGKILL);
  Unmount();
  EXPECT_FALSE(FindMount(ReadMountinfo(), mountpoint_));
}

TEST_F(MountingTest, SigtermUnmounts) {
  MakeStore();
  Mount();
  WriteFile(mountpoint_ + "/file", "contents");
  Signal(SIGTERM);
  EXPECT_FALSE(FindSiltfsMount(mountpoint_));
  Mount();
  EXPECT_EQ(ReadFile(mountpoint_ + "/file"), "contents");
}

TEST_F(MountingTest, SigtermWhileInUseServesTheLastUserToTheEnd) {
  MakeStore();
  Mount();
  UniqueFd fd(::open((mountpoint_ + "/file").c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_TRUE(fd);
  pid_t pid = DaemonPid();
  ProcessEnd end(pid);
  ASSERT_EQ(::kill(pid, SIGTERM), 0);
  // The name goes at once; the open file stays.
  while (FindSiltfsMount(mountpoint_)) ::sched_yield();
  EXPECT_EQ(::write(fd.get(), "late", 4), 4);
  EXPECT_FALSE(end.Wait(0));
  fd.Reset();
  ASSERT_TRUE(end.Wait(60));
  Mount();
  EXPECT_EQ(ReadFile(mountpoint_ + "/file"), "late");
}

TEST_F(MountingTest, TheMountHelperMountsAsMount8Asks) {
  MakeStore();
  Finished mounted = RunProgram("mount.siltfs", {store_, mountpoint_, "-n", "-o", "rw,noexec"});
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  EXPECT_THAT(FindSiltfsMount(mountpoint_)->options, HasSubstr("noexec"));
  EXPECT_EQ(RunProgram("mount.siltfs", {store_, mountpoint_}).exit_code, 32);
}

TEST_F(MountingTest, APathWithSpacesAndCommasWorks) {
  store_ = directory_ + "/a store, odd";
  mountpoint_ = directory_ + "/a mount\tpoint";
  ASSERT_TRUE(std::filesystem::create_directory(mountpoint_));
  MakeStore();
  Mount();
  EXPECT_EQ(FindSiltfsMount(mountpoint_)->source, store_);
  Finished status = Siltfs({"status", mountpoint_});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  Unmount();
}

}  // namespace
}  // namespace silt::mount
