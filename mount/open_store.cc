#include "mount/open_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include "mount/mountinfo.h"
#include "mount/report.h"

namespace silt::mount {

using lsm::Result;
using nlohmann::json;

fs::OpenOptions OptionsFor(Access access, const std::string& verb) {
  fs::OpenOptions options;
  options.read_only = access == Access::kReadOnly;
  options.lock_description = fmt::format("pid {}, siltfs {}", ::getpid(), verb);
  return options;
}

Result<std::unique_ptr<fs::Filesystem>> OpenFilesystem(const std::string& store, Access access,
                                                       const std::string& verb) {
  return fs::Filesystem::Open(OptionsFor(access, verb), store);
}

Result<std::unique_ptr<lsm::Db>> OpenEngine(const std::string& store, Access access, const std::string& verb) {
  return lsm::Db::Open(fs::Filesystem::EngineOptions(OptionsFor(access, verb)), store);
}

int Call(const VerbCall& call) {
  auto complain = [&](const std::string& where, const auto& what) {
    if (call.failing) call.failing();
    return Complain(call.verb, where, what);
  };
  auto target = ResolveTarget(call.path);
  if (!target) return complain(call.path, target.error());
  if (auto daemon = ControlClient::Connect(target->store)) {
    Result<json> result = daemon->Call(call.request, call.on_event);
    return result ? call.show(*result) : complain(target->store, result.error());
  }
  if (!target->mountpoint.empty() && !IsDeadMount(target->mountpoint)) {
    return complain(target->mountpoint,
                    fmt::format("mounted, but the daemon does not answer at {}/{}; are you its owner?", target->store,
                                kControlSocketName));
  }
  Result<json> result = call.direct(target->store);
  return result ? call.show(*result) : complain(target->store, result.error());
}

}  // namespace silt::mount
