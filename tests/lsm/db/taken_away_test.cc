// A store on the machine's disk whose directory is renamed, deleted or copied by hard links under its user.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

#include "lsm/db.h"

namespace silt::lsm {
namespace {

using ::testing::HasSubstr;

class TakenAwayTest : public ::testing::Test {
 protected:
  TakenAwayTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "silt_taken_XXXXXX").string();
    work_ = ::mkdtemp(pattern.data());
    dir_ = work_ + "/store";
  }
  ~TakenAwayTest() override { std::filesystem::remove_all(work_); }

  static Options SmallStore() {
    Options options;
    options.create_if_missing = true;
    options.memtable_bytes = 64 << 10;
    return options;
  }
  std::unique_ptr<Db> Open() {
    auto db = Db::Open(SmallStore(), dir_);
    EXPECT_TRUE(db) << db.error().ToString();
    return db ? *std::move(db) : nullptr;
  }
  // Several memtables' worth, so that tables are written and logs are used again.
  static Status Fill(Db* db, const std::string& prefix) {
    for (int i = 0; i < 400; ++i) {
      Status status = db->Put(0, prefix + std::to_string(i), std::string(1000, 'v'));
      if (!status.ok()) return status;
      if (i % 100 == 99) SILT_RETURN_IF_ERROR(db->Flush());
    }
    return db->WaitForBackgroundWork();
  }
  static bool Has(Db* db, const std::string& key) {
    PinnedValue value;
    return db->Get({}, 0, key, &value).ok();
  }
  static std::map<std::string, std::string> FilesOf(const std::string& dir) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) {
      std::ifstream in(entry.path());
      files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return files;
  }

  std::string work_;
  std::string dir_;
};

TEST_F(TakenAwayTest, ARenamedStoreGoesOnInItsOwnDirectory) {
  auto old = Open();
  ASSERT_TRUE(Fill(old.get(), "old").ok());
  std::filesystem::rename(dir_, work_ + "/renamed");
  auto fresh = Open();
  ASSERT_TRUE(Fill(fresh.get(), "fresh").ok());
  ASSERT_TRUE(Fill(old.get(), "more").ok());
  ASSERT_TRUE(old->CompactRange(0, nullptr, nullptr).ok());
  ASSERT_TRUE(fresh->CompactRange(0, nullptr, nullptr).ok());
  EXPECT_TRUE(old->Close().ok());
  EXPECT_TRUE(fresh->Close().ok());

  fresh = Open();
  EXPECT_TRUE(Has(fresh.get(), "fresh399"));
  EXPECT_FALSE(Has(fresh.get(), "more399"));
  ASSERT_TRUE(fresh->Close().ok());
  dir_ = work_ + "/renamed";
  old = Open();
  EXPECT_TRUE(Has(old.get(), "old399"));
  EXPECT_TRUE(Has(old.get(), "more399"));
}

TEST_F(TakenAwayTest, AStoreWhoseDirectoryWasDeletedTakesNoMoreWrites) {
  auto db = Open();
  ASSERT_TRUE(db->Put(0, "a", "1").ok());
  ASSERT_TRUE(db->Sync(db->LastSequence()).ok());
  std::filesystem::remove_all(dir_);
  std::filesystem::create_directory(dir_);
  ASSERT_TRUE(db->Put(0, "b", "2").ok()) << "a write alone asks nobody";
  Status synced = db->Sync(db->LastSequence());
  EXPECT_EQ(synced.code(), StatusCode::kIoError);
  EXPECT_THAT(synced.message(), HasSubstr(dir_ + ": the store was taken away"));
  EXPECT_EQ(db->Put(0, "c", "3").code(), StatusCode::kIoError);
  EXPECT_TRUE(db->GetStats().background_error);
  EXPECT_THAT(db->GetStats().background_error_text, HasSubstr("taken away"));
  EXPECT_FALSE(db->Close().ok());
  EXPECT_TRUE(std::filesystem::is_empty(dir_)) << "nothing was written into the directory that has the name now";
}

TEST_F(TakenAwayTest, WritersThatNeverSyncLearnOfADeletedDirectoryFromTheNextFlush) {
  auto db = Open();
  std::filesystem::remove_all(dir_);
  Status status = Fill(db.get(), "a");
  EXPECT_EQ(status.code(), StatusCode::kIoError) << status.ToString();
  EXPECT_THAT(db->GetStats().background_error_text, HasSubstr("taken away"));
}

TEST_F(TakenAwayTest, WhoLostTheLockDeletesNothingOfTheNextOwner) {
  auto first = Open();
  ASSERT_TRUE(Fill(first.get(), "a").ok());
  std::filesystem::remove(dir_ + "/LOCK");
  auto second = Open();
  ASSERT_TRUE(second->Put(0, "b", "2").ok());
  ASSERT_TRUE(second->Sync(second->LastSequence()).ok());
  ASSERT_TRUE(first->Put(0, "c", "3").ok());
  EXPECT_FALSE(first->Sync(first->LastSequence()).ok());
  const auto before = FilesOf(dir_);
  EXPECT_FALSE(first->Close().ok());
  EXPECT_EQ(FilesOf(dir_).size(), before.size());
  EXPECT_TRUE(second->Close().ok());
  second = Open();
  EXPECT_TRUE(Has(second.get(), "b"));
}

// As `cp -al` makes it, or somebody who wants another's file overwritten. The two newest logs are being written, or
// about to be; older ones wait to be used again.
TEST_F(TakenAwayTest, FilesThatHaveOtherNamesAreNotOverwritten) {
  auto db = Open();
  ASSERT_TRUE(Fill(db.get(), "a").ok());
  const std::string copy = work_ + "/copy";
  std::filesystem::create_directory(copy);
  for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
    std::filesystem::create_hard_link(entry.path(), copy + "/" + entry.path().filename().string());
  }
  auto before = FilesOf(copy);
  std::vector<std::string> logs;
  for (const auto& [name, text] : before) {
    if (name.ends_with(".wal")) logs.push_back(name);
  }
  ASSERT_GT(logs.size(), 2u);
  ASSERT_TRUE(Fill(db.get(), "b").ok());
  ASSERT_TRUE(Fill(db.get(), "c").ok());
  auto after = FilesOf(copy);
  for (auto* files : {&before, &after}) {
    std::erase_if(*files, [&](const auto& file) {
      return file.first == *logs.rbegin() || file.first == *(logs.rbegin() + 1) || file.first.starts_with("MANIFEST");
    });
  }
  EXPECT_TRUE(after == before);
  ASSERT_TRUE(db->Close().ok());
  db = Open();
  EXPECT_TRUE(Has(db.get(), "c399"));
}

}  // namespace
}  // namespace silt::lsm
