// siltfs status
#include <fmt/format.h>

#include "mount/cli.h"
#include "mount/open_store.h"
#include "mount/status_report.h"

namespace silt::mount {

int RunStatus(const Words& words) {
  std::string path;
  bool as_json = false;
  CLI::App app("Says where a store is mounted, how big it is and whether it is well.", "siltfs status");
  app.add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  app.add_flag("--json", as_json, "as one JSON object");
  app.footer("Examples:\n  siltfs status /mnt\n  siltfs status --json /srv/store | jq .health");
  if (auto exit_code = ParseArguments(app, "status", words)) return *exit_code;

  VerbCall call{
      .verb = "status", .path = path, .request = {{"verb", "status"}}, .on_event = {}, .direct = {}, .show = {}};
  call.direct = [](const std::string& store) -> lsm::Result<nlohmann::json> {
    auto filesystem = OpenFilesystem(store, Access::kReadOnly, "status");
    if (!filesystem) return Fail(filesystem.error());
    return StatusJson(store, **filesystem, nullptr);
  };
  call.show = [&](const nlohmann::json& status) {
    fmt::print("{}", as_json ? JsonText(status) + "\n" : StatusText(status));
    return kExitOk;
  };
  return Call(call);
}

}  // namespace silt::mount
