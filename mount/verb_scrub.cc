// siltfs scrub
#include <fmt/format.h>

#include <optional>

#include "mount/cli.h"
#include "mount/open_store.h"
#include "mount/service.h"
#include "mount/size.h"

namespace silt::mount {
namespace {

std::string Verdict(const nlohmann::json& result) {
  auto damaged = result.at("damaged_files").get<uint64_t>();
  std::string read = FormatSize(result.at("bytes").get<uint64_t>());
  if (damaged == 0) return fmt::format("{} read, no damage\n", read);
  return fmt::format("{} read, {} damaged {}; siltfs fsck --repair on the unmounted store saves what can be read\n",
                     read, damaged, damaged == 1 ? "file" : "files");
}

}  // namespace

int RunScrub(const Words& words) {
  std::string path;
  bool as_json = false;
  CLI::App app(
      "Reads and verifies every byte of a store, and names the files that are damaged. A mounted store stays "
      "usable meanwhile, and ^C ends the scrub there too. Exit code 1 when there is damage.",
      "siltfs scrub");
  app.add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  app.add_flag("--json", as_json, "as one JSON object");
  ProgressOption progress_option(&app);
  app.footer("Example:\n  siltfs scrub /mnt");
  if (auto exit_code = ParseArguments(app, "scrub", words)) return *exit_code;

  std::optional<Progress> progress(std::in_place, "scrub", progress_option.style());
  nlohmann::json damage = nlohmann::json::array();
  auto on_event = [&](const nlohmann::json& event) {
    if (auto step = event.find("progress"); step != event.end()) {
      progress->Update(step->at("done").get<uint64_t>(), step->at("total").get<uint64_t>());
    } else if (auto found = event.find("damage"); found != event.end()) {
      damage.push_back(*found);
    }
  };
  VerbCall call{
      .verb = "scrub", .path = path, .request = {{"verb", "scrub"}}, .on_event = on_event, .direct = {}, .show = {}};
  call.direct = [&](const std::string& store) -> lsm::Result<nlohmann::json> {
    auto db = OpenEngine(store, Access::kReadOnly, "scrub");
    if (!db) return Fail(db.error());
    return Scrub(**db, on_event, [] { return false; });
  };
  call.show = [&](const nlohmann::json& result) {
    progress.reset();
    if (as_json) {
      nlohmann::json whole = result;
      whole["damage"] = damage;
      fmt::print("{}\n", JsonText(whole));
    } else {
      for (const auto& found : damage) {
        fmt::print("{}: {}\n", found.at("file").get<std::string>(), found.at("what").get<std::string>());
      }
      fmt::print("{}", Verdict(result));
    }
    return damage.empty() ? kExitOk : kExitFailure;
  };
  return Call(call);
}

}  // namespace silt::mount
