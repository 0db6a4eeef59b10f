// siltfs bench
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "mount/bench.h"
#include "mount/cli.h"
#include "mount/size.h"

namespace silt::mount {
namespace {

void PrintRow(const BenchRow& row) {
  std::string rate =
      row.bytes == 0 ? "" : FormatSize(static_cast<uint64_t>(static_cast<double>(row.bytes) / row.seconds)) + "/s";
  fmt::print("{:<22} {:>8} {:>12.0f} {:>14} {:>11.1f} {:>11.1f}\n", row.name, row.operations,
             static_cast<double>(row.operations) / row.seconds, rate, row.median_micros, row.p99_micros);
  std::fflush(stdout);
}

nlohmann::json ToJson(const BenchRow& row) {
  return {{"name", row.name},       {"operations", row.operations},       {"bytes", row.bytes},
          {"seconds", row.seconds}, {"median_micros", row.median_micros}, {"p99_micros", row.p99_micros}};
}

}  // namespace

int RunBench(const Words& words) {
  BenchOptions options;
  std::string size = "256M";
  bool as_json = false;
  CLI::App app(
      "Measures a mounted directory from one thread: small files, then one big one. Works on any directory, so "
      "that a mount can be compared with the disk below it. What it makes it removes.",
      "siltfs bench");
  app.add_option("MOUNTPOINT", options.directory, "the directory")->required();
  app.add_option("--files", options.files, "small files, and random accesses")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000}));
  app.add_option("--size", size, "of the big file")->capture_default_str();
  app.add_option("--syncs", options.syncs, "writes with fsync")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}));
  app.add_flag("--json", as_json, "as a JSON array");
  app.footer("Example:\n  siltfs bench /mnt; siltfs bench /tmp");
  if (auto exit_code = ParseArguments(app, "bench", words)) return *exit_code;
  auto bytes = ParseSize(size);
  if (!bytes || *bytes < (1 << 20)) return Complain("bench", size, "no good size; at least 1M"), kExitUsage;
  options.bytes = *bytes;

  nlohmann::json rows = nlohmann::json::array();
  if (!as_json) {
    fmt::print("{:<22} {:>8} {:>12} {:>14} {:>11} {:>11}\n", "", "count", "per second", "", "median us", "99% us");
  }
  lsm::Status status = RunBenchmark(options, [&](const BenchRow& row) {
    if (as_json) {
      rows.push_back(ToJson(row));
    } else {
      PrintRow(row);
    }
  });
  if (!status.ok()) return Complain("bench", options.directory, status);
  if (as_json) fmt::print("{}\n", rows.dump(2));
  return kExitOk;
}

}  // namespace silt::mount
