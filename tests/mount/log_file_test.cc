#include "mount/log_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "mount/daemon_log.h"
#include "tests/mount/temporary_directory.h"

namespace silt::mount {
namespace {

class LogFileTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  static std::string TextOf(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(const std::string& line, size_t max_bytes = 1 << 20) {
    auto file = LogFile::Open(fd_.get(), "siltfs.log", max_bytes, 2);
    ASSERT_TRUE(file);
    spdlog::logger log("test", file);
    log.set_pattern("%v");
    log.info("{}", line);
  }

  TemporaryDirectory directory_;
  const UniqueFd fd_{::open(directory_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
};

TEST_F(LogFileTest, LinesAreAppended) {
  Write("one");
  Write("two");
  EXPECT_EQ(TextOf(Path("siltfs.log")), "one\ntwo\n");
  struct stat st {};
  ASSERT_EQ(::stat(Path("siltfs.log").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(LogFileTest, AFullFileIsPutAsideAndTheOldestGoes) {
  for (const char* line : {"first", "second", "third", "fourth"}) Write(line, 5);
  EXPECT_EQ(TextOf(Path("siltfs.log")), "fourth\n");
  EXPECT_EQ(TextOf(Path("siltfs.1.log")), "third\n");
  EXPECT_EQ(TextOf(Path("siltfs.2.log")), "second\n");
  EXPECT_FALSE(std::filesystem::exists(Path("siltfs.3.log")));
}

TEST_F(LogFileTest, WhatIsNotItsOwnFileIsReplaced) {
  std::ofstream(Path("victim")) << "precious";
  const std::string name = Path("siltfs.log");
  const std::vector<std::function<void()>> others = {
      [&] { std::filesystem::create_symlink(Path("victim"), name); },
      [&] { std::filesystem::create_hard_link(Path("victim"), name); },
      [&] { ASSERT_EQ(::mkfifo(name.c_str(), 0600), 0); },
  };
  for (const auto& make : others) {
    std::filesystem::remove(name);
    make();
    Write("line");
    EXPECT_EQ(TextOf(name), "line\n");
    EXPECT_EQ(TextOf(Path("victim")), "precious");
  }
}

TEST_F(LogFileTest, ItStaysInADirectoryThatIsRenamed) {
  auto log = OpenDaemonLog(fd_.get(), "info", /*foreground=*/false);
  const std::string renamed = directory_.path() + "-renamed";
  std::filesystem::rename(directory_.path(), renamed);
  std::filesystem::create_directory(directory_.path());
  log->info("later");
  EXPECT_THAT(TextOf(renamed + "/siltfs.log"), testing::HasSubstr("later"));
  Write("reopened");
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  std::filesystem::remove_all(renamed);
}

TEST_F(LogFileTest, WithoutAPlaceForItALogGoesNowhere) {
  std::filesystem::create_directory(Path("siltfs.log"));
  EXPECT_FALSE(LogFile::Open(fd_.get(), "siltfs.log", 1 << 20, 2));
  OpenDaemonLog(fd_.get(), "info", /*foreground=*/false)->info("nowhere");
}

}  // namespace
}  // namespace silt::mount
