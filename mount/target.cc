#include "mount/target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lsm/db.h"
#include "mount/mountinfo.h"

namespace silt::mount {

lsm::Result<Target> ResolveTarget(const std::string& path) {
  std::string resolved = ResolvePath(path);
  if (resolved.empty()) return Fail(lsm::Status::NotFound(std::strerror(errno)));
  if (auto mount = FindSiltfsMount(resolved)) return Target{.store = mount->source, .mountpoint = resolved};
  if (lsm::StoreExists(lsm::Options{}, resolved)) return Target{.store = resolved, .mountpoint = {}};
  return Fail(lsm::Status::NotFound(WhyNoStore(resolved, "neither a siltfs store nor the mountpoint of one")));
}

std::string WhyNoStore(const std::string& directory, std::string_view otherwise) {
  if (::faccessat(AT_FDCWD, directory.c_str(), R_OK | X_OK, AT_EACCESS) != 0 && errno == EACCES) {
    return "Permission denied; a store is its owner's alone";
  }
  return std::string(otherwise);
}

}  // namespace silt::mount
