// siltfs mount, mount.siltfs
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lsm/db.h"
#include "mount/cli.h"
#include "mount/control_socket.h"
#include "mount/mountinfo.h"
#include "mount/session.h"
#include "mount/unmount.h"

namespace silt::mount {
namespace {

using lsm::Status;

// What mount(8) expects of a helper.
constexpr int kMountHelperUsage = 1;
constexpr int kMountHelperFailure = 32;

// How long a store may take to close that is not mounted any more. (A mount that was detached while in use has an end
// that nobody knows.)
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
    return Status::NotFound(store + ": no siltfs store there; make one with siltfs mkfs");
  }
  auto daemon = ControlClient::Connect(store);
  if (!daemon) return Status::Ok();
  auto status = daemon->Call({{"verb", "status"}});
  std::string where = status ? status->value("mountpoint", "?") : "?";
  // Unmounted by other means than siltfs umount, which waits: the daemon is closing the store.
  if (!FindSiltfsMount(where) && daemon->WaitForClose(kClosingSeconds)) return Status::Ok();
  return Status::Busy(
      fmt::format("{}: already mounted by pid {} at {}; unmount it first", store, daemon->daemon_pid(), where));
}

// Everything that can be known to be wrong before a process is started. Makes both paths absolute.
Status Validate(SessionConfig* config) {
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

// The engine's messages name files, not always the store.
Status InStore(const std::string& store, Status status) {
  if (status.ok() || status.message().find(store) != std::string::npos) return status;
  return Status(status.code(), store + ": " + status.message());
}

int MountAndServe(SessionConfig config) {
  Status status = Validate(&config);
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

Status ParseAll(const Words& lists, MountOptions* options) {
  for (const std::string& list : lists) SILT_RETURN_IF_ERROR(ParseMountOptions(list, options));
  return Status::Ok();
}

}  // namespace

int RunMount(const Words& words) {
  SessionConfig config;
  Words lists;
  bool debug = false;
  CLI::App app("Mounts a store at a directory and returns when it can be used; a daemon then serves it.",
               "siltfs mount");
  app.add_option("STORE", config.store, "the store")->required();
  app.add_option("MOUNTPOINT", config.mountpoint, "the directory")->required();
  app.add_option("-o", lists, "options, see below")->allow_extra_args(false)->type_name("OPTIONS");
  app.add_flag("-f,--foreground", config.foreground, "serve in the foreground, until ^C or an unmount");
  app.add_flag("-d,--debug", debug, "print every FUSE request (implies -f)");
  app.footer(MountOptionsHelp() +
             "\nExamples:\n  siltfs mount /srv/store /mnt\n  siltfs mount -o ro,memory=512M /srv/store /mnt\n"
             "In /etc/fstab:\n  /srv/store  /mnt  fuse.siltfs  defaults,noatime  0  0");
  if (auto exit_code = ParseArguments(app, "mount", words)) return *exit_code;
  if (Status status = ParseAll(lists, &config.options); !status.ok()) {
    Complain("mount", "-o", status);
    return kExitUsage;
  }
  config.options.debug = config.options.debug || debug;
  config.foreground = config.foreground || config.options.debug;
  return MountAndServe(std::move(config));
}

int RunMountHelper(const Words& words) {
  SessionConfig config;
  Words lists;
  std::string type;
  bool sloppy = false, fake = false, no_mtab = false, verbose = false;
  CLI::App app("Mounts a store; what mount(8) runs for the type siltfs. See siltfs mount --help.", "mount.siltfs");
  app.add_option("STORE", config.store, "the store")->required();
  app.add_option("MOUNTPOINT", config.mountpoint, "the directory")->required();
  app.add_option("-o", lists, "options")->allow_extra_args(false)->type_name("OPTIONS");
  app.add_option("-t", type, "type; ignored");
  app.add_flag("-s", sloppy, "tolerate unknown options; ignored: they are refused");
  app.add_flag("-f", fake, "check everything, mount nothing");
  app.add_flag("-n", no_mtab, "ignored");
  app.add_flag("-v", verbose, "say what is done");
  app.footer(MountOptionsHelp() + "\nExample:\n  mount -t siltfs -o noatime /srv/store /mnt");
  if (auto exit_code = ParseArguments(app, "mount", words, kMountHelperUsage)) return *exit_code;
  if (Status status = ParseAll(lists, &config.options); !status.ok()) {
    Complain("mount", "-o", status);
    return kMountHelperUsage;
  }
  if (verbose) fmt::print("mount.siltfs: {} on {}\n", config.store, config.mountpoint);
  if (fake) {
    Status status = Validate(&config);
    return status.ok() ? kExitOk : (Complain("mount", "", status), kMountHelperFailure);
  }
  return MountAndServe(std::move(config)) == kExitOk ? kExitOk : kMountHelperFailure;
}

}  // namespace silt::mount
