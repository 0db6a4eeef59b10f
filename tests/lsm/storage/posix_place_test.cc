// What may be in the place of a store's file, and in the place of its directory.
#include "lsm/storage/posix_place.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "lsm/filenames.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPrecious = "precious";

class PosixPlaceTest : public ::testing::Test {
 protected:
  PosixPlaceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "silt_place_XXXXXX").string();
    work_ = ::mkdtemp(pattern.data());
    dir_ = work_ + "/store";
    std::filesystem::create_directory(dir_);
    std::ofstream(Victim()) << kPrecious;
    directory_ = *Storage::Posix()->OpenDirectory(dir_);
    storage_ = directory_.get();
  }
  ~PosixPlaceTest() override { std::filesystem::remove_all(work_); }

  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }
  std::string Victim() const { return work_ + "/victim"; }
  static std::string TextOf(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void MakeSymlink(const std::string& name) { std::filesystem::create_symlink(Victim(), Path(name)); }
  void MakeFifo(const std::string& name) { ASSERT_EQ(::mkfifo(Path(name).c_str(), 0600), 0); }
  void MakeSocket(const std::string& name) { ASSERT_EQ(::mknod(Path(name).c_str(), S_IFSOCK | 0600, 0), 0); }
  void MakeHardLink(const std::string& name) { std::filesystem::create_hard_link(Victim(), Path(name)); }

  // In every way in which a file that is there can be opened.
  void ExpectRefused(const std::string& name, const std::string& kind) {
    EXPECT_THAT(storage_->NewRandomAccessFile(Path(name)).error().message(), HasSubstr(Path(name) + ": is " + kind));
    EXPECT_THAT(storage_->ReuseWritableFile(Path(name), Path("new")).error().message(), HasSubstr("is " + kind));
    EXPECT_THAT(storage_->LockFile(Path(name), "me").error().message(), HasSubstr("is " + kind));
    EXPECT_EQ(storage_->LockFile(Path(name), "me").error().code(), StatusCode::kIoError);
    EXPECT_THAT(storage_->SyncFile(Path(name)).message(), HasSubstr("is " + kind));
    EXPECT_THAT(storage_->FileSize(Path(name)).error().message(), HasSubstr("is " + kind));
    EXPECT_TRUE(storage_->FileExists(Path(name)));
    EXPECT_EQ(TextOf(Victim()), kPrecious);
  }

  std::string work_;
  std::string dir_;
  std::shared_ptr<Storage> directory_;
  Storage* storage_ = nullptr;
};

TEST_F(PosixPlaceTest, WhatIsNoRegularFileIsNotOpened) {
  MakeSymlink("link");
  ExpectRefused("link", "a symbolic link");
  std::filesystem::create_symlink(Path("nowhere"), Path("dangling"));
  ExpectRefused("dangling", "a symbolic link");
  EXPECT_FALSE(std::filesystem::exists(Path("nowhere")));
  MakeFifo("fifo");
  ExpectRefused("fifo", "a FIFO");
  MakeSocket("socket");
  ExpectRefused("socket", "a socket");
  std::filesystem::create_directory(Path("directory"));
  ExpectRefused("directory", "a directory");
}

TEST_F(PosixPlaceTest, WithoutADirectoryThatIsHeldLinksAreRefusedAllTheSame) {
  storage_ = Storage::Posix();
  MakeSymlink("link");
  ExpectRefused("link", "a symbolic link");
  MakeFifo("fifo");
  ExpectRefused("fifo", "a FIFO");
}

TEST_F(PosixPlaceTest, ANewFileReplacesWhatHasItsName) {
  MakeSymlink("link");
  MakeFifo("fifo");
  MakeHardLink("hard");
  for (const char* name : {"link", "fifo", "hard"}) {
    auto file = storage_->NewWritableFile(Path(name));
    ASSERT_TRUE(file) << file.error().ToString();
    ASSERT_TRUE((*file)->Append("mine").ok());
    struct stat st {};
    ASSERT_EQ(::lstat(Path(name).c_str(), &st), 0);
    EXPECT_TRUE(S_ISREG(st.st_mode) && st.st_nlink == 1) << name;
    EXPECT_EQ(TextOf(Path(name)), "mine");
    EXPECT_EQ(TextOf(Victim()), kPrecious);
  }
  std::filesystem::create_directory(Path("directory"));
  EXPECT_FALSE(storage_->NewWritableFile(Path("directory")));
}

TEST_F(PosixPlaceTest, AFileWithAnotherNameIsNotOverwritten) {
  MakeHardLink("000001.wal");
  auto reused = storage_->ReuseWritableFile(Path("000001.wal"), Path("000002.wal"));
  ASSERT_FALSE(reused);
  EXPECT_THAT(reused.error().message(), HasSubstr("has 2 names"));
  EXPECT_TRUE(storage_->SyncFile(Path("000001.wal")).ok());
  MakeHardLink("LOCK");
  {
    auto lock = storage_->LockFile(Path("LOCK"), "me");
    ASSERT_TRUE(lock) << lock.error().ToString();
    EXPECT_FALSE(storage_->LockFile(Path("LOCK"), "another"));
  }
  EXPECT_EQ(TextOf(Victim()), kPrecious);
}

TEST_F(PosixPlaceTest, ALinkInPlaceOfASubdirectoryIsNotFollowed) {
  std::filesystem::create_directory(work_ + "/elsewhere");
  std::filesystem::create_symlink(work_ + "/elsewhere", Path("lost"));
  EXPECT_FALSE(storage_->CreateDir(Path("lost")).ok());
  EXPECT_FALSE(storage_->NewWritableFile(Path("lost/a")));
  EXPECT_FALSE(storage_->ListDir(Path("lost")));
  std::filesystem::remove(Path("lost"));
  EXPECT_TRUE(storage_->CreateDir(Path("lost")).ok());
  EXPECT_TRUE(storage_->NewWritableFile(Path("lost/a")));
  EXPECT_TRUE(std::filesystem::exists(Path("lost/a")));
  EXPECT_THAT(*storage_->ListDir(Path("lost")), testing::ElementsAre("a"));
}

TEST_F(PosixPlaceTest, TheWayToADirectoryMayBeALink) {
  std::filesystem::create_symlink(dir_, work_ + "/way");
  auto storage = Storage::Posix()->OpenDirectory(work_ + "/way");
  ASSERT_TRUE(storage);
  EXPECT_TRUE((*storage)->NewWritableFile(work_ + "/way/a"));
  EXPECT_TRUE(std::filesystem::exists(Path("a")));
}

TEST_F(PosixPlaceTest, ARenamedDirectoryStaysTheOneThatWasOpened) {
  auto lock = storage_->LockFile(Path("LOCK"), "me");
  ASSERT_TRUE(storage_->NewWritableFile(Path("before")));
  std::filesystem::rename(dir_, work_ + "/renamed");
  std::filesystem::create_directory(dir_);
  ASSERT_TRUE(storage_->NewWritableFile(Path("after")));
  ASSERT_TRUE(storage_->RenameFile(Path("before"), Path("moved")).ok());
  ASSERT_TRUE(storage_->LinkFile(Path("moved"), Path("linked")).ok());
  ASSERT_TRUE(storage_->CreateDir(Path("lost")).ok());
  ASSERT_TRUE(storage_->SyncDir(dir_).ok());
  EXPECT_TRUE(storage_->FileExists(Path("linked")));
  ASSERT_TRUE(storage_->DeleteFile(Path("linked")).ok());
  EXPECT_TRUE(storage_->Space(dir_));
  EXPECT_THAT(*storage_->ListDir(dir_), testing::UnorderedElementsAre("LOCK", "after", "moved", "lost"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_)) << "the directory that has the old name now";
  EXPECT_TRUE((*lock)->StillHeld().ok());
}

TEST_F(PosixPlaceTest, ADeletedDirectoryIsNoticed) {
  auto lock = storage_->LockFile(Path("LOCK"), "me");
  ASSERT_TRUE(lock);
  std::filesystem::remove_all(dir_);
  EXPECT_EQ((*lock)->StillHeld().code(), StatusCode::kIoError);
  Status made = storage_->NewWritableFile(Path("a")).error();
  EXPECT_EQ(made.code(), StatusCode::kIoError) << "not kNotFound, which could pass for an answer";
  EXPECT_THAT(made.message(), HasSubstr("was deleted"));
  std::filesystem::create_directory(dir_);
  EXPECT_FALSE(storage_->NewWritableFile(Path("a")));
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

TEST_F(PosixPlaceTest, ALockThatWasReplacedIsNotHeldAnyMore) {
  auto lock = storage_->LockFile(Path("LOCK"), "me");
  EXPECT_TRUE((*lock)->StillHeld().ok());
  std::filesystem::rename(Path("LOCK"), Path("moved"));
  EXPECT_FALSE((*lock)->StillHeld().ok());
  auto other = storage_->LockFile(Path("LOCK"), "another");
  ASSERT_TRUE(other);
  EXPECT_FALSE((*lock)->StillHeld().ok());
  EXPECT_TRUE((*other)->StillHeld().ok());
}

TEST_F(PosixPlaceTest, WhatIsMountedInPlaceOfAFileIsNotOpened) {
  std::ofstream(Path("a")) << "mine";
  if (::mount(Victim().c_str(), Path("a").c_str(), nullptr, MS_BIND, nullptr) != 0) GTEST_SKIP() << "only root mounts";
  auto file = storage_->NewRandomAccessFile(Path("a"));
  EXPECT_EQ(::umount2(Path("a").c_str(), UMOUNT_NOFOLLOW), 0);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message(), HasSubstr("on another filesystem"));
  EXPECT_TRUE(storage_->NewRandomAccessFile(Path("a")));
}

TEST_F(PosixPlaceTest, PathsAreTakenAsPathsAre) {
  PosixRoot none;
  for (const char* path : {"/", "/tmp", "/tmp/", "tmp", ".", "./"}) {
    struct stat by_path {};
    struct stat by_place {};
    Place place = none.Find(path);
    bool there = ::stat(path, &by_path) == 0;
    ASSERT_EQ(place && ::fstatat(place.directory(), place.name(), &by_place, 0) == 0, there) << path;
    EXPECT_EQ(by_path.st_ino, by_place.st_ino) << path;
  }
  EXPECT_FALSE(none.Find(work_ + "/missing/a"));
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace silt::lsm
