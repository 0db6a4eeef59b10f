#include "lsm/version/version.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "lsm/version/live_files.h"
#include "version_testing.h"

namespace silt::lsm {
namespace {

FileRef Range(FileNumber number, const std::string& smallest, const std::string& largest, bool exclusive = false) {
  auto file = std::make_shared<FileMeta>();
  file->number = number;
  file->size = 10;
  file->properties.smallest = smallest;
  file->properties.largest = largest;
  file->properties.largest_exclusive = exclusive;
  file->properties.largest_sequence = number;
  return file;
}

FamilyVersion Lay(int level, const std::vector<FileRef>& files) {
  VersionEdit edit;
  for (const FileRef& file : files) edit.new_files.push_back({0, level, file});
  LiveFiles live(1);
  EXPECT_TRUE(live.Check(edit).ok());
  live.Apply(edit);
  return (*live.Build())->families[0];
}

std::vector<FileNumber> Numbers(const std::vector<FileRef>& files) {
  std::vector<FileNumber> numbers;
  for (const FileRef& file : files) numbers.push_back(file->number);
  return numbers;
}

TEST(Version, LevelZeroIsNewestFirstAndOthersAreByKey) {
  std::vector<FileRef> files = {Range(1, "c", "d"), Range(3, "a", "b"), Range(2, "e", "f")};
  EXPECT_EQ(Numbers(Lay(0, files).levels[0]), (std::vector<FileNumber>{3, 2, 1}));
  EXPECT_EQ(Numbers(Lay(4, files).levels[4]), (std::vector<FileNumber>{3, 1, 2}));
}

TEST(Version, AnExclusiveBoundMayMeetTheNextFile) {
  FamilyVersion family = Lay(2, {Range(1, "a", "c", true), Range(2, "c", "e")});
  EXPECT_EQ((*family.FileFor(2, "b"))->number, 1u);
  EXPECT_EQ((*family.FileFor(2, "c"))->number, 2u);
  EXPECT_FALSE(FilesOverlap(*family.levels[2][0], *family.levels[2][1]));
  EXPECT_FALSE(FileContains(*family.levels[2][0], "c"));
}

TEST(Version, OverlapWithinALevelIsRefused) {
  VersionEdit edit;
  edit.new_files = {{0, 1, Range(1, "a", "c")}, {0, 1, Range(2, "c", "d")}};
  LiveFiles live(1);
  ASSERT_TRUE(live.Check(edit).ok());
  live.Apply(edit);
  auto built = live.Build();
  ASSERT_FALSE(built.has_value());
  EXPECT_TRUE(built.error().IsCorruption());
  EXPECT_NE(built.error().message().find("tables 1 and 2"), std::string::npos);
}

TEST(Version, LastNonEmptyLevelAndBytes) {
  EXPECT_EQ(FamilyVersion().LastNonEmptyLevel(), -1);
  FamilyVersion family = Lay(3, {Range(1, "a", "b"), Range(2, "c", "d")});
  EXPECT_EQ(family.LastNonEmptyLevel(), 3);
  EXPECT_EQ(family.LevelBytes(3), 20u);
  EXPECT_EQ(family.LevelBytes(2), 0u);
}

// Against a look at each file on its own, over all short keys and bounds.
TEST(Version, SearchesAgreeWithLookingAtEachFile) {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    std::vector<FileRef> files;
    char at = 'a';
    while (at < 'w') {
      char begin = static_cast<char>(at + static_cast<char>(random() % 3));
      char end = static_cast<char>(begin + static_cast<char>(random() % 4));
      bool exclusive = end > begin && random() % 2 == 0;
      files.push_back(Range(files.size() + 1, std::string(1, begin), std::string(1, end), exclusive));
      at = static_cast<char>(exclusive ? end : end + 1);
    }
    FamilyVersion sorted = Lay(1, files);
    FamilyVersion level0 = Lay(0, files);
    for (char k = 'a'; k <= 'z'; ++k) {
      std::string key(1, k);
      auto holder = std::find_if(files.begin(), files.end(), [&](const FileRef& f) { return FileContains(*f, key); });
      const FileRef* found = sorted.FileFor(1, key);
      ASSERT_EQ(found != nullptr, holder != files.end());
      ASSERT_TRUE(found == nullptr || (*found)->number == (*holder)->number);
      for (char e = k; e <= 'z'; ++e) {
        for (bool exclusive : {false, true}) {
          if (exclusive && e == k) continue;
          std::string_view begin = key;
          std::string end_bytes(1, e);
          std::string_view end = end_bytes;
          FileRef probe = Range(99, key, end_bytes, exclusive);
          std::vector<FileNumber> expected;
          for (const FileRef& file : files) {
            if (FilesOverlap(*file, *probe)) expected.push_back(file->number);
          }
          ASSERT_EQ(Numbers(sorted.Overlapping(1, &begin, &end, exclusive)), expected);
          std::vector<FileNumber> unordered = Numbers(level0.Overlapping(0, &begin, &end, exclusive));
          std::sort(unordered.begin(), unordered.end());
          ASSERT_EQ(unordered, expected);
        }
      }
    }
    ASSERT_EQ(sorted.Overlapping(1, nullptr, nullptr).size(), files.size());
    std::string_view middle = "m";
    ASSERT_EQ(
        sorted.Overlapping(1, &middle, nullptr).size() + sorted.Overlapping(1, nullptr, &middle, true).size(),
        files.size() + (sorted.FileFor(1, "m") != nullptr && (*sorted.FileFor(1, "m"))->properties.smallest < "m"));
  }
}

}  // namespace
}  // namespace silt::lsm
