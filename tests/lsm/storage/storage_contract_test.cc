// What every Storage must do alike: the machine's disk and the simulated one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

enum class Which { kPosix, kPosixDirectory, kSim };

class StorageContractTest : public ::testing::TestWithParam<Which> {
 protected:
  StorageContractTest() {
    if (GetParam() == Which::kSim) {
      storage_ = &sim_;
      dir_ = "/dir";
      EXPECT_TRUE(storage_->CreateDir(dir_).ok());
    } else {
      storage_ = Storage::Posix();
      std::string pattern = (std::filesystem::temp_directory_path() / "silt_storage_XXXXXX").string();
      dir_ = ::mkdtemp(pattern.data());
      if (GetParam() == Which::kPosixDirectory) {
        directory_ = *storage_->OpenDirectory(dir_);
        storage_ = directory_.get();
      }
    }
  }
  ~StorageContractTest() override {
    if (GetParam() != Which::kSim) std::filesystem::remove_all(dir_);
  }

  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }
  void Write(const std::string& name, std::string_view data) {
    auto file = storage_->NewWritableFile(Path(name));
    ASSERT_TRUE(file) << file.error().ToString();
    ASSERT_TRUE((*file)->Append(data).ok());
    ASSERT_TRUE((*file)->Close().ok());
  }
  std::string Contents(const std::string& name) {
    auto data = ReadFileToString(storage_, Path(name));
    return data ? *data : data.error().ToString();
  }

  SimStorage sim_;
  std::shared_ptr<Storage> directory_;
  Storage* storage_ = nullptr;
  std::string dir_;
};

TEST_P(StorageContractTest, AppendsAreReadBackWithoutSync) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->Position(), 0u);
  std::string big(300000, 'b');
  ASSERT_TRUE((*file)->Append("hello ").ok());
  ASSERT_TRUE((*file)->Append("").ok());
  ASSERT_TRUE((*file)->Append(big).ok());
  EXPECT_EQ((*file)->Position(), 300006u);
  (*file)->StartWriteback(200000);
  EXPECT_EQ(Contents("a"), "hello " + big);
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(storage_->FileSize(Path("a")), 300006u);
}

TEST_P(StorageContractTest, ReadsAreShortOnlyAtTheEnd) {
  Write("a", "0123456789");
  auto file = storage_->NewRandomAccessFile(Path("a"));
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->Size(), 10u);
  std::string out(4, '?');
  EXPECT_EQ((*file)->Read(2, out), 4u);
  EXPECT_EQ(out, "2345");
  EXPECT_EQ((*file)->Read(8, out), 2u);
  EXPECT_EQ(out.substr(0, 2), "89");
  EXPECT_EQ((*file)->Read(10, out), 0u);
  EXPECT_EQ((*file)->Read(1000, out), 0u);
  (*file)->Advise(0, 10, AccessPattern::kSequential);
  (*file)->Advise(0, 10, AccessPattern::kRandom);
  (*file)->Advise(0, 10, AccessPattern::kDontNeed);
  (*file)->Advise(0, 10, AccessPattern::kNormal);
  (*file)->Prefetch(0, 10);
}

TEST_P(StorageContractTest, CreatingAgainTruncates) {
  Write("a", "long contents");
  Write("a", "short");
  EXPECT_EQ(Contents("a"), "short");
}

TEST_P(StorageContractTest, TruncateMovesThePosition) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->Append("0123456789").ok());
  ASSERT_TRUE((*file)->Truncate(4).ok());
  EXPECT_EQ((*file)->Position(), 4u);
  ASSERT_TRUE((*file)->Append("X").ok());
  EXPECT_EQ(Contents("a"), "0123X");
}

TEST_P(StorageContractTest, PreallocatedSpaceReadsAsZerosAndKeepsThePosition) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->Append("abc").ok());
  ASSERT_TRUE((*file)->Preallocate(10000).ok());
  EXPECT_EQ((*file)->Position(), 3u);
  ASSERT_TRUE((*file)->Append("def").ok());
  EXPECT_EQ(Contents("a"), "abcdef" + std::string(9994, '\0'));
}

TEST_P(StorageContractTest, ReusedFilesAreOverwrittenFromTheStartAndKeepTheirRest) {
  Write("old", "0123456789");
  auto file = storage_->ReuseWritableFile(Path("old"), Path("new"));
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->Position(), 0u);
  ASSERT_TRUE((*file)->Append("AB").ok());
  EXPECT_FALSE(storage_->FileExists(Path("old")));
  EXPECT_EQ(Contents("new"), "AB23456789");
}

TEST_P(StorageContractTest, RenameReplaces) {
  Write("a", "from a");
  Write("b", "from b");
  ASSERT_TRUE(storage_->RenameFile(Path("a"), Path("b")).ok());
  EXPECT_FALSE(storage_->FileExists(Path("a")));
  EXPECT_EQ(Contents("b"), "from a");
}

TEST_P(StorageContractTest, LinksShareContents) {
  Write("a", "x");
  ASSERT_TRUE(storage_->LinkFile(Path("a"), Path("b")).ok());
  EXPECT_EQ(storage_->LinkFile(Path("a"), Path("b")).code(), StatusCode::kIoError);
  ASSERT_TRUE(storage_->DeleteFile(Path("a")).ok());
  EXPECT_EQ(Contents("b"), "x");
}

TEST_P(StorageContractTest, DeletedFilesStayReadableWhileOpen) {
  Write("a", "still here");
  auto file = storage_->NewRandomAccessFile(Path("a"));
  ASSERT_TRUE(file);
  ASSERT_TRUE(storage_->DeleteFile(Path("a")).ok());
  std::string out(10, '?');
  EXPECT_EQ((*file)->Read(0, out), 10u);
  EXPECT_EQ(out, "still here");
}

TEST_P(StorageContractTest, DirectoriesListTheirNames) {
  Write("a", "");
  ASSERT_TRUE(storage_->CreateDir(Path("sub")).ok());
  ASSERT_TRUE(storage_->CreateDir(Path("sub")).ok()) << "again";
  Write("sub/b", "");
  auto names = storage_->ListDir(dir_);
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, UnorderedElementsAre("a", "sub"));
  EXPECT_TRUE(storage_->SyncDir(dir_).ok());
}

TEST_P(StorageContractTest, MissingThingsAreNotFoundByName) {
  for (const Status& status :
       {storage_->NewRandomAccessFile(Path("no")).error(), storage_->FileSize(Path("no")).error(),
        storage_->DeleteFile(Path("no")), storage_->RenameFile(Path("no"), Path("b")),
        storage_->LinkFile(Path("no"), Path("b")), storage_->ListDir(Path("no")).error(), storage_->SyncDir(Path("no")),
        storage_->NewWritableFile(Path("no/file")).error(), storage_->ReuseWritableFile(Path("no"), Path("b")).error(),
        storage_->CreateDir(Path("no/dir"))}) {
    EXPECT_EQ(status.code(), StatusCode::kNotFound) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(Path("no")));
  }
  EXPECT_FALSE(storage_->FileExists(Path("no")));
}

TEST_P(StorageContractTest, DirectoriesAreNotFiles) {
  ASSERT_TRUE(storage_->CreateDir(Path("sub")).ok());
  Write("file", "");
  EXPECT_EQ(storage_->NewRandomAccessFile(Path("sub")).error().code(), StatusCode::kIoError);
  EXPECT_EQ(storage_->NewWritableFile(Path("sub")).error().code(), StatusCode::kIoError);
  EXPECT_EQ(storage_->DeleteFile(Path("sub")).code(), StatusCode::kIoError);
  EXPECT_EQ(storage_->CreateDir(Path("file")).code(), StatusCode::kIoError);
}

TEST_P(StorageContractTest, ClosedFilesRefuse) {
  auto file = storage_->NewWritableFile(Path("a"));
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_EQ((*file)->Append("x").code(), StatusCode::kIoError);
  EXPECT_EQ((*file)->Sync().code(), StatusCode::kIoError);
  EXPECT_EQ((*file)->Truncate(0).code(), StatusCode::kIoError);
}

TEST_P(StorageContractTest, SpaceIsPlausible) {
  auto space = storage_->Space(dir_);
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

TEST_P(StorageContractTest, OneHolderOfALockWhoIsNamed) {
  auto lock = storage_->LockFile(Path("LOCK"), "pid 42 at /mnt");
  ASSERT_TRUE(lock);
  EXPECT_EQ(Contents("LOCK"), "pid 42 at /mnt");
  auto second = storage_->LockFile(Path("LOCK"), "me");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), StatusCode::kBusy);
  EXPECT_THAT(second.error().message(), HasSubstr("pid 42 at /mnt"));
  EXPECT_EQ(Contents("LOCK"), "pid 42 at /mnt");
  lock->reset();
  EXPECT_TRUE(storage_->LockFile(Path("LOCK"), "me"));
}

TEST_P(StorageContractTest, AtomicWritesReplaceAndLeaveNoTemporary) {
  ASSERT_TRUE(WriteFileAtomically(storage_, dir_, "CURRENT", "one").ok());
  ASSERT_TRUE(WriteFileAtomically(storage_, dir_, "CURRENT", "two").ok());
  EXPECT_EQ(Contents("CURRENT"), "two");
  auto names = storage_->ListDir(dir_);
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, UnorderedElementsAre("CURRENT"));
}

TEST_P(StorageContractTest, AnOpenDirectoryHasItsFilesUnderTheSamePaths) {
  Write("a", "x");
  auto directory = storage_->OpenDirectory(dir_);
  ASSERT_TRUE(directory);
  EXPECT_EQ(ReadFileToString(directory->get(), Path("a")), "x");
  EXPECT_TRUE((*directory)->NewWritableFile(Path("b")));
  EXPECT_TRUE(storage_->FileExists(Path("b")));
  EXPECT_TRUE((*directory)->OpenDirectory(dir_)) << "again";
}

TEST_P(StorageContractTest, SyncFileChangesNothingAndNeedsAFile) {
  Write("a", "contents");
  EXPECT_TRUE(storage_->SyncFile(Path("a")).ok());
  EXPECT_EQ(Contents("a"), "contents");
  EXPECT_TRUE(storage_->SyncFile(Path("none")).IsNotFound());
}

std::string NameOf(const testing::TestParamInfo<Which>& info) {
  return info.param == Which::kPosix ? "Posix" : info.param == Which::kSim ? "Sim" : "PosixDirectory";
}

INSTANTIATE_TEST_SUITE_P(All, StorageContractTest,
                         ::testing::Values(Which::kPosix, Which::kPosixDirectory, Which::kSim), &NameOf);

}  // namespace
}  // namespace silt::lsm
