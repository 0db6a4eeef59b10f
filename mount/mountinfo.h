// What is mounted where, as the kernel tells it in /proc/self/mountinfo (proc(5)).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace silt::mount {

inline constexpr std::string_view kMountType = "fuse.siltfs";

struct MountEntry {
  std::string device;         // "major:minor"
  std::string root;           // which directory of the filesystem is mounted there: "/", but for some bind mounts
  std::string mountpoint;     // absolute, unescaped
  std::string type;           // "fuse.siltfs"
  std::string source;         // for siltfs: the store's absolute path
  std::string options;        // of this mountpoint
  std::string super_options;  // of the filesystem, wherever it is mounted
};

// Undoes the octal escapes (\040 for a space) that the kernel writes.
std::string UnescapeOctal(std::string_view text);

// Lines that do not parse are skipped.
std::vector<MountEntry> ParseMountinfo(std::string_view text);
std::vector<MountEntry> ReadMountinfo();

// What is visible at exactly this path: the mount made last. nullopt when nothing is mounted there.
std::optional<MountEntry> FindMount(const std::vector<MountEntry>& mounts, std::string_view path);
// The siltfs mount at exactly this path.
std::optional<MountEntry> FindSiltfsMount(std::string_view path);
// As mount -o ro and -o remount,ro leave it.
bool IsReadOnly(const MountEntry& mount);
// Wherever it is mounted.
bool IsReadOnlyFilesystem(const MountEntry& mount);
// The mountpoints of a store that show all of it.
std::vector<std::string> MountpointsOf(const std::vector<MountEntry>& mounts, std::string_view store);

// Somebody in another mount namespace than this process's.
struct NamespaceUser {
  int pid = 0;
  std::string command;     // its name
  std::string mountpoint;  // where it sees the filesystem
};
// Who has a copy of a siltfs mount ("major:minor") in another mount namespace. Only what /proc shows to this process: a
// namespace without processes is not found.
std::optional<NamespaceUser> FindInOtherNamespaces(std::string_view device);

// realpath(3), which also resolves a path whose last component is a dead FUSE mount (ENOTCONN). Empty with errno set
// when it does not exist.
std::string ResolvePath(const std::string& path);

// True when a FUSE mount is there whose daemon is gone ("Transport endpoint is not connected").
bool IsDeadMount(const std::string& path);

}  // namespace silt::mount
