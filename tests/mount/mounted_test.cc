// What the adapter adds to the filesystem: listings with dots and offsets, what the kernel caches, verbs on a live
// mount.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "mount/unique_fd.h"
#include "program.h"

namespace silt::mount {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MountedTest : public ProgramTest {
 protected:
  void SetUp() override {
    MakeStore();
    Mount();
  }

  std::string Path(const std::string& name) const { return mountpoint_ + "/" + name; }
  void Touch(const std::string& name) { WriteFile(Path(name), ""); }

  uint64_t Requests(const std::string& kind) {
    Finished stats = Siltfs({"stats", "--json", mountpoint_});
    EXPECT_EQ(stats.exit_code, 0) << stats.err;
    return nlohmann::json::parse(stats.out).at("requests").at(kind).get<uint64_t>();
  }
};

TEST_F(MountedTest, AListingHasTheDotsThenNamesInTheOrderOfCreation) {
  for (const char* name : {"c", "a", "b"}) Touch(name);
  EXPECT_THAT(List(mountpoint_), ElementsAre(".", "..", "c", "a", "b"));
}

TEST_F(MountedTest, AListingIsFreshAfterEveryChange) {
  for (int i = 0; i < 3; ++i) {
    std::string name = "f" + std::to_string(i);
    Touch(name);
    EXPECT_THAT(List(mountpoint_), ElementsAre(".", "..", name));
    EXPECT_THAT(List(mountpoint_), ElementsAre(".", "..", name)) << "listed from what the kernel kept";
    ASSERT_EQ(::rename(Path(name).c_str(), Path("moved").c_str()), 0);
    EXPECT_THAT(List(mountpoint_), ElementsAre(".", "..", "moved"));
    ASSERT_EQ(::unlink(Path("moved").c_str()), 0);
    EXPECT_THAT(List(mountpoint_), ElementsAre(".", ".."));
  }
}

TEST_F(MountedTest, AListingThatIsCutUpGivesEachNameOnceThoughOthersGo) {
  constexpr int kFiles = 2000;
  for (int i = 0; i < kFiles; ++i) Touch("f" + std::to_string(i));
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(mountpoint_.c_str()), &::closedir);
  std::multiset<std::string> seen;
  for (int i = 0; const dirent* entry = ::readdir(dir.get()); ++i) {
    seen.insert(entry->d_name);
    // Names before and after the place of the reader go; those with odd numbers stay.
    if (i % 2 == 0 && i < kFiles) ::unlink(Path("f" + std::to_string(i)).c_str());
  }
  for (int i = 1; i < kFiles; i += 2) EXPECT_EQ(seen.count("f" + std::to_string(i)), 1u) << i;
  EXPECT_EQ(List(mountpoint_).size(), 2u + kFiles / 2);
}

TEST_F(MountedTest, SeekdirGoesBackToWhereTelldirWas) {
  for (int i = 0; i < 100; ++i) Touch("f" + std::to_string(i));
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(mountpoint_.c_str()), &::closedir);
  std::vector<std::pair<long, std::string>> places;
  for (long place = ::telldir(dir.get());; place = ::telldir(dir.get())) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    places.emplace_back(place, entry->d_name);
  }
  ASSERT_EQ(places.size(), 102u);
  std::reverse(places.begin(), places.end());
  for (const auto& [place, name] : places) {
    ::seekdir(dir.get(), place);
    const dirent* entry = ::readdir(dir.get());
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->d_name, name);
  }
}

TEST_F(MountedTest, WhatTheKernelKnowsItDoesNotAskAgain) {
  WriteFile(Path("file"), "contents");
  EXPECT_EQ(ReadFile(Path("file")), "contents");
  struct stat st {};
  ASSERT_EQ(::stat(Path("file").c_str(), &st), 0);
  ASSERT_EQ(::stat(Path("missing").c_str(), &st), -1);
  uint64_t lookups = Requests("lookup");
  uint64_t getattrs = Requests("getattr");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(ReadFile(Path("file")), "contents");
    EXPECT_EQ(::stat(Path("file").c_str(), &st), 0);
    EXPECT_EQ(::stat(Path("missing").c_str(), &st), -1);
  }
  EXPECT_EQ(Requests("lookup"), lookups);
  EXPECT_EQ(Requests("getattr"), getattrs);
  EXPECT_LE(Requests("open"), 1u);
  EXPECT_LE(Requests("flush"), 1u);
}

TEST_F(MountedTest, OpeningWithTruncTruncates) {
  WriteFile(Path("file"), std::string(8192, 'x'));
  UniqueFd fd(::open(Path("file").c_str(), O_WRONLY | O_TRUNC));
  struct stat st {};
  ASSERT_EQ(::fstat(fd.get(), &st), 0);
  EXPECT_EQ(st.st_size, 0);
  fd.Reset();
  EXPECT_EQ(ReadFile(Path("file")), "");
}

TEST_F(MountedTest, ExtendedAttributesAreAskedForBySize) {
  Touch("file");
  ASSERT_EQ(::setxattr(Path("file").c_str(), "user.name", "value", 5, 0), 0);
  EXPECT_EQ(::getxattr(Path("file").c_str(), "user.name", nullptr, 0), 5);
  char small[2], enough[16];
  EXPECT_EQ(::getxattr(Path("file").c_str(), "user.name", small, sizeof(small)), -1);
  EXPECT_EQ(errno, ERANGE);
  ASSERT_EQ(::getxattr(Path("file").c_str(), "user.name", enough, sizeof(enough)), 5);
  EXPECT_EQ(std::memcmp(enough, "value", 5), 0);
  char list[64];
  ASSERT_EQ(::listxattr(Path("file").c_str(), list, sizeof(list)), 10);
  EXPECT_STREQ(list, "user.name");
  EXPECT_EQ(::getxattr(Path("file").c_str(), "user.none", enough, sizeof(enough)), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(MountedTest, TimesAreKeptToTheNanosecond) {
  Touch("file");
  timespec times[2] = {{1234567890, 123456789}, {-5, 987654321}};
  ASSERT_EQ(::utimensat(AT_FDCWD, Path("file").c_str(), times, 0), 0);
  struct stat st {};
  ASSERT_EQ(::stat(Path("file").c_str(), &st), 0);
  EXPECT_EQ(st.st_atim.tv_nsec, 123456789);
  EXPECT_EQ(st.st_mtim.tv_sec, -5);
  EXPECT_EQ(st.st_mtim.tv_nsec, 987654321);
}

TEST_F(MountedTest, AnUnlinkedOpenFileStaysUsable) {
  UniqueFd fd(::open(Path("file").c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_EQ(::unlink(Path("file").c_str()), 0);
  ASSERT_EQ(::pwrite(fd.get(), "still", 5, 0), 5);
  char buffer[8];
  EXPECT_EQ(::pread(fd.get(), buffer, sizeof(buffer), 0), 5);
}

TEST_F(MountedTest, VerbsGoThroughTheDaemon) {
  WriteFile(Path("file-to-find"), "contents");
  for (const std::string& target : {store_, mountpoint_}) {
    for (const char* verb : {"status", "stats", "scrub", "compact"}) {
      Finished finished = Siltfs({verb, target});
      EXPECT_EQ(finished.exit_code, 0) << verb << finished.err;
    }
    EXPECT_THAT(Siltfs({"debug", "keys", "--prefix", "N", target}).out, HasSubstr("\"file-to-find\""));
  }
  nlohmann::json status = Status();
  EXPECT_EQ(status.at("mounted"), true);
  EXPECT_EQ(status.at("mountpoint"), mountpoint_);
  EXPECT_GE(status.at("inodes_live").get<uint64_t>(), 1u);
}

TEST_F(MountedTest, BenchMeasuresAndCleansUp) {
  Finished bench = Siltfs({"bench", "--files", "50", "--size", "2M", "--syncs", "3", "--alone", "--json", mountpoint_});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  nlohmann::json rows = nlohmann::json::parse(bench.out);
  EXPECT_GE(rows.size(), 10u);
  for (const auto& row : rows) EXPECT_GT(row.at("seconds").get<double>(), 0) << row;
  EXPECT_THAT(List(mountpoint_), ElementsAre(".", ".."));
}

}  // namespace
}  // namespace silt::mount
