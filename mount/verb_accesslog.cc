// siltfs accesslog
#include <fmt/format.h>

#include "mount/cli.h"
#include "mount/open_store.h"

namespace silt::mount {
namespace {

void PrintEvent(const nlohmann::json& event, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (auto line = event.find("line"); line != event.end()) {
    fmt::print("{}\n", line->get<std::string>());
  } else if (auto dropped = event.find("dropped"); dropped != event.end()) {
    fmt::print("# {} lines dropped\n", dropped->get<uint64_t>());
  }
  std::fflush(stdout);
}

}  // namespace

int RunAccessLog(const Words& words) {
  std::string path, action = "tail";
  bool as_json = false;
  CLI::App app(
      "Shows each request that a mounted filesystem serves: when, what, on which path, how it ended, how long it took, and "
      "for whom. What the kernel answers from its caches never gets here.",
      "siltfs accesslog");
  app.add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  app.add_option("ACTION", action,
                 "on, off: keep the last 4096 requests, or no more; show: print them; tail: print requests as they come, "
                 "until ^C, whether it is on or not")
      ->check(CLI::IsMember({"on", "off", "show", "tail"}))
      ->capture_default_str();
  app.add_flag("--json", as_json, "one JSON object a line");
  app.footer(
      "Off, it costs nothing. A path is \"inode N\" where neither the store nor an earlier request tells the name.\n"
      "\nExamples:\n  siltfs accesslog /mnt\n  siltfs accesslog /mnt on; make -C /mnt/src; siltfs accesslog /mnt show");
  if (auto exit_code = ParseArguments(app, "accesslog", words)) return *exit_code;

  VerbCall call{.verb = "accesslog",
                .path = path,
                .request = {{"verb", "accesslog"}, {"action", action}},
                .on_event = [&](const nlohmann::json& event) { PrintEvent(event, as_json); },
                .direct = {},
                .show = [](const nlohmann::json&) { return kExitOk; }};
  call.direct = [](const std::string&) -> lsm::Result<nlohmann::json> {
    return lsm::Fail(lsm::Status::NotFound("not mounted, so there are no requests"));
  };
  return Call(call);
}

}  // namespace silt::mount
