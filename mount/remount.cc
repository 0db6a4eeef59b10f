#include "mount/remount.h"

#include <fmt/format.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "mount/control_socket.h"
#include "mount/mountinfo.h"

namespace silt::mount {
namespace {

using lsm::Status;

struct Flag {
  std::string_view name;
  unsigned long bits;
  bool set;
};

constexpr auto kFlags = std::to_array<Flag>({
    {"suid", MS_NOSUID, false},
    {"nosuid", MS_NOSUID, true},
    {"dev", MS_NODEV, false},
    {"nodev", MS_NODEV, true},
    {"exec", MS_NOEXEC, false},
    {"noexec", MS_NOEXEC, true},
    {"sync", MS_SYNCHRONOUS, true},
    {"async", MS_SYNCHRONOUS, false},
    {"dirsync", MS_DIRSYNC, true},
    {"noatime", MS_NOATIME, true},
});

Status TellKernel(const std::string& mountpoint, const MountOptions& options) {
  if (::mount("none", mountpoint.c_str(), nullptr, RemountFlags(options), nullptr) == 0) return Status::Ok();
  switch (errno) {
    case EBUSY:
      return Status::Busy(fmt::format("{0}: files are open for writing; 'fuser -vm {0}' or 'lsof {0}' says by whom",
                                      mountpoint));
    case EPERM:
      return Status::IoError(mountpoint + ": only root may remount");
    default:
      return Status::IoError(fmt::format("{}: {}", mountpoint, std::strerror(errno)));
  }
}

Status TellDaemon(ControlClient* daemon, const MountOptions& options) {
  auto answer = daemon->Call({{"verb", "remount"}, {"read_only", options.read_only}, {"dirsync", options.dirsync}});
  return answer ? Status::Ok() : answer.error();
}

}  // namespace

unsigned long RemountFlags(const MountOptions& options) {
  unsigned long bits = MS_REMOUNT | (options.read_only ? MS_RDONLY : 0);
  for (const std::string& name : options.kernel) {
    auto flag = std::find_if(kFlags.begin(), kFlags.end(), [&](const Flag& f) { return f.name == name; });
    if (flag != kFlags.end()) bits = flag->set ? bits | flag->bits : bits & ~flag->bits;
  }
  return bits;
}

Status Remount(const std::string& mountpoint, const MountOptions& options) {
  std::string path = ResolvePath(mountpoint);
  auto mount = path.empty() ? std::nullopt : FindSiltfsMount(path);
  if (!mount) return Status::NotFound(mountpoint + ": no siltfs is mounted there to be remounted");
  auto daemon = ControlClient::Connect(mount->source);
  if (!daemon) return Status::IoError(fmt::format("{}: its daemon does not answer at {}", path, mount->source));
  // Writes are let in when the daemon can take them, and its sync comes when there are no more.
  if (options.read_only) {
    SILT_RETURN_IF_ERROR(TellKernel(path, options));
    return TellDaemon(&*daemon, options);
  }
  SILT_RETURN_IF_ERROR(TellDaemon(&*daemon, options));
  return TellKernel(path, options);
}

}  // namespace silt::mount
