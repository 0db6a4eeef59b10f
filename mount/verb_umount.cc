// siltfs umount
#include "mount/cli.h"
#include "mount/mounting.h"

namespace silt::mount {

int RunUmount(const Words& words) {
  std::string path;
  UnmountRequest request;
  CLI::App app("Unmounts, and returns when the store is closed: everything is on disk and it can be mounted again.",
               "siltfs umount");
  app.add_option("MOUNTPOINT", path, "where it is mounted")->required();
  app.add_flag("-l,--lazy", request.lazy, "detach it now, even if it is in use, and do not wait");
  app.footer("Example:\n  siltfs umount /mnt");
  if (auto exit_code = ParseArguments(app, "umount", words)) return *exit_code;

  lsm::Status status = UnmountAndWait(path, request);
  return status.ok() ? kExitOk : Complain("umount", "", status);
}

}  // namespace silt::mount
