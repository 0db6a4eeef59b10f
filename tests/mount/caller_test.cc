// Who sent a request, from /proc.
#include "mount/caller.h"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace silt::mount {
namespace {

TEST(CallerTest, ParsesWhatProcTells) {
  auto credentials = ParseCredentials(
      "Name:\tGroups: 5\nPid:\t1\nGroups:\t4 24 1000 \nNgid:\t0\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n");
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->groups, (std::vector<gid_t>{4, 24, 1000}));
  EXPECT_EQ(credentials->capabilities, 0x1ffffffffffu);
}

TEST(CallerTest, NoGroupsAreNoMistakeButAMissingLineIs) {
  auto none = ParseCredentials("Groups:\t \nCapEff:\t0000000000000010\n");
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->groups.empty());
  EXPECT_EQ(none->capabilities, 16u);
  EXPECT_FALSE(ParseCredentials("Groups:\t1\n"));
  EXPECT_FALSE(ParseCredentials("CapEff:\t1\n"));
  EXPECT_FALSE(ParseCredentials(""));
}

TEST(CallerTest, ThisThreadIsWhoItIs) {
  CallingThread self(::getpid());
  std::vector<gid_t> groups(static_cast<size_t>(::getgroups(0, nullptr)));
  ASSERT_EQ(::getgroups(static_cast<int>(groups.size()), groups.data()), static_cast<int>(groups.size()));
  for (gid_t group : groups) EXPECT_TRUE(self.InGroup(group));
  EXPECT_FALSE(self.InGroup(4'000'000'000));
}

TEST(CallerTest, ParsesSystemCalls) {
  EXPECT_EQ(ParseSystemCall("92 0x7ffe 0x3e8 0x3e8 0x0 0x0 0x0 0x7ffc 0x7f00\n"), 92);
  EXPECT_EQ(ParseSystemCall("-1 0x7ffc 0x7f00\n"), -1);
  EXPECT_EQ(ParseSystemCall("running\n"), std::nullopt);
  EXPECT_EQ(ParseSystemCall(""), std::nullopt);
}

TEST(CallerTest, AThreadInAnotherCallChangesNoOwner) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte;
    ::close(ends[1]);
    ::_exit(::read(ends[0], &byte, 1) == 0 ? 0 : 1);  // until the parent closes its end
  }
  ASSERT_GT(child, 0);
  EXPECT_EQ(CallingThread(child).IsChangingOwner(), false);
  ::close(ends[1]);
  ::close(ends[0]);
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(CallingThread(0).IsChangingOwner(), std::nullopt);
  EXPECT_EQ(CallingThread(child).IsChangingOwner(), std::nullopt);
}

TEST(CallerTest, WhoIsNotToBeSeenHasNoRights) {
  for (pid_t pid : {pid_t{0}, pid_t{-1}, pid_t{1 << 30}}) {
    EXPECT_FALSE(CallingThread(pid).HasCapability(CAP_FSETID)) << pid;
    EXPECT_FALSE(CallingThread(pid).InGroup(0)) << pid;
  }
}

}  // namespace
}  // namespace silt::mount
