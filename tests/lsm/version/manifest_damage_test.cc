// Damage to the MANIFEST and to CURRENT: what is recovered is what was written, up to some edit, or an error that names
// the file. Never another state, never a crash.
#include <gtest/gtest.h>

#include <algorithm>

#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/version/version_set.h"
#include "version_testing.h"

namespace silt::lsm {
namespace {

using testing::Describe;
using testing::EditMaker;
using testing::kDir;

class ManifestDamage : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(storage_.CreateDir(kDir).ok());
    VersionSet versions(options_, &storage_, kDir);
    ASSERT_TRUE(versions.CreateNew().ok());
    EditMaker edits(11);
    states_.push_back(Describe(versions));
    for (int i = 0; i < 12; ++i) {
      VersionEdit edit = edits.Next(&versions);
      ASSERT_TRUE(versions.LogAndApply(&edit).ok());
      edits.Applied(edit);
      states_.push_back(edits.Expected());
    }
    number_ = versions.manifest_number();
    manifest_ = JoinPath(kDir, ManifestName(number_));
    current_ = JoinPath(kDir, kCurrentName);
  }

  // The index of the state that is found; -1 for an error, which must name `file`.
  int Find(SimStorage* storage, const std::string& file) {
    VersionSet versions(options_, storage, kDir);
    Status status = versions.Recover();
    if (!status.ok()) {
      EXPECT_NE(status.message().find(file), std::string::npos) << status.ToString();
      EXPECT_TRUE(status.IsCorruption()) << status.ToString();
      return -1;
    }
    auto state = std::find(states_.begin(), states_.end(), Describe(versions));
    EXPECT_NE(state, states_.end()) << "a state that never was: " << Describe(versions);
    return static_cast<int>(state - states_.begin());
  }
  std::unique_ptr<SimStorage> Copy() {
    return storage_.CrashClone(1, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll});
  }
  int Last() const { return static_cast<int>(states_.size()) - 1; }

  Options options_ = testing::TwoFamilies();
  SimStorage storage_;
  std::vector<std::string> states_;
  FileNumber number_ = 0;
  std::string manifest_;
  std::string current_;
};

TEST_F(ManifestDamage, EveryFlippedBitOfTheManifestIsFoundOrDoesNoHarm) {
  uint64_t last_record = 0;
  std::vector<uint64_t> offsets;
  ASSERT_TRUE(ReadManifest(&storage_, manifest_, number_, [&](uint64_t offset, const VersionEdit&) {
                offsets.push_back(offset);
              }).ok());
  last_record = offsets.back();  // a mark, which is followed by nothing
  uint64_t size = *storage_.FileSize(manifest_);
  for (uint64_t at = 0; at < size; ++at) {
    for (int bit = static_cast<int>(at % 3); bit < 8; bit += 3) {
      auto storage = Copy();
      ASSERT_TRUE(storage->FlipBit(manifest_, at, bit).ok());
      int found = Find(storage.get(), ManifestName(number_));
      // Every edit was followed by a promise that it is durable, so that not even the last one is taken for torn.
      ASSERT_EQ(found, at < last_record ? -1 : Last()) << "byte " << at << " bit " << bit;
    }
  }
}

TEST_F(ManifestDamage, ATruncatedManifestIsAPrefix) {
  uint64_t size = *storage_.FileSize(manifest_);
  int before = Last();
  for (uint64_t length = size; length-- > 0;) {
    auto storage = Copy();
    ASSERT_TRUE(storage->CutFile(manifest_, length).ok());
    int found = Find(storage.get(), ManifestName(number_));
    ASSERT_LE(found, before);
    before = found;
  }
  EXPECT_EQ(before, -1) << "an empty MANIFEST is no store";
}

TEST_F(ManifestDamage, EveryFlippedBitOfCurrentIsFound) {
  for (uint64_t at = 0; at < *storage_.FileSize(current_); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto storage = Copy();
      ASSERT_TRUE(storage->FlipBit(current_, at, bit).ok());
      ASSERT_EQ(Find(storage.get(), std::string(kCurrentName)), -1) << "byte " << at << " bit " << bit;
    }
  }
}

TEST_F(ManifestDamage, ATruncatedOrLongerCurrentIsFound) {
  uint64_t size = *storage_.FileSize(current_);
  for (uint64_t length = 0; length < size; ++length) {
    auto storage = Copy();
    ASSERT_TRUE(storage->CutFile(current_, length).ok());
    ASSERT_EQ(Find(storage.get(), std::string(kCurrentName)), -1) << length;
  }
}

TEST_F(ManifestDamage, AMissingManifestIsNamed) {
  ASSERT_TRUE(storage_.DeleteFile(manifest_).ok());
  EXPECT_EQ(Find(&storage_, ManifestName(number_)), -1);
}

TEST_F(ManifestDamage, ADamagedRecordThatDecodesIsRefusedForWhatItSays) {
  // A record that deletes what is not there, as a bug or a forger would write it.
  VersionEdit snapshot;
  snapshot.format_version = kEngineFormatVersion;
  snapshot.family_names = {"meta", "data"};
  VersionEdit wrong;
  wrong.deleted_files.push_back({0, 1, 5});
  auto file = storage_.NewWritableFile(manifest_);
  LogWriter log(*std::move(file), manifest_, number_);
  ASSERT_TRUE(log.AddRecord(snapshot.Encode()).ok());
  uint64_t offset = log.Size();
  ASSERT_TRUE(log.AddRecord(wrong.Encode()).ok());
  VersionSet versions(options_, &storage_, kDir);
  Status status = versions.Recover();
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_NE(status.message().find(manifest_ + " at offset " + std::to_string(offset)), std::string::npos)
      << status.ToString();
}

}  // namespace
}  // namespace silt::lsm
