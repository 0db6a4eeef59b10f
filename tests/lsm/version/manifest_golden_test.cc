// A store's MANIFEST and CURRENT as format version 1 wrote them: they must stay readable, and mean the same.
// SILT_WRITE_GOLDEN=1 writes them anew, for a new format version only.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "lsm/filenames.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_set.h"
#include "version_testing.h"

namespace silt::lsm {
namespace {

const std::string kGolden = std::string(SILT_TEST_DATA) + "/v1";

constexpr const char* kState =
    "sequence 900 wal 14; 0/L0#0015[a..f]800..900 1015; 0/L6#0010[a..m)]1..300 1010; 1/L5#0012[\x01..\x7f]20..21 1012";

void WriteGolden() {
  std::filesystem::remove_all(kGolden);
  std::filesystem::create_directories(kGolden);
  Options options = testing::TwoFamilies();
  VersionSet versions(options, Storage::Posix(), kGolden);
  ASSERT_TRUE(versions.CreateNew().ok());
  auto ranges = std::make_shared<FileMeta>();
  ranges->number = 10;
  ranges->size = 1010;
  ranges->properties.range_tombstones = 3;
  ranges->properties.smallest = "a";
  ranges->properties.largest = "m";
  ranges->properties.largest_exclusive = true;
  ranges->properties.smallest_sequence = 1;
  ranges->properties.largest_sequence = 300;
  VersionEdit flush;
  flush.new_files = {{0, 0, ranges}, {1, 0, testing::MakeFile(12, 1, "\x01", "\x7f", 20, 21)}};
  flush.wal_number = 13;
  VersionEdit move;
  move.deleted_files = {{0, 0, 10}, {1, 0, 12}};
  move.new_files = {{0, 6, ranges}, {1, 5, flush.new_files[1].file}};
  VersionEdit again;
  again.new_files = {{0, 0, testing::MakeFile(15, 0, "a", "f", 800, 900)}};
  again.wal_number = 14;
  for (VersionEdit* edit : {&flush, &move, &again}) ASSERT_TRUE(versions.LogAndApply(edit).ok());
}

TEST(ManifestGolden, Version1IsReadable) {
  if (std::getenv("SILT_WRITE_GOLDEN") != nullptr) WriteGolden();
  Options options = testing::TwoFamilies();
  VersionSet versions(options, Storage::Posix(), kGolden);
  Status status = versions.Recover();
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(testing::Describe(versions), kState);
  EXPECT_TRUE(versions.current()->families[0].has_range_tombstones[6]);
  EXPECT_EQ(versions.NewFileNumber(), 16u);
}

TEST(ManifestGolden, Version1HoldsTheseRecords) {
  std::string text;
  Status status = ReadManifest(Storage::Posix(), JoinPath(kGolden, ManifestName(1)), 1,
                               [&](uint64_t offset, const VersionEdit& edit) {
                                 text += std::to_string(offset) + ": " + edit.DebugString() + "\n";
                               });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(text,
            "0: format=1 family=\"meta\" family=\"data\" wal=0 next_file=2 last_sequence=0\n"
            "43: next_file=2\n"
            "68: wal=13 next_file=13 last_sequence=300"
            " +0/L0#10[\"a\"..\"m\") seq=1..300 bytes=1010 entries=0 tombstones=0+3]"
            " +1/L0#12[\"\\x01\"..\"\\x7f\" seq=20..21 bytes=1012 entries=7 tombstones=0+0]\n"
            "197: next_file=13\n"
            "222: next_file=13 last_sequence=300 -0/L0#10 -1/L0#12"
            " +0/L6#10[\"a\"..\"m\") seq=1..300 bytes=1010 entries=0 tombstones=0+3]"
            " +1/L5#12[\"\\x01\"..\"\\x7f\" seq=20..21 bytes=1012 entries=7 tombstones=0+0]\n"
            "357: next_file=13\n"
            "382: wal=14 next_file=16 last_sequence=900"
            " +0/L0#15[\"a\"..\"f\" seq=800..900 bytes=1015 entries=7 tombstones=0+0]\n"
            "463: next_file=16\n");
}

TEST(ManifestGolden, CurrentIsItsNameAndChecksum) {
  EXPECT_EQ(EncodeCurrent(1), *ReadFileToString(Storage::Posix(), JoinPath(kGolden, kCurrentName)));
  EXPECT_EQ(EncodeCurrent(7), "MANIFEST-000007 9b27af94d75fde38\n");
}

}  // namespace
}  // namespace silt::lsm
