// The JSON that verbs print is stable; scripts read it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/schema.h"
#include "mount/report.h"
#include "mount/key_dump.h"
#include "mount/stats_report.h"
#include "mount/status_report.h"

namespace silt::mount {
namespace {

using testing::HasSubstr;
using testing::Not;

lsm::DbStats SampleStats() {
  lsm::DbStats stats;
  stats.families.resize(2);
  stats.families[0].name = "meta";
  stats.families[1].name = "data";
  stats.families[1].levels[0].files = 3;
  stats.families[1].levels[0].bytes = 4096;
  stats.families[1].levels[0].compactions = 1;
  stats.families[1].levels[0].bytes_written = 300;
  stats.wal_bytes = 100;
  stats.user_bytes = 200;
  return stats;
}

std::vector<std::string> Keys(const nlohmann::json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

TEST(Complain, WhereIsToldOnce) {
  auto said = [](std::string_view where, const char* what) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(Complain("verb", where, lsm::Status::NotFound(what)), kExitFailure);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said("s", "no store there"), "siltfs verb: s: no store there\n") << "it is a letter of other words";
  EXPECT_EQ(said("/srv/s", "/srv/s: no store"), "siltfs verb: /srv/s: no store\n");
  EXPECT_EQ(said("/srv/s", "read: /srv/s/000001.sst: gone"), "siltfs verb: read: /srv/s/000001.sst: gone\n");
}

TEST(StatsReportTest, ShapeOfTheJson) {
  RequestCounters requests;
  requests.Count(Request::kLookup);
  nlohmann::json stats = StatsJson(SampleStats(), &requests, nullptr);
  EXPECT_THAT(Keys(stats),
              testing::UnorderedElementsAre("families", "engine", "write_amplification", "requests", "latency"));
  EXPECT_THAT(Keys(stats["families"][1]["levels"][0]),
              testing::UnorderedElementsAre("level", "files", "bytes", "raw_bytes", "entries", "tombstones", "compactions",
                                            "trivial_moves", "bytes_read", "bytes_written", "micros"));
  EXPECT_EQ(stats["families"][1]["levels"][0]["files"], 3);
  EXPECT_EQ(stats["requests"]["lookup"], 1);
  EXPECT_EQ(stats["requests"]["write"], 0);
  EXPECT_EQ(stats["requests"].size(), kRequestKinds);
  EXPECT_DOUBLE_EQ(stats["write_amplification"], 2.0);
}

TEST(StatsReportTest, AnUnmountedStoreHasNoRequestsAndAnUnwrittenOneNoAmplification) {
  nlohmann::json stats = StatsJson(lsm::DbStats{}, nullptr, nullptr);
  EXPECT_TRUE(stats["requests"].is_null());
  EXPECT_TRUE(stats["latency"].is_null());
  EXPECT_TRUE(stats["write_amplification"].is_null());
}

TEST(StatsReportTest, TextShowsWhatIsNotEmpty) {
  RequestCounters requests;
  requests.Count(Request::kLookup);
  std::string text = StatsText(StatsJson(SampleStats(), &requests, nullptr));
  EXPECT_THAT(text, HasSubstr("L0"));
  EXPECT_THAT(text, Not(HasSubstr("L1")));
  EXPECT_THAT(text, HasSubstr("lookup"));
  EXPECT_THAT(text, Not(HasSubstr("removexattr")));
}

TEST(StatusReportTest, TextSaysWhereAndWhatIsWrong) {
  nlohmann::json status = {{"store", "/srv/s"},
                           {"mounted", true},
                           {"pid", 12},
                           {"mountpoint", "/mnt"},
                           {"read_only", true},
                           {"uptime_seconds", 3700},
                           {"uuid", "u"},
                           {"format_version", 1},
                           {"block_size", 4096},
                           {"compression", "snappy"},
                           {"size_on_disk", 1 << 20},
                           {"free", 1 << 30},
                           {"inodes", 5},
                           {"inodes_live", 2},
                           {"health", {{"state", "failed"}, {"reason", "disk on fire"}}}};
  std::string text = StatusText(status);
  EXPECT_THAT(text, HasSubstr("/mnt (read-only)"));
  EXPECT_THAT(text, HasSubstr("pid 12, up 1 h 1 min"));
  EXPECT_THAT(text, HasSubstr("failed: disk on fire"));
  EXPECT_THAT(text, HasSubstr("inodes        not counted yet, at most 5 (2 in use by the kernel)\n"));
  EXPECT_THAT(text, Not(HasSubstr("processors"))) << "an older daemon";
  status["inodes_counted"] = true;
  EXPECT_THAT(StatusText(status), HasSubstr("inodes        5 (2 in use by the kernel)\n"));
  EXPECT_THAT(text, Not(HasSubstr("requests"))) << "an older daemon, which does not say how they come";
  status["transport"] = "/dev/fuse";
  status["transport_detail"] = "enable this";
  EXPECT_THAT(StatusText(status), HasSubstr("over /dev/fuse: enable this\n"));
  EXPECT_THAT(text, Not(HasSubstr("levels"))) << "the same";
  status["awake"] = {{"wanted", true}, {"possible", true}, {"now", true}, {"times", 3}};
  EXPECT_THAT(StatusText(status),
              HasSubstr("processors    awake now; kept awake while requests came thick, 3 times\n"));
  status["awake"]["possible"] = false;
  EXPECT_THAT(StatusText(status), HasSubstr("cannot be kept awake while requests come: see siltfs doctor\n"));
  status["awake"]["wanted"] = false;
  EXPECT_THAT(StatusText(status), HasSubstr("may sleep while requests come (noawake)\n"));
  status["disk_bytes"] = 3 << 20;
  status["compression_ratio"] = 2.0;
  status["table_bytes"] = 1 << 20;
  status["logical_bytes"] = 2 << 20;
  status["levels"] = {{{"level", 0}, {"files", 0}, {"bytes", 0}}, {{"level", 6}, {"files", 3}, {"bytes", 1 << 20}}};
  text = StatusText(status);
  EXPECT_THAT(text, HasSubstr("1.0 MiB, 3.0 MiB with logs"));
  EXPECT_THAT(text, HasSubstr("2.0 MiB before compression (2.00 times)"));
  EXPECT_THAT(text, HasSubstr("levels        L6 1.0 MiB in 3\n"));
  status["mounted"] = false;
  EXPECT_THAT(StatusText(status), HasSubstr("nowhere"));
}

TEST(KeyDumpTest, KeysAndRecordsReadAsText) {
  namespace schema = fs::schema;
  EXPECT_EQ(DescribeKey(schema::kMeta, schema::InodeKey(17)), "I 17");
  EXPECT_EQ(DescribeKey(schema::kMeta, schema::NameKey(1, "a\"b\n")), "N 1 \"a\\x22b\\x0a\"");
  EXPECT_EQ(DescribeKey(schema::kMeta, schema::EntryKey(1, 20)), "E 1 20");
  EXPECT_EQ(DescribeKey(schema::kData, schema::DataKey(17, 3)), "17 block 3");
  schema::InodeRecord inode;
  inode.mode = S_IFREG | 0644;
  inode.size = 5;
  EXPECT_THAT(DescribeValue(schema::kMeta, schema::InodeKey(17), inode.Encode()),
              testing::AllOf(HasSubstr("mode 100644"), HasSubstr("size 5")));
}

TEST(KeyDumpTest, WhatTheSchemaDoesNotKnowIsShownInHex) {
  EXPECT_EQ(DescribeKey(fs::schema::kMeta, "Zz"), "0x5a7a");
  EXPECT_THAT(DescribeValue(fs::schema::kMeta, fs::schema::InodeKey(1), "\x7f!"), HasSubstr("malformed 0x7f21"));
}

TEST(KeyDumpTest, PrefixesAreBytesOrHex) {
  EXPECT_EQ(ParseKeyPrefix("I"), "I");
  EXPECT_EQ(ParseKeyPrefix("0x4900"), std::string("I\0", 2));
  EXPECT_EQ(ParseKeyPrefix("0x4"), std::nullopt);
  EXPECT_EQ(ParseKeyPrefix("0xzz"), std::nullopt);
}

}  // namespace
}  // namespace silt::mount
