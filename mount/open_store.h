// Reaching a store from a verb: through its daemon when it is mounted, directly when it is not.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "fs/filesystem.h"
#include "mount/control_socket.h"
#include "mount/target.h"

namespace silt::mount {

enum class Access { kReadOnly, kReadWrite };

fs::OpenOptions OptionsFor(Access access, const std::string& verb);
// The filesystem, or only its engine (which a damaged filesystem still has). Warnings and errors of the engine's log
// are left out: what matters comes back as a status.
lsm::Result<std::unique_ptr<fs::Filesystem>> OpenFilesystem(const std::string& store, Access access,
                                                            const std::string& verb);
lsm::Result<std::unique_ptr<lsm::Db>> OpenEngine(const std::string& store, Access access, const std::string& verb);

// Runs a verb on what `path` names: as `request` through the daemon of a mounted store, else by `direct`.
// Complains and returns the exit code when that fails; otherwise hands the result to `show`, whose value is returned.
struct VerbCall {
  std::string verb;
  std::string path;
  nlohmann::json request;
  ControlClient::OnEvent on_event;  // also for `direct` to call
  std::function<lsm::Result<nlohmann::json>(const std::string& store)> direct;
  std::function<int(const nlohmann::json& result)> show;
  std::function<void()> failing = {};  // called before a complaint; may be empty
};
int Call(const VerbCall& call);

}  // namespace silt::mount
