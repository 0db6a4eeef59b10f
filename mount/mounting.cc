#include "mount/mounting.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "lsm/db.h"
#include "mount/control_socket.h"
#include "mount/mountinfo.h"
#include "mount/report.h"
#include "mount/target.h"
#include "mount/unmount.h"

namespace silt::mount {
namespace {

using lsm::Status;

// How long a mount that was taken away may take to end. (One that was detached while in use has an end that nobody
// knows.)
constexpr int kClosingSeconds = 10;

// True when `inner` is `outer` or below it.
bool Contains(const std::string& outer, const std::string& inner) {
  if (outer == "/") return true;
  return inner == outer || (inner.starts_with(outer) && inner[outer.size()] == '/');
}

// A daemon that was killed leaves its mountpoint behind, where every access fails with ENOTCONN.
Status DetachDeadMount(const std::string& mountpoint) {
  while (IsDeadMount(mountpoint)) {
    if (!FindSiltfsMount(mountpoint)) {
      return Status::IoError(
          fmt::format("{}: a FUSE mount whose daemon is gone is in the way; unmount it with "
                      "fusermount3 -u",
                      mountpoint));
    }
    Status status = Unmount(mountpoint, /*lazy=*/true);
    if (!status.ok()) {
      return Status::IoError(
          fmt::format("{}: a dead mount is in the way and cannot be detached: {}", mountpoint, status.message()));
    }
  }
  return Status::Ok();
}

Status CheckMountpoint(const std::string& mountpoint) {
  SILT_RETURN_IF_ERROR(DetachDeadMount(mountpoint));
  struct stat st {};
  if (::stat(mountpoint.c_str(), &st) != 0) {
    return Status::NotFound(fmt::format("{}: {}", mountpoint, std::strerror(errno)));
  }
  if (!S_ISDIR(st.st_mode)) return Status::InvalidArgument(mountpoint + ": not a directory; mount on a directory");
  if (auto mount = FindSiltfsMount(mountpoint)) {
    return Status::Busy(fmt::format("{}: {} is mounted there; unmount it first", mountpoint, mount->source));
  }
  return Status::Ok();
}

Status CheckStore(const std::string& store) {
  if (!lsm::StoreExists(lsm::Options{}, store)) {
    return Status::NotFound(store + ": " + WhyNoStore(store, "no siltfs store there; make one with siltfs mkfs"));
  }
  auto user = UserOfStore(store);
  if (!user) return Status::Ok();
  return Status::Busy(
      fmt::format("{}: already mounted by pid {} at {}; unmount it first", store, user->pid, user->mountpoint));
}

// The engine's messages name files, not always the store.
Status InStore(const std::string& store, Status status) {
  if (status.ok() || status.message().find(store) != std::string::npos) return status;
  return Status(status.code(), store + ": " + status.message());
}

bool IsClosing(ControlClient* daemon) {
  auto answer = daemon->Call({{"verb", "closing"}});
  return answer && answer->value("closing", false);
}

// True when the daemon has closed the store. False when it still has a mount to serve after so long; one that is
// closing is waited for as long as that takes, as umount(2) of a disk would have waited.
bool AwaitEnd(const std::string& store, ControlClient* daemon) {
  for (bool told = false; !daemon->WaitForClose(kClosingSeconds); told = true) {
    if (!IsClosing(daemon)) return false;
    if (!told) fmt::print(stderr, "siltfs: {}: pid {} is still closing it; waiting\n", store, daemon->daemon_pid());
  }
  return true;
}

// Where this process sees the filesystem still mounted: by another bind mount.
std::optional<std::string> OtherMountpoint(std::string_view device) {
  for (const MountEntry& entry : ReadMountinfo()) {
    if (entry.type == kMountType && entry.device == device) return entry.mountpoint;
  }
  return std::nullopt;
}

// Where a store is not closed because somebody else keeps it mounted, everything is on disk all the same.
Status Sync(ControlClient* daemon) {
  auto answer = daemon->Call({{"verb", "sync"}});
  return answer ? Status::Ok() : answer.error();
}

// Until the store is closed, or as long as that is the daemon's doing: what somebody else keeps mounted is theirs to
// unmount, as with any filesystem. Nobody waits for long without being told what for.
Status AwaitClose(const MountEntry& mount, ControlClient* daemon) {
  constexpr int kPatienceSeconds = 5;  // short-lived namespaces end by themselves
  if (auto elsewhere = OtherMountpoint(mount.device)) {
    fmt::print(stderr, "siltfs umount: {}: unmounted; its store {} stays mounted at {}\n", mount.mountpoint,
               mount.source, *elsewhere);
    return Sync(daemon);
  }
  for (bool told = false; !daemon->WaitForClose(kPatienceSeconds); told = true) {
    if (auto user = FindInOtherNamespaces(mount.device)) {
      fmt::print(stderr,
                 "siltfs umount: {}: unmounted, but the mount namespace of pid {} ({}) has it mounted at {}: the store "
                 "{} is closed when that namespace ends\n",
                 mount.mountpoint, user->pid, user->command, user->mountpoint, mount.source);
      return Sync(daemon);
    }
    if (told) continue;
    fmt::print(stderr,
               "siltfs umount: {}: unmounted, but its store is not closed yet: much is being written, or a mount "
               "namespace that cannot be seen from here has it mounted; waiting\n",
               mount.mountpoint);
  }
  return Status::Ok();
}

}  // namespace

Status ParseOptionLists(const std::vector<std::string>& lists, MountOptions* options) {
  for (const std::string& list : lists) SILT_RETURN_IF_ERROR(ParseMountOptions(list, options));
  return Status::Ok();
}

std::optional<StoreUser> UserOfStore(const std::string& store) {
  auto daemon = ControlClient::Connect(store);
  if (!daemon) return std::nullopt;
  auto status = daemon->Call({{"verb", "status"}});
  std::vector<std::string> visible = MountpointsOf(ReadMountinfo(), ResolvePath(store));
  if (visible.empty() && AwaitEnd(store, &*daemon)) return std::nullopt;
  std::string where = !visible.empty() ? visible.front() : status ? status->value("mountpoint", "?") : "?";
  return StoreUser{.pid = daemon->daemon_pid(), .mountpoint = std::move(where)};
}

Status ValidateMount(SessionConfig* config) {
  std::string store = ResolvePath(config->store);
  if (store.empty()) {
    return Status::NotFound(fmt::format("{}: {}; make a store with siltfs mkfs", config->store, std::strerror(errno)));
  }
  std::string mountpoint = ResolvePath(config->mountpoint);
  if (mountpoint.empty()) {
    return Status::NotFound(
        fmt::format("{}: {}; make the mountpoint with mkdir", config->mountpoint, std::strerror(errno)));
  }
  if (Contains(store, mountpoint) || Contains(mountpoint, store)) {
    return Status::InvalidArgument(
        fmt::format("{}: the store {} and its mountpoint must not contain each other", mountpoint, store));
  }
  config->store = store;
  config->mountpoint = mountpoint;
  SILT_RETURN_IF_ERROR(CheckMountpoint(mountpoint));
  return CheckStore(store);
}

int MountAndServe(SessionConfig config) {
  Status status = ValidateMount(&config);
  if (!status.ok()) return Complain("mount", "", status);
  if (!config.foreground) {
    status = RunInBackground([&](const ReportStart& report) { return RunSession(config, report); });
    status = InStore(config.store, status);
    return status.ok() ? kExitOk : Complain("mount", "", status);
  }
  return RunSession(config, [&](const Status& started) {
    if (!started.ok()) Complain("mount", "", InStore(config.store, started));
  });
}

Status UnmountAndWait(const std::string& path, UnmountRequest request) {
  std::string mountpoint = ResolvePath(path);
  if (mountpoint.empty()) return Status::NotFound(fmt::format("{}: {}", path, std::strerror(errno)));
  auto mount = FindSiltfsMount(mountpoint);
  if (!mount) {
    return Status::NotFound(mountpoint + ": no siltfs is mounted there; 'findmnt -t fuse.siltfs' lists what is");
  }
  // Connected before the unmount: the end of this connection is the sign that the store is closed.
  std::optional<ControlClient> daemon;
  bool dead = IsDeadMount(mountpoint);
  if (!dead) daemon = ControlClient::Connect(mount->source);
  Status status = Unmount(mountpoint, request.lazy || dead, request.force);
  if (status.code() == lsm::StatusCode::kBusy) {
    return Status::Busy(fmt::format(
        "{0}: in use; 'fuser -vm {0}' or 'lsof {0}' says by whom, --lazy detaches it all the same", mountpoint));
  }
  if (!status.ok()) return Status(status.code(), fmt::format("{}: {}", mountpoint, status.message()));
  return daemon && !request.lazy ? AwaitClose(*mount, &*daemon) : Status::Ok();
}

}  // namespace silt::mount
