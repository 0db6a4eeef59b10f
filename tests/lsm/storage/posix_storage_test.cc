// What only the machine's disk does: locks between processes, errors of the kernel.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "lsm/filenames.h"
#include "lsm/storage/append_window.h"
#include "lsm/storage/posix_util.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {
namespace {

using ::testing::HasSubstr;

class PosixStorageTest : public ::testing::Test {
 protected:
  PosixStorageTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "silt_posix_XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  ~PosixStorageTest() override { std::filesystem::remove_all(dir_); }
  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }

  Storage* storage_ = Storage::Posix();
  std::string dir_;
};

// Runs `body` in a child process and returns its exit code.
template <class Body>
int InChild(Body&& body) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(PosixStorageTest, AnotherProcessIsToldWhoHoldsTheLock) {
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  pid_t holder = ::fork();
  if (holder == 0) {
    auto lock = storage_->LockFile(Path("LOCK"), "pid 7, mounted at /mnt/silt");
    char byte = lock ? 'y' : 'n';
    bool told = ::write(ready[1], &byte, 1) == 1 && ::read(done[0], &byte, 1) == 1;
    ::_exit(told ? 0 : 1);  // without running destructors: the lock must die with the process
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  auto second = storage_->LockFile(Path("LOCK"), "me");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), StatusCode::kBusy);
  EXPECT_THAT(second.error().message(), HasSubstr("held by pid 7, mounted at /mnt/silt"));
  ASSERT_EQ(::write(done[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(holder, &status, 0), holder);
  EXPECT_TRUE(storage_->LockFile(Path("LOCK"), "me")) << "the holder is dead";
  for (int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
}

TEST_F(PosixStorageTest, RefusedLocksDoNotLoosenTheFirst) {
  auto lock = storage_->LockFile(Path("LOCK"), "first");
  ASSERT_TRUE(lock);
  ASSERT_FALSE(storage_->LockFile(Path("LOCK"), "second"));
  // With POSIX record locks the failed attempt's close would have dropped the lock.
  int code = InChild([&] {
    int fd = ::open(Path("LOCK").c_str(), O_RDWR | O_CLOEXEC);
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    return ::fcntl(fd, F_OFD_SETLK, &range) == 0 ? 1 : 0;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(PosixStorageTest, ReleasedLocksLeaveNoDescription) {
  { auto lock = storage_->LockFile(Path("LOCK"), "gone"); }
  EXPECT_EQ(storage_->FileSize(Path("LOCK")), 0u);
}

TEST_F(PosixStorageTest, NobodyElseMayReadTheFiles) {
  ASSERT_TRUE(storage_->NewWritableFile(Path("a")));
  ASSERT_TRUE(storage_->CreateDir(Path("d")).ok());
  struct stat info {};
  ASSERT_EQ(::stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u);
  ASSERT_EQ(::stat(Path("d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u);
}

TEST_F(PosixStorageTest, DescriptorsAreNotInherited) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error).string() != Path("a")) continue;
    int fd = std::stoi(entry.path().filename().string());
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    return;
  }
  FAIL() << "the descriptor was not found";
}

TEST_F(PosixStorageTest, ErrorsNameCallFileAndReason) {
  Status status = storage_->DeleteFile(Path("none"));
  EXPECT_EQ(status.message(), "unlink: " + Path("none") + ": No such file or directory");
  EXPECT_EQ(ErrnoStatus("pwrite", "/f", ENOSPC).code(), StatusCode::kNoSpace);
  EXPECT_EQ(ErrnoStatus("pwrite", "/f", EDQUOT).code(), StatusCode::kNoSpace);
  EXPECT_EQ(ErrnoStatus("pwrite", "/f", EIO).code(), StatusCode::kIoError);
}

TEST_F(PosixStorageTest, AFullDiskIsNoSpace) {
  UniqueFd full = OpenRetry("/dev/full", O_WRONLY);
  ASSERT_TRUE(full);
  Status status = WriteFully(full.get(), "/dev/full", 0, "x");
  EXPECT_EQ(status.code(), StatusCode::kNoSpace);
  EXPECT_EQ(status.message(), "pwrite: /dev/full: No space left on device");
}

// For the rest of this process: writes beyond fail, and nobody is killed for it.
bool LimitFilesTo(rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit {
    .rlim_cur = bytes, .rlim_max = bytes
  };
  return ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

// A write that is cut short by a limit in its middle: the first part goes in, the rest fails.
TEST_F(PosixStorageTest, ShortWritesAreFinishedOrFailWithThePositionUnchanged) {
  int code = InChild([&] {
    if (!LimitFilesTo(10000)) return 1;
    auto file = storage_->NewWritableFile(Path("a"));
    if (!file || !(*file)->Append(std::string(6000, 'a')).ok()) return 2;
    if ((*file)->Append(std::string(6000, 'b')).code() != StatusCode::kIoError) return 3;
    if ((*file)->Position() != 6000) return 4;
    if (storage_->FileSize(Path("a")) != 10000u) return 5;
    if (!(*file)->Truncate(6000).ok() || !(*file)->Append(std::string(4000, 'c')).ok()) return 6;
    return 0;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(ReadFileToString(storage_, Path("a")), std::string(6000, 'a') + std::string(4000, 'c'));
}

TEST_F(PosixStorageTest, PiecesAreWrittenAsIfTheyWereOne) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->Append("before").ok());
  std::string expected = "before";
  // Empty ones, many small ones, one that takes several calls, and nothing at all.
  std::vector<std::string> data;
  for (size_t i = 0; i < 500; ++i) data.emplace_back(i % 7 * 100, static_cast<char>('a' + i % 26));
  data.emplace_back(700'000, 'A');
  data.emplace_back("end");
  for (const std::string& piece : data) expected += piece;
  std::vector<std::string_view> pieces(data.begin(), data.end());
  ASSERT_TRUE((*file)->AppendPieces(pieces).ok());
  ASSERT_TRUE((*file)->AppendPieces({}).ok());
  EXPECT_EQ((*file)->Position(), expected.size());
  EXPECT_TRUE(ReadFileToString(storage_, Path("a")) == expected);
}

TEST_F(PosixStorageTest, PiecesThatDoNotFitLeaveThePosition) {
  int code = InChild([&] {
    if (!LimitFilesTo(10000)) return 1;
    auto file = storage_->NewWritableFile(Path("a"));
    std::string a(6000, 'a');
    std::vector<std::string_view> fit = {a, "b"};
    std::vector<std::string_view> too_many = {"x", a, a};
    if (!file || !(*file)->AppendPieces(fit).ok() || (*file)->Position() != 6001) return 2;
    if ((*file)->AppendPieces(too_many).code() != StatusCode::kIoError) return 3;
    return (*file)->Position() == 6001 ? 0 : 4;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(PosixStorageTest, PreallocationFailsBeforeItHarmsAnything) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->Append("data").ok());
  auto space = storage_->Space(dir_);
  ASSERT_TRUE(space);
  Status status = (*file)->Preallocate(space->total_bytes + (uint64_t{1} << 40));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(Path("a")));
  ASSERT_TRUE((*file)->Truncate(4).ok());
  EXPECT_EQ(ReadFileToString(storage_, Path("a")), "data");
}

TEST_F(PosixStorageTest, OneThreadAppendsWhileAnotherSyncs) {
  auto opened = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(opened);
  WritableFile& file = **opened;
  std::thread syncer([&] {
    while (file.Position() < 100000) ASSERT_TRUE(file.Sync().ok());
  });
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(file.Append(std::string(100, 'x')).ok());
  syncer.join();
  EXPECT_EQ(storage_->FileSize(Path("a")), 100000u);
}

// ---- Small appends, which go through a window in memory where the filesystem suits it

constexpr uint64_t kPreallocated = 3 << 20;

class AppendWindowTest : public PosixStorageTest {
 protected:
  void SetUp() override {
    UniqueFd fd = OpenRetry(dir_, O_RDONLY);
    if (!AppendWindow::Suits(fd.get())) GTEST_SKIP() << dir_ << " is on a filesystem without windows";
  }
  std::unique_ptr<WritableFile> Preallocated(const std::string& name) {
    auto file = storage_->NewWritableFile(Path(name));
    EXPECT_TRUE(file);
    EXPECT_TRUE((*file)->Preallocate(kPreallocated).ok());
    return std::move(*file);
  }
  bool IsMapped(const std::string& name) {
    std::ifstream file("/proc/self/maps");
    std::string maps{std::istreambuf_iterator<char>(file), {}};
    return maps.find(Path(name)) != std::string::npos;
  }
  // What the file holds below `size`.
  std::string Head(const std::string& name, size_t size) {
    std::string head(size, '?');
    auto file = storage_->NewRandomAccessFile(Path(name));
    EXPECT_TRUE(file);
    EXPECT_EQ((*file)->Read(0, head), size);
    return head;
  }
  std::string Record(size_t size) { return std::string(size, static_cast<char>('a' + records_++ % 26)); }
  std::string AppendSmall(WritableFile* file, int count) {
    std::string appended;
    for (int i = 0; i < count; ++i) {
      std::string record = Record(50 + static_cast<size_t>(i) % 100);
      EXPECT_TRUE(file->Append(record).ok());
      appended += record;
    }
    return appended;
  }

 private:
  int records_ = 0;
};

TEST_F(AppendWindowTest, AppendsOfAllSizesStandInTheirOrder) {
  auto file = Preallocated("a");
  std::string expected = AppendSmall(file.get(), 100);
  EXPECT_TRUE(IsMapped("a"));
  // Over the windows' ends, with large ones among them, and on behind what was preallocated.
  for (int i = 0; expected.size() < kPreallocated + 100'000; ++i) {
    expected += AppendSmall(file.get(), 1000);
    std::string record = Record(i % 2 == 0 ? 40'000 : 300'000);
    ASSERT_TRUE(file->Append(record).ok());
    expected += record;
    if (i % 3 == 0) {
      ASSERT_TRUE(file->Sync().ok());
    }
  }
  EXPECT_EQ(file->Position(), expected.size());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_FALSE(IsMapped("a"));
  EXPECT_TRUE(Head("a", expected.size()) == expected);
}

TEST_F(AppendWindowTest, KilledTheProcessLosesNothingThatWasAppended) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto file = Preallocated("a");
    std::string expected = AppendSmall(file.get(), 20'000);
    uint64_t size = IsMapped("a") ? expected.size() : 0;
    if (::write(ready[1], &size, sizeof size) == sizeof size) ::raise(SIGKILL);
    ::_exit(1);
  }
  uint64_t size = 0;
  ASSERT_EQ(::read(ready[0], &size, sizeof size), static_cast<ssize_t>(sizeof size));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  auto again = Preallocated("b");
  std::string expected = AppendSmall(again.get(), 20'000);
  ASSERT_EQ(size, expected.size());
  EXPECT_TRUE(Head("a", size) == expected);
  for (int fd : ready) ::close(fd);
}

TEST_F(AppendWindowTest, AfterATruncateAppendsGoOnFromThere) {
  auto file = Preallocated("a");
  std::string expected = AppendSmall(file.get(), 1000);
  expected.resize(20'000);
  ASSERT_TRUE(file->Truncate(expected.size()).ok());
  EXPECT_FALSE(IsMapped("a"));
  expected += AppendSmall(file.get(), 1000);
  EXPECT_EQ(ReadFileToString(storage_, Path("a")), expected);
}

TEST_F(AppendWindowTest, AFileThatIsUsedAgainIsOverwrittenFromItsStart) {
  std::string old = AppendSmall(Preallocated("a").get(), 3000);
  auto file = storage_->ReuseWritableFile(Path("a"), Path("b"));
  ASSERT_TRUE(file);
  std::string expected = AppendSmall(file->get(), 1000);
  EXPECT_TRUE(IsMapped("b"));
  EXPECT_TRUE(Head("b", old.size()) == expected + old.substr(expected.size()));
}

// Where a hole is filled, space may run out: that is for write(2) to report.
TEST_F(AppendWindowTest, AFileWithHolesGetsNoWindow) {
  {
    UniqueFd fd = OpenRetry(Path("a"), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(fd.get(), kPreallocated), 0);
  }
  auto file = storage_->ReuseWritableFile(Path("a"), Path("b"));
  ASSERT_TRUE(file);
  std::string expected = AppendSmall(file->get(), 1000);
  EXPECT_FALSE(IsMapped("b"));
  EXPECT_TRUE(Head("b", expected.size()) == expected);
}

// Each sync makes the pages that it wrote cost a fault again.
TEST_F(AppendWindowTest, WhoSyncsOftenGetsNoWindow) {
  auto file = Preallocated("a");
  for (int i = 0; i < 30; ++i) {
    AppendSmall(file.get(), 10);
    ASSERT_TRUE(file->Sync().ok());
  }
  EXPECT_FALSE(IsMapped("a"));
}

// The host raises SIGBUS at the first touch of a page that the file has no more, as it does when its disk fails.
TEST_F(AppendWindowTest, WhatTheWindowCannotTakeIsWritten) {
  auto file = Preallocated("a");
  std::string expected = AppendSmall(file.get(), 100);
  ASSERT_TRUE(IsMapped("a"));
  ASSERT_EQ(::truncate(Path("a").c_str(), 0), 0);
  std::string lost(expected.size(), '\0');
  std::string rest = AppendSmall(file.get(), 1000);
  EXPECT_EQ(file->Position(), expected.size() + rest.size());
  EXPECT_FALSE(IsMapped("a"));
  EXPECT_EQ(ReadFileToString(storage_, Path("a")), lost + rest);
}

TEST_F(AppendWindowTest, OtherBusErrorsGoToWhoHandledThemBefore) {
  auto touch_behind_the_end = [&](auto&& before) {
    pid_t child = ::fork();
    if (child == 0) {
      before();
      AppendSmall(Preallocated("a").get(), 100);  // with the first window comes the handler
      UniqueFd fd = OpenRetry(Path("b"), O_RDWR | O_CREAT, 0600);
      void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
      if (memory == MAP_FAILED) ::_exit(1);
      *static_cast<volatile char*>(memory) = 'x';
      ::_exit(2);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  };
  int unhandled = touch_behind_the_end([] { ::signal(SIGBUS, SIG_DFL); });
  EXPECT_TRUE(WIFSIGNALED(unhandled) && WTERMSIG(unhandled) == SIGBUS) << unhandled;
  int handled = touch_behind_the_end([] { ::signal(SIGBUS, [](int) { ::_exit(77); }); });
  EXPECT_TRUE(WIFEXITED(handled) && WEXITSTATUS(handled) == 77) << handled;
}

}  // namespace
}  // namespace silt::lsm
