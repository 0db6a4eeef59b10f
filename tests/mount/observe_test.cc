// What people and programs see of a mount: .siltfs's files, metrics, the watched statistics, doctor's judgements.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "mount/doctor.h"
#include "mount/observe/control_directory.h"
#include "mount/observe/metrics_server.h"
#include "mount/observe/prometheus_text.h"
#include "mount/observe/stats_watch.h"
#include "mount/stats_report.h"
#include "mount/status_report.h"

namespace silt::mount {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ControlDirectory, EachLookupTakesTheContentsOfThen) {
  int asked = 0;
  ControlDirectory control({{"stats", [&] { return "asked " + std::to_string(++asked); }}});
  auto first = control.Lookup("stats"), second = control.Lookup("stats");
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->ino, second->ino);
  EXPECT_EQ(first->attr.st_ino, second->attr.st_ino) << "programs compare it";
  EXPECT_EQ(control.Read(first->ino, 0, 100), "asked 1");
  EXPECT_EQ(control.Read(second->ino, 0, 100), "asked 2");
  EXPECT_EQ(first->attr.st_size, 7);
  EXPECT_EQ(control.Read(first->ino, 6, 100), "1");
  EXPECT_EQ(control.Read(first->ino, 7, 100), "");
  EXPECT_EQ(control.Lookup("other"), std::nullopt);
}

TEST(ControlDirectory, ContentsGoWithTheirLastReference) {
  ControlDirectory control({{"stats", [] { return "text"; }}});
  fuse_ino_t ino = control.Lookup("stats")->ino;
  ASSERT_TRUE(control.Find(ino)) << "by a handle: a second reference";
  control.Forget(ino, 1);
  EXPECT_TRUE(control.Attributes(ino));
  control.Forget(ino, 1);
  EXPECT_FALSE(control.Attributes(ino));
  EXPECT_FALSE(control.Find(ino));
  EXPECT_EQ(control.Read(ino, 0, 100), "");
  control.Forget(ControlDirectory::kInode, 5);
  EXPECT_TRUE(control.Attributes(ControlDirectory::kInode));
}

TEST(ControlDirectory, ItsOwnersAloneAndNobodyWrites) {
  ControlDirectory control({{"stats", [] { return "text"; }}});
  EXPECT_EQ(control.Entry().attr.st_mode, S_IFDIR | 0500u);
  EXPECT_EQ(control.Lookup("stats")->attr.st_mode, S_IFREG | 0400u);
  EXPECT_EQ(control.Entry().attr.st_uid, ::geteuid());
}

TEST(MetricsAddress, LoopbackAndSocketsOnly) {
  EXPECT_EQ(MetricsAddress::Parse("127.0.0.1:9740")->port, 9740);
  EXPECT_EQ(MetricsAddress::Parse("127.1.2.3:1")->host, "127.1.2.3");
  EXPECT_EQ(MetricsAddress::Parse("localhost:9740")->host, "127.0.0.1");
  EXPECT_TRUE(MetricsAddress::Parse("[::1]:9740")->ipv6);
  EXPECT_EQ(MetricsAddress::Parse("unix:/run/x")->socket_path, "/run/x");
  for (const char* wrong : {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:1x",
                            "127.0.0.1:65536", "example.org:80", "unix:", "unix:x", ""}) {
    EXPECT_FALSE(MetricsAddress::Parse(wrong)) << wrong;
  }
  EXPECT_FALSE(MetricsAddress::Parse("unix:/" + std::string(200, 'x')));
}

TEST(MetricsServer, AnAddressThatIsTakenIsNamed) {
  auto first = MetricsServer::Start(*MetricsAddress::Parse("127.0.0.1:0"), [] { return ""; });
  ASSERT_TRUE(first) << first.error().ToString();
  const std::string address = "127.0.0.1:" + std::to_string((*first)->port());
  auto second = MetricsServer::Start(*MetricsAddress::Parse(address), [] { return ""; });
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr(address));
}

lsm::DbStats SampleStats() {
  lsm::DbStats stats;
  stats.families.resize(1);
  stats.families[0].name = "meta";
  stats.block_cache_hits = 30;
  stats.block_cache_misses = 10;
  stats.write_delay_micros = 1'500'000;
  return stats;
}

nlohmann::json SampleStatus() {
  return {{"store", "/srv/a\"b\nc"},
          {"mounted", true},
          {"mountpoint", "/mnt"},
          {"version", "1"},
          {"uuid", "u"},
          {"transport", "/dev/fuse"},
          {"uptime_seconds", 5},
          {"read_only", false},
          {"size_on_disk", 10},
          {"free", 20},
          {"inodes", 3},
          {"inodes_live", 1},
          {"inodes_counted", true},
          {"awake", {{"wanted", true}, {"possible", true}, {"now", true}, {"times", 7}}},
          {"health", {{"state", "ok"}, {"reason", ""}}}};
}

TEST(PrometheusText, SamplesLabelsAndHistograms) {
  RequestCounters requests;
  RequestLatencies latencies;
  requests.Count(Request::kRead);
  latencies.Record(Request::kRead, std::chrono::microseconds(3));
  std::string text = PrometheusText(SampleStatus(), SampleStats(), requests, latencies);
  EXPECT_THAT(text, HasSubstr("store=\"/srv/a\\\"b\\nc\""));
  EXPECT_THAT(text, HasSubstr("siltfs_requests_total{op=\"read\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_request_duration_seconds_bucket{op=\"read\",le=\"2.048e-06\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_request_duration_seconds_bucket{op=\"read\",le=\"4.096e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_request_duration_seconds_bucket{op=\"read\",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_request_duration_seconds_sum{op=\"read\"} 3e-06\n"));
  EXPECT_THAT(text, Not(HasSubstr("duration_seconds_count{op=\"write\"}")));
  EXPECT_THAT(text, HasSubstr("siltfs_write_delay_seconds_total 1.5\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_healthy 1\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_inodes 3\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_inodes_counted 1\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_processors_kept_awake_total 7\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_processors_awake 1\n"));
  EXPECT_THAT(text, HasSubstr("siltfs_level_bytes{family=\"meta\",level=\"0\"} 0\n"));
}

TEST(StatsWatch, ShowsWhatHappenedInBetween) {
  RequestCounters requests;
  RequestLatencies latencies;
  latencies.Record(Request::kCreate, std::chrono::seconds(1));  // before
  nlohmann::json before = StatsJson(SampleStats(), &requests, &latencies);
  for (int i = 0; i < 100; ++i) latencies.Record(Request::kCreate, std::chrono::microseconds(300));
  for (int i = 0; i < 10; ++i) latencies.Record(Request::kRead, std::chrono::microseconds(20));
  lsm::DbStats stats = SampleStats();
  stats.block_cache_hits += 3;
  stats.block_cache_misses += 1;
  stats.wal_bytes = 4 << 20;
  stats.user_bytes = 2 << 20;
  stats.write_delay_count = 7;
  std::string text = WatchText(before, StatsJson(stats, &requests, &latencies), 2, 0, 0);
  EXPECT_THAT(text, HasSubstr("hits 75.0% of blocks"));
  EXPECT_THAT(text, HasSubstr("wal        2.0 MiB/s"));
  EXPECT_THAT(text, HasSubstr("amplified  2.00 times"));
  EXPECT_THAT(text, HasSubstr("held back  7 writes"));
  EXPECT_THAT(text, testing::ContainsRegex("create +50.0 +2[0-9][0-9]\\.[0-9] +3[0-9][0-9]\\.[0-9]"));
  EXPECT_LT(text.find("create"), text.find("read  ")) << "the busiest first";
}

TEST(StatsWatch, FitsTheScreen) {
  RequestCounters requests;
  RequestLatencies latencies;
  for (size_t kind = 0; kind < kRequestKinds; ++kind) {
    latencies.Record(static_cast<Request>(kind), std::chrono::microseconds(1));
  }
  nlohmann::json before = StatsJson(SampleStats(), &requests, nullptr);
  std::string text = WatchText(before, StatsJson(SampleStats(), &requests, &latencies), 1, 30, 12);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 12);
  for (size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    EXPECT_LE(text.find('\n', begin) - begin, 30u);
  }
}

TEST(Doctor, Kernels) {
  EXPECT_EQ(JudgeKernel("6.14.0-1-amd64").verdict, Verdict::kOk);
  EXPECT_EQ(JudgeKernel("6.1.0-32-amd64").verdict, Verdict::kNote);
  EXPECT_EQ(JudgeKernel("4.19.0").verdict, Verdict::kProblem);
  EXPECT_EQ(JudgeKernel("strange").verdict, Verdict::kNote);
}

TEST(Doctor, LimitsAndSpace) {
  EXPECT_EQ(JudgeAwake(true, 0).verdict, Verdict::kOk);
  EXPECT_THAT(JudgeAwake(true, ENOENT).remedy, HasSubstr("DeviceAllow=/dev/cpu_dma_latency w"));
  EXPECT_EQ(JudgeAwake(false, EACCES).verdict, Verdict::kNote) << "an ordinary user's mounts are as they should be";
  EXPECT_EQ(JudgeOpenFiles(1024).verdict, Verdict::kProblem);
  EXPECT_EQ(JudgeOpenFiles(1 << 20).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeSpace(0, 100).verdict, Verdict::kProblem);
  EXPECT_EQ(JudgeSpace(uint64_t{1} << 29, uint64_t{1} << 40).verdict, Verdict::kProblem);
  EXPECT_EQ(JudgeSpace(uint64_t{1} << 29, uint64_t{1} << 30).verdict, Verdict::kOk) << "a small disk, half empty";
  EXPECT_EQ(JudgeSpace(uint64_t{1} << 38, uint64_t{1} << 40).verdict, Verdict::kOk);
}

TEST(Doctor, AStoreThatFailedSaysWhatToDo) {
  nlohmann::json status = SampleStatus();
  status["store"] = "/srv/store";
  EXPECT_FALSE(HasProblem(JudgeStore(status)));
  status["health"] = {{"state", "failed"}, {"reason", "disk on fire"}};
  std::vector<Finding> findings = JudgeStore(status);
  EXPECT_TRUE(HasProblem(findings));
  EXPECT_THAT(ToText(findings), HasSubstr("problem  health       disk on fire; to do: unmount"));
  EXPECT_EQ(ToJson(findings)["ok"], false);
  EXPECT_EQ(ToJson(findings)["findings"][1]["verdict"], "problem");
}

}  // namespace
}  // namespace silt::mount
