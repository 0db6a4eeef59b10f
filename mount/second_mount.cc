#include "mount/second_mount.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "mount/control_socket.h"
#include "mount/mountinfo.h"
#include "mount/remount.h"

namespace silt::mount {
namespace {

using lsm::Status;

Status CheckDirectory(const std::string& given, const std::string& mountpoint) {
  if (auto there = FindSiltfsMount(mountpoint)) {
    return Status::Busy(fmt::format("{}: {} is mounted there; unmount it first", mountpoint, there->source));
  }
  struct stat st {};
  if (mountpoint.empty() || ::stat(mountpoint.c_str(), &st) != 0) {
    return Status::NotFound(fmt::format("{}: {}; make the mountpoint with mkdir", given, std::strerror(errno)));
  }
  if (!S_ISDIR(st.st_mode)) return Status::InvalidArgument(mountpoint + ": not a directory; mount on a directory");
  return Status::Ok();
}

Status Bind(const MountEntry& first, const std::string& mountpoint) {
  if (::mount(first.mountpoint.c_str(), mountpoint.c_str(), nullptr, MS_BIND, nullptr) == 0) return Status::Ok();
  if (errno != EPERM) return Status::IoError(fmt::format("{}: {}", mountpoint, std::strerror(errno)));
  return Status::Busy(
      fmt::format("{}: already mounted at {}; only root may mount it a second time", first.source, first.mountpoint));
}

// A bind mount begins with the flags of what it shows.
Status SetFlags(const MountEntry& first, const std::string& mountpoint, const MountOptions& options) {
  auto bound = FindSiltfsMount(mountpoint);
  if (!bound || bound->device != first.device) {  // the directory below was bound, which is none of ours
    return Status::NotFound(first.source + ": was unmounted meanwhile");
  }
  if (::mount("none", mountpoint.c_str(), nullptr, MS_BIND | RemountFlags(options), nullptr) == 0) return Status::Ok();
  return Status::IoError(fmt::format("{}: its flags cannot be set: {}", mountpoint, std::strerror(errno)));
}

}  // namespace

std::optional<std::string> LiveMountpointOf(const std::string& store) {
  const std::string path = ResolvePath(store);
  // The daemon is asked for by its socket: looking at the mount would keep it busy for somebody who is unmounting it.
  if (path.empty() || !ControlClient::Connect(path)) return std::nullopt;
  const std::vector<std::string> mountpoints = MountpointsOf(ReadMountinfo(), path);
  return mountpoints.empty() ? std::nullopt : std::optional(mountpoints.front());
}

Status MountAgain(const std::string& first, const SessionConfig& config) {
  const std::string mountpoint = ResolvePath(config.mountpoint);
  SILT_RETURN_IF_ERROR(CheckDirectory(config.mountpoint, mountpoint));
  auto mounted = FindSiltfsMount(first);
  if (!mounted) return Status::NotFound(first + ": was unmounted meanwhile");
  if (!config.options.read_only && IsReadOnlyFilesystem(*mounted)) {
    return Status::Busy(fmt::format("{}: mounted read-only at {}; unmount that first, or mount it ro here, too",
                                    mounted->source, first));
  }
  SILT_RETURN_IF_ERROR(Bind(*mounted, mountpoint));
  Status status = SetFlags(*mounted, mountpoint, config.options);
  if (!status.ok()) ::umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW);
  return status;
}

}  // namespace silt::mount
