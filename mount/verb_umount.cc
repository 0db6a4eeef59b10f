// siltfs umount
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "mount/cli.h"
#include "mount/control_socket.h"
#include "mount/mountinfo.h"
#include "mount/unmount.h"

namespace silt::mount {
namespace {

int ComplainBusy(const std::string& mountpoint) {
  return Complain(
      "umount", mountpoint,
      fmt::format("in use; 'fuser -vm {0}' or 'lsof {0}' says by whom, --lazy detaches it all the same", mountpoint));
}

// Nobody waits for long without being told what for.
void AwaitClose(const std::string& mountpoint, ControlClient* daemon) {
  constexpr int kSilentSeconds = 5;
  if (daemon->WaitForClose(kSilentSeconds)) return;
  fmt::print(stderr,
             "siltfs umount: {}: unmounted, but its store is not closed yet: much is being written, or another mount "
             "namespace still has it mounted ('lsns -t mnt' lists them); waiting\n",
             mountpoint);
  daemon->WaitForClose();
}

}  // namespace

int RunUmount(const Words& words) {
  std::string path;
  bool lazy = false;
  CLI::App app("Unmounts, and returns when the store is closed: everything is on disk and it can be mounted again.",
               "siltfs umount");
  app.add_option("MOUNTPOINT", path, "where it is mounted")->required();
  app.add_flag("-l,--lazy", lazy, "detach it now, even if it is in use, and do not wait");
  app.footer("Example:\n  siltfs umount /mnt");
  if (auto exit_code = ParseArguments(app, "umount", words)) return *exit_code;

  std::string mountpoint = ResolvePath(path);
  if (mountpoint.empty()) return Complain("umount", path, std::strerror(errno));
  auto mount = FindSiltfsMount(mountpoint);
  if (!mount)
    return Complain("umount", mountpoint, "no siltfs is mounted there; 'findmnt -t fuse.siltfs' lists what is");
  // Connected before the unmount: the end of this connection is the sign that the store is closed.
  std::optional<ControlClient> daemon;
  bool dead = IsDeadMount(mountpoint);
  if (!dead) daemon = ControlClient::Connect(mount->source);
  lsm::Status status = Unmount(mountpoint, lazy || dead);
  if (status.code() == lsm::StatusCode::kBusy) return ComplainBusy(mountpoint);
  if (!status.ok()) return Complain("umount", mountpoint, status.message());
  if (daemon && !lazy) AwaitClose(mountpoint, &*daemon);
  return kExitOk;
}

}  // namespace silt::mount
