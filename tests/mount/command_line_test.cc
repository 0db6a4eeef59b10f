// What the program says and the codes it ends with, without anything mounted.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "program.h"

namespace silt::mount {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// One line that begins with the program and the verb.
void ExpectOneLine(const Finished& finished, const std::string& start) {
  EXPECT_THAT(finished.err, StartsWith(start));
  EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
  EXPECT_EQ(finished.out, "");
}

TEST(CommandLineTest, EveryVerbHasHelpWithAnExample) {
  for (const char* verb :
       {"mkfs", "mount", "umount", "status", "stats", "fsck", "scrub", "compact", "bench", "debug", "accesslog", "doctor"}) {
    Finished help = Siltfs({verb, "--help"});
    EXPECT_EQ(help.exit_code, 0) << verb;
    EXPECT_THAT(help.out, HasSubstr("Example")) << verb;
    EXPECT_THAT(Siltfs({"--help"}).out, HasSubstr(std::string("  ") + verb));
  }
}

TEST(CommandLineTest, Version) {
  EXPECT_THAT(Siltfs({"--version"}).out, StartsWith("siltfs "));
  EXPECT_EQ(Siltfs({"--version"}).exit_code, 0);
}

TEST(CommandLineTest, UsageErrorsAreOneLineAndCodeTwo) {
  Finished none = Siltfs({});
  EXPECT_EQ(none.exit_code, 2);
  ExpectOneLine(none, "siltfs: no verb");
  Finished unknown = Siltfs({"frobnicate"});
  EXPECT_EQ(unknown.exit_code, 2);
  ExpectOneLine(unknown, "siltfs: unknown verb 'frobnicate'");
  Finished missing = Siltfs({"mount"});
  EXPECT_EQ(missing.exit_code, 2);
  ExpectOneLine(missing, "siltfs mount: ");
  Finished option = Siltfs({"status", "--jsno", "/tmp"});
  EXPECT_EQ(option.exit_code, 2);
  ExpectOneLine(option, "siltfs status: ");
  EXPECT_THAT(option.err, HasSubstr("--jsno"));
}

TEST(CommandLineTest, HelpOfAVerbIsFoundBothWays) {
  EXPECT_EQ(Siltfs({"help", "mount"}).out, Siltfs({"mount", "--help"}).out);
  EXPECT_EQ(Siltfs({"help"}).out, Siltfs({"--help"}).out);
  Finished unknown = Siltfs({"help", "frobnicate"});
  EXPECT_EQ(unknown.exit_code, 2);
  ExpectOneLine(unknown, "siltfs: unknown verb 'frobnicate'");
  ExpectOneLine(Siltfs({"debug", "frobnicate", "/tmp"}), "siltfs debug: frobnicate: give manifest, table, wal or keys");
}

TEST(CommandLineTest, BenchMakesNoFilesInAStoreNorWhereNothingIs) {
  const std::string store = testing::TempDir() + "silt-bench-store";
  std::filesystem::remove_all(store);
  ASSERT_EQ(Siltfs({"mkfs", store}).exit_code, 0);
  for (const std::string& directory : {store, store + "/CURRENT", store + "/nothing"}) {
    Finished refused = Siltfs({"bench", "--quick", directory});
    EXPECT_EQ(refused.exit_code, 1) << directory;
    ExpectOneLine(refused, "siltfs bench: " + directory + ": ");
  }
  EXPECT_THAT(Siltfs({"bench", "--quick", store}).err, HasSubstr("a store; mount it"));
  std::filesystem::remove_all(store);
}

TEST(CommandLineTest, FsckAndTheMountHelperHaveTheirOwnCodes) {
  EXPECT_EQ(Siltfs({"fsck"}).exit_code, 16);
  EXPECT_EQ(RunProgram("fsck.siltfs", {"--nonsense", "/tmp"}).exit_code, 16);
  EXPECT_EQ(RunProgram("fsck.siltfs", {"/nonexistent/store"}).exit_code, 8);
  EXPECT_EQ(RunProgram("mount.siltfs", {"/nonexistent/store"}).exit_code, 1);
  EXPECT_EQ(RunProgram("mount.siltfs", {"/nonexistent/store", "/tmp"}).exit_code, 32);
  EXPECT_EQ(RunProgram("mkfs.siltfs", {"--help"}).exit_code, 0);
}

using MkfsTest = ProgramTest;

TEST_F(MkfsTest, MakesAStoreOnce) {
  MakeStore();
  Finished again = Siltfs({"mkfs", store_});
  EXPECT_EQ(again.exit_code, 1);
  ExpectOneLine(again, "siltfs mkfs: " + store_);
  EXPECT_EQ(Siltfs({"mkfs", "--force", store_}).exit_code, 0);
}

TEST_F(MkfsTest, LeavesADirectoryThatIsNoStoreAlone) {
  WriteFile(mountpoint_ + "/precious", "data");
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--force"}}) {
    std::vector<std::string> words = {"mkfs"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(mountpoint_);
    Finished made = Siltfs(words);
    EXPECT_EQ(made.exit_code, 1);
    ExpectOneLine(made, "siltfs mkfs: ");
  }
  EXPECT_EQ(ReadFile(mountpoint_ + "/precious"), "data");
}

TEST_F(MkfsTest, BlockSizesAndCompressionsAreChecked) {
  for (const char* size : {"1K", "5000", "128K", "huge"}) {
    EXPECT_EQ(Siltfs({"mkfs", "--block-size", size, store_}).exit_code, 2) << size;
  }
  EXPECT_EQ(Siltfs({"mkfs", "--compression", "gzip", store_}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(store_));
  EXPECT_EQ(Siltfs({"mkfs", "--block-size", "16K", "--compression", "zstd", store_}).exit_code, 0);
  EXPECT_EQ(Status().at("block_size"), 16384);
  EXPECT_EQ(Status().at("compression"), "zstd");
}

using UnmountedStoreTest = ProgramTest;

TEST_F(UnmountedStoreTest, VerbsReadItDirectly) {
  MakeStore();
  nlohmann::json status = Status();
  EXPECT_EQ(status.at("store"), store_);
  EXPECT_EQ(status.at("mounted"), false);
  EXPECT_TRUE(status.at("pid").is_null());
  EXPECT_EQ(status.at("health").at("state"), "ok");
  EXPECT_EQ(Siltfs({"stats", store_}).exit_code, 0);
  EXPECT_EQ(Siltfs({"compact", store_}).exit_code, 0);
  EXPECT_EQ(Siltfs({"scrub", store_}).exit_code, 0);
  EXPECT_EQ(Siltfs({"fsck", store_}).exit_code, 0);
  EXPECT_EQ(nlohmann::json::parse(Siltfs({"fsck", "--json", store_}).out).at("clean"), true);
  EXPECT_EQ(Siltfs({"debug", "manifest", store_}).exit_code, 0);
  EXPECT_EQ(Siltfs({"debug", "wal", store_}).exit_code, 0);
  Finished keys = Siltfs({"debug", "keys", "--prefix", "I", store_});
  EXPECT_EQ(keys.exit_code, 0) << keys.err;
  EXPECT_THAT(keys.out, HasSubstr("meta I 1 = mode 40755"));
}

TEST_F(UnmountedStoreTest, WhatIsNoStoreIsRefusedByEveryVerb) {
  for (const char* verb : {"status", "stats", "scrub", "compact"}) {
    Finished finished = Siltfs({verb, mountpoint_});
    EXPECT_EQ(finished.exit_code, 1) << verb;
    ExpectOneLine(finished, std::string("siltfs ") + verb + ": " + mountpoint_ + ": neither");
  }
  EXPECT_EQ(Siltfs({"fsck", mountpoint_}).exit_code, 8);
}

TEST_F(UnmountedStoreTest, ScrubNamesADamagedTable) {
  MakeStore();
  ASSERT_EQ(Siltfs({"compact", store_}).exit_code, 0);
  std::string table;
  for (const auto& file : std::filesystem::directory_iterator(store_)) {
    if (file.path().extension() == ".sst") table = file.path();
  }
  ASSERT_NE(table, "") << "compact writes the store's keys to a table";
  std::string bytes = ReadFile(table);
  bytes[3] = static_cast<char>(bytes[3] ^ 1);
  WriteFile(table, bytes);
  Finished scrubbed = Siltfs({"scrub", store_});
  EXPECT_EQ(scrubbed.exit_code, 1) << scrubbed.out;
  EXPECT_THAT(scrubbed.out + scrubbed.err, HasSubstr(std::filesystem::path(table).filename().string()));
}

}  // namespace
}  // namespace silt::mount
