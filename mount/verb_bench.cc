// siltfs bench
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "mount/bench.h"
#include "mount/cli.h"
#include "mount/mountinfo.h"
#include "mount/size.h"
#include "mount/target.h"

namespace silt::mount {
namespace {

constexpr int kExitInterrupted = 130;  // as shells say for SIGINT
std::atomic<bool> g_stop{false};       // set by the handler
static_assert(std::atomic<bool>::is_always_lock_free);

void StopOnInterrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop.store(true, std::memory_order_relaxed); };
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

// The directory that holds the store of a mount: the disk below it. nullopt where there is none or it cannot be written.
std::optional<std::string> HostBeside(const std::string& directory) {
  for (std::string at = ResolvePath(directory); !at.empty(); at = std::filesystem::path(at).parent_path()) {
    if (auto mount = FindSiltfsMount(at)) {
      std::string host = std::filesystem::path(mount->source).parent_path();
      return ::access(host.c_str(), W_OK) == 0 ? std::optional(host) : std::nullopt;
    }
    if (at == "/") break;
  }
  return std::nullopt;
}

// Empty: files may be made there.
std::string WhyNotHere(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return error ? error.message() : std::strerror(ENOTDIR);
  }
  auto target = ResolveTarget(directory);
  if (target && target->mountpoint.empty()) return "a store; mount it, and give the directory where it is mounted";
  return ::access(directory.c_str(), W_OK | X_OK) == 0 ? "" : std::strerror(errno);
}

// Rows come in the order of the directories; one line of the table has all of them.
class Table {
 public:
  explicit Table(bool two) : two_(two) {
    fmt::print("{:<21} {:>9} {:>12} {:>10} {:>10}", "", "per second", "", "median us", "99% us");
    if (two_) fmt::print(" | {:>9} {:>10} {:>7}", "host/s", "median us", "ratio");
    fmt::print("\n");
  }

  void Add(const BenchRow& row) {
    const double rate = static_cast<double>(row.operations) / row.seconds;
    if (row.directory == 0) {
      rate_ = rate;
      const std::string bytes =
          row.bytes == 0 ? "" : FormatSize(static_cast<uint64_t>(static_cast<double>(row.bytes) / row.seconds)) + "/s";
      fmt::print("{:<21} {:>9.0f} {:>12} {:>10.1f} {:>10.1f}", row.name, rate, bytes, row.median_micros, row.p99_micros);
      if (!two_) fmt::print("\n");
    } else {
      fmt::print(" | {:>9.0f} {:>10.1f} {:>7.2f}\n", rate, row.median_micros, rate_ / rate);
    }
    std::fflush(stdout);
  }

 private:
  const bool two_;
  double rate_ = 0;
};

nlohmann::json ToJson(const BenchRow& row, const std::string& directory) {
  return {{"name", row.name},       {"directory", directory},  {"operations", row.operations},
          {"bytes", row.bytes},     {"seconds", row.seconds},  {"median_micros", row.median_micros},
          {"p99_micros", row.p99_micros}};
}

int Run(const BenchOptions& options, bool as_json) {
  nlohmann::json rows = nlohmann::json::array();
  std::optional<Table> table;
  if (!as_json) {
    fmt::print("{}{}\n", options.directories[0],
               options.directories.size() > 1 ? fmt::format(", and the host's {} beside it (ratio: above 1 the first is faster)", options.directories[1])
                                              : "");
    table.emplace(options.directories.size() > 1);
  }
  StopOnInterrupt();
  lsm::Status status = RunBenchmark(options, g_stop, [&](const BenchRow& row) {
    if (as_json) {
      rows.push_back(ToJson(row, options.directories[row.directory]));
    } else {
      table->Add(row);
    }
  });
  if (g_stop) return Complain("bench", options.directories[0], "interrupted; what it made is removed"), kExitInterrupted;
  if (!status.ok()) return Complain("bench", options.directories[0], status);
  if (as_json) fmt::print("{}\n", JsonText(rows));
  return kExitOk;
}

}  // namespace

int RunBench(const Words& words) {
  BenchOptions options;
  std::string directory, size = "256M", beside;
  bool as_json = false, quick = false, alone = false;
  CLI::App app(
      "Measures a mounted directory from one thread, and the host's own beside it: small files, then one big one. Works "
      "on any directory. It takes two minutes at most, and removes what it makes, also after ^C.",
      "siltfs bench");
  app.add_option("MOUNTPOINT", directory, "the directory")->required();
  app.add_option("--beside", beside, "directory to compare with; for a mount, unless told, the one that holds its store");
  app.add_flag("--alone", alone, "compare with nothing");
  app.add_flag("--quick", quick, "a tenth of everything, a few seconds");
  app.add_option("--files", options.files, "small files, and random accesses")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000}));
  app.add_option("--size", size, "of the big file")->capture_default_str();
  app.add_option("--syncs", options.syncs, "writes with fsync")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}));
  app.add_option("--seconds", options.seconds, "for everything; phases that take longer end early")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 86400.0));
  app.add_flag("--json", as_json, "as a JSON array");
  app.footer("Examples:\n  siltfs bench /mnt\n  siltfs bench --quick --beside /var/tmp /mnt");
  if (auto exit_code = ParseArguments(app, "bench", words)) return *exit_code;
  auto bytes = ParseSize(size);
  if (!bytes || *bytes < (1 << 20)) return Complain("bench", size, "no good size; at least 1M"), kExitUsage;
  options.bytes = *bytes;
  if (quick) {
    options.files = std::max<uint64_t>(1, options.files / 10);
    options.bytes = std::max<uint64_t>(1 << 20, options.bytes / 10);
    options.syncs = std::max<uint64_t>(1, options.syncs / 10);
    options.seconds /= 10;
  }
  for (const std::string& each : {directory, beside}) {
    if (each.empty()) continue;
    if (const std::string why = WhyNotHere(each); !why.empty()) return Complain("bench", each, why), kExitFailure;
  }
  options.directories = {directory};
  if (!beside.empty()) {
    options.directories.push_back(beside);
  } else if (auto host = alone ? std::nullopt : HostBeside(directory)) {
    options.directories.push_back(*host);
  }
  return Run(options, as_json);
}

}  // namespace silt::mount
