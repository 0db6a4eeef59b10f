// mount.siltfs and umount.siltfs: what mount(8) and umount(8) run for this type, with their exit codes.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mount/cli.h"
#include "mount/mounting.h"
#include "mount/remount.h"
#include "mount/second_mount.h"

namespace silt::mount {
namespace {

using lsm::Status;

// Of mount(8).
constexpr int kUsage = 1;
constexpr int kSystem = 2;
constexpr int kFailure = 32;

int ExitCode(std::string_view verb, const Status& status) {
  return status.ok() ? kExitOk : (Complain(verb, "", status), kFailure);
}

}  // namespace

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
  app.footer(MountOptionsHelp() +
             "\nExit codes: 0 mounted, 1 usage, 2 no FUSE in this system, 32 not mounted."
             "\n\nExample:\n  mount -t siltfs -o noatime /srv/store /mnt");
  if (auto exit_code = ParseArguments(app, "mount", words, kUsage)) return *exit_code;
  if (Status status = ParseOptionLists(lists, &config.options); !status.ok()) {
    Complain("mount", "-o", status);
    return kUsage;
  }
  const bool remount = config.options.remount;
  if (verbose) {
    fmt::print("mount.siltfs: {} {} on {}\n", remount ? "remounting" : "mounting", config.store, config.mountpoint);
  }
  if (remount) return fake ? kExitOk : ExitCode("mount", Remount(config.mountpoint, config.options));
  if (::access("/dev/fuse", F_OK) != 0) {
    Complain("mount", "/dev/fuse", fmt::format("{}; load the kernel's module: modprobe fuse", std::strerror(errno)));
    return kSystem;
  }
  if (auto first = LiveMountpointOf(config.store)) {
    if (fake) return kExitOk;
    Status again = MountAgain(*first, config);
    // Unmounted meanwhile, it is mounted as if it had never been.
    if (again.code() != lsm::StatusCode::kNotFound) return ExitCode("mount", again);
  }
  if (fake) return ExitCode("mount", ValidateMount(&config));
  return MountAndServe(std::move(config)) == kExitOk ? kExitOk : kFailure;
}

int RunUmountHelper(const Words& words) {
  std::string path, type;
  UnmountRequest request;
  bool no_mtab = false, read_only = false, verbose = false;
  CLI::App app("Unmounts, and waits until the store is closed; what umount(8) runs for the type siltfs.",
               "umount.siltfs");
  app.add_option("MOUNTPOINT", path, "where it is mounted")->required();
  app.add_option("-t", type, "type; ignored");
  app.add_flag("-f", request.force, "even if the daemon does not answer: what is waiting for it fails");
  app.add_flag("-l", request.lazy, "detach it now, even if it is in use, and do not wait");
  app.add_flag("-n", no_mtab, "ignored");
  app.add_flag("-r", read_only, "remount it read-only if it is in use");
  app.add_flag("-v", verbose, "say what is done");
  app.footer("Exit codes: 0 unmounted, 1 usage, 32 not unmounted.\n\nExample:\n  umount /mnt");
  if (auto exit_code = ParseArguments(app, "umount", words, kUsage)) return *exit_code;
  if (verbose) fmt::print("umount.siltfs: {}\n", path);
  Status status = UnmountAndWait(path, request);
  if (status.code() == lsm::StatusCode::kBusy && read_only) {
    MountOptions options;
    options.read_only = true;
    status = Remount(path, options);
    if (status.ok()) fmt::print("umount.siltfs: {} is in use: remounted read-only\n", path);
  }
  return ExitCode("umount", status);
}

}  // namespace silt::mount
