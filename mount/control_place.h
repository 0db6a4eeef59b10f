// Where the control socket of a store is: STORE/control.sock; or, where the store's filesystem has no socket files or
// may not be written, a name made of the directory's device and inode in the runtime directory of the daemon's user.
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <optional>
#include <string>
#include <vector>

#include "mount/unique_fd.h"

namespace silt::mount {

inline constexpr std::string_view kControlSocketName = "control.sock";

// A name in a directory that is held open.
struct ControlPlace {
  UniqueFd directory;
  std::string name;
  std::string path;  // for messages

  // The directory's path may be longer than sun_path, so it is named through its descriptor.
  sockaddr_un Address() const;
  bool Connect(const UniqueFd& socket) const;  // false: nobody listens there
};

std::optional<ControlPlace> ControlPlaceInStore(int store_directory, const std::string& store);

// For a daemon of this process's user, whose directory is made if it is missing: /run/siltfs for root, siltfs in
// $XDG_RUNTIME_DIR or /run/user/UID for others. nullopt when there is none that is this user's alone.
std::optional<ControlPlace> ControlPlaceAtRuntime(int store_directory);

// Where a client looks for the daemon of a store, in this order: in the store, in the runtime directory of its own
// user, and for root also in that of the store's owner. Directories that others may write are left out.
std::vector<ControlPlace> ControlPlaces(int store_directory, const std::string& store);

// The runtime directory `parent`/siltfs of a user, open; made if `create`. Not open when it is not that user's alone
// (mode 0700), or is a symbolic link.
UniqueFd OpenRuntimeDirectory(const std::string& parent, uid_t user, bool create);

}  // namespace silt::mount
