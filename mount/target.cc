#include "mount/target.h"

#include <fmt/format.h>

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
  return Fail(lsm::Status::NotFound("neither a siltfs store nor the mountpoint of one"));
}

}  // namespace silt::mount
