// siltfs mount
#include "mount/cli.h"
#include "mount/mounting.h"
#include "mount/remount.h"

namespace silt::mount {

using lsm::Status;

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
             "  siltfs mount -o remount,ro /srv/store /mnt\n"
             "In /etc/fstab:\n  /srv/store  /mnt  siltfs  defaults,nofail  0  0");
  if (auto exit_code = ParseArguments(app, "mount", words)) return *exit_code;
  if (Status status = ParseOptionLists(lists, &config.options); !status.ok()) {
    Complain("mount", "-o", status);
    return kExitUsage;
  }
  if (config.options.remount) {
    Status status = Remount(config.mountpoint, config.options);
    return status.ok() ? kExitOk : Complain("mount", "", status);
  }
  config.options.debug = config.options.debug || debug;
  config.foreground = config.foreground || config.options.debug;
  return MountAndServe(std::move(config));
}

}  // namespace silt::mount
