// siltfs compact
#include "mount/cli.h"
#include "mount/open_store.h"
#include "mount/service.h"

namespace silt::mount {

int RunCompact(const Words& words) {
  std::string path;
  CLI::App app(
      "Rewrites every table, so that what was overwritten or deleted takes no space. Returns when it is done; "
      "a mounted store stays usable meanwhile. ^C is safe: a mounted store finishes by itself, another is as before.",
      "siltfs compact");
  app.add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  ProgressOption progress_option(&app);
  app.footer("Example:\n  siltfs compact /mnt");
  if (auto exit_code = ParseArguments(app, "compact", words)) return *exit_code;

  Progress progress("compact", progress_option.style());
  auto on_event = [&](const nlohmann::json& event) {
    if (auto step = event.find("progress"); step != event.end()) {
      progress.Update(step->at("done").get<uint64_t>(), step->at("total").get<uint64_t>());
    }
  };
  VerbCall call{.verb = "compact",
                .path = path,
                .request = {{"verb", "compact"}},
                .on_event = on_event,
                .direct = {},
                .show = {}};
  call.direct = [&](const std::string& store) -> lsm::Result<nlohmann::json> {
    auto filesystem = OpenFilesystem(store, Access::kReadWrite, "compact");  // knows the store's compression
    if (!filesystem) return Fail(filesystem.error());
    auto result = CompactAll((*filesystem)->db(), on_event, [] { return false; });
    if (lsm::Status closed = (*filesystem)->Close(); !closed.ok() && result) return Fail(closed);
    return result;
  };
  call.show = [](const nlohmann::json&) { return kExitOk; };
  return Call(call);
}

}  // namespace silt::mount
