// siltfs stats
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "mount/cli.h"
#include "mount/open_store.h"
#include "mount/stats_report.h"

namespace silt::mount {

int RunStats(const Words& words) {
  std::string path;
  bool as_json = false;
  bool watch = false;
  double interval = 2;
  CLI::App app("Shows the engine's levels and counters, and the requests served; counted since the store was opened.",
               "siltfs stats");
  app.add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  app.add_flag("--json", as_json, "as one JSON object; with --watch one a line");
  app.add_flag("--watch", watch, "again and again, until ^C");
  app.add_option("--interval", interval, "seconds between, with --watch")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  app.footer("Examples:\n  siltfs stats /mnt\n  siltfs stats --watch /mnt\n  siltfs stats --json /mnt | jq .engine");
  if (auto exit_code = ParseArguments(app, "stats", words)) return *exit_code;

  VerbCall call{
      .verb = "stats", .path = path, .request = {{"verb", "stats"}}, .on_event = {}, .direct = {}, .show = {}};
  call.direct = [](const std::string& store) -> lsm::Result<nlohmann::json> {
    auto db = OpenEngine(store, Access::kReadOnly, "stats");
    if (!db) return Fail(db.error());
    return StatsJson((*db)->GetStats(), nullptr);
  };
  bool clear = watch && !as_json && ::isatty(STDOUT_FILENO) == 1;
  call.show = [&](const nlohmann::json& stats) {
    fmt::print("{}{}", clear ? "\033[H\033[2J" : "", as_json ? stats.dump(watch ? -1 : 2) + "\n" : StatsText(stats));
    std::fflush(stdout);
    return kExitOk;
  };
  int exit_code = Call(call);
  while (watch && exit_code == kExitOk) {
    std::this_thread::sleep_for(std::chrono::duration<double>(interval));
    exit_code = Call(call);
  }
  return exit_code;
}

}  // namespace silt::mount
