// Which reads move the atime: relatime's rule, and strictatime's.
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

constexpr int64_t kDay = 24 * 60 * 60;

class AccessTimesTest : public FsTest {
 protected:
  void SetTimes(InodeNumber ino, Time atime, Time mtime) {
    AttributeChange change;
    change.atime = atime;
    change.mtime = mtime;
    change.ctime = mtime;  // or it would be that of this very change
    ASSERT_TRUE(fs->SetAttributes(ino, change));
  }
  Time Ago(int64_t seconds) {
    Time now = fs.options().now();
    return {.seconds = now.seconds - seconds, .nanoseconds = 0};
  }
};
SILT_FS_BACKENDS(AccessTimesTest);

TEST_P(AccessTimesTest, RelativeMovesWhatIsNotNewerThanTheLastChangeAndThenStays) {
  InodeNumber file = fs.File("f");
  SetTimes(file, Ago(100), Ago(50));
  EXPECT_TRUE(fs->AtimeIsDue(file, AtimeRule::kRelative));
  const Attributes before = fs.Stat(file);
  fs->Accessed(file, AtimeRule::kRelative);
  const Attributes after = fs.Stat(file);
  EXPECT_GT(after.atime, after.mtime);
  EXPECT_EQ(after.mtime, before.mtime);
  EXPECT_EQ(after.ctime, before.ctime) << "reading changes nothing of the file";
  EXPECT_FALSE(fs->AtimeIsDue(file, AtimeRule::kRelative));
  fs->Accessed(file, AtimeRule::kRelative);
  EXPECT_EQ(fs.Stat(file).atime, after.atime);
  fs.Reopen();
  EXPECT_EQ(fs.Stat(file).atime, after.atime);
}

TEST_P(AccessTimesTest, RelativeMovesWhatIsAsOldAsTheLastChangeOrADayOld) {
  InodeNumber file = fs.File("f");
  const Time same = Ago(50);
  SetTimes(file, same, same);
  EXPECT_TRUE(fs->AtimeIsDue(file, AtimeRule::kRelative));
  SetTimes(file, Ago(50), Ago(100));
  EXPECT_FALSE(fs->AtimeIsDue(file, AtimeRule::kRelative));
  SetTimes(file, Ago(kDay + 10), Ago(3 * kDay));
  EXPECT_TRUE(fs->AtimeIsDue(file, AtimeRule::kRelative));
}

TEST_P(AccessTimesTest, StrictMovesAlwaysAndNeverNever) {
  InodeNumber directory = fs.Directory("d");
  SetTimes(directory, Ago(10), Ago(100));
  const Time before = fs.Stat(directory).atime;
  fs->Accessed(directory, AtimeRule::kNever);
  EXPECT_FALSE(fs->AtimeIsDue(directory, AtimeRule::kNever));
  EXPECT_EQ(fs.Stat(directory).atime, before);
  EXPECT_TRUE(fs->AtimeIsDue(directory, AtimeRule::kStrict));
  fs->Accessed(directory, AtimeRule::kStrict);
  EXPECT_GT(fs.Stat(directory).atime, before);
}

TEST_P(AccessTimesTest, NothingHappensToWhatIsNotThere) {
  EXPECT_FALSE(fs->AtimeIsDue(987654, AtimeRule::kStrict));
  fs->Accessed(987654, AtimeRule::kStrict);
  fs.ExpectConsistent();
}

}  // namespace
}  // namespace silt::fs::test
