#include "mount/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "mount/observe/metrics_server.h"
#include "mount/size.h"

namespace silt::mount {
namespace {

constexpr uint64_t kLeastMemory = uint64_t{16} << 20;

template <class Number>
bool ParseNumber(std::string_view text, Number* out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool SetMemory(MountOptions* o, std::string_view value) {
  auto bytes = ParseSize(value);
  if (!bytes || *bytes < kLeastMemory) return false;
  o->memory_bytes = *bytes;
  return true;
}

bool SetCommit(MountOptions* o, std::string_view value) {
  uint64_t seconds = 0;
  if (!ParseNumber(value, &seconds) || seconds == 0 || seconds > 3600) return false;
  o->commit_micros = seconds * 1'000'000;
  return true;
}

bool SetThreads(MountOptions* o, std::string_view value) {
  return ParseNumber(value, &o->max_threads) && o->max_threads >= 1 && o->max_threads <= 1024;
}

bool SetRingMemory(MountOptions* o, std::string_view value) {
  return (o->io_uring_memory_bytes = ParseSize(value)).has_value();
}

bool SetLogLevel(MountOptions* o, std::string_view value) {
  constexpr std::array<std::string_view, 5> levels = {"debug", "info", "warning", "error", "off"};
  o->log_level = value;
  return std::find(levels.begin(), levels.end(), value) != levels.end();
}

bool SetMetrics(MountOptions* o, std::string_view value) {
  o->metrics = value;
  return MetricsAddress::Parse(value).has_value();
}

template <fs::AtimeRule rule>
bool SetAtime(MountOptions* o, std::string_view) {
  o->atime = rule;
  return true;
}

// As with other filesystems, where files keep theirs unless told not to.
bool SetNoDirectoryAtime(MountOptions* o, std::string_view) {
  if (o->atime == fs::AtimeRule::kNever) o->atime = fs::AtimeRule::kRelative;
  o->directory_atime = false;
  return true;
}

// A flag that sets a member to a value.
template <auto member, bool value>
bool Set(MountOptions* o, std::string_view) {
  o->*member = value;
  return true;
}

using enum OptionKind;
using O = MountOptions;

constexpr auto kTable = std::to_array<MountOption>({
    {"ro", "", "", "mount read-only",
     "Nothing in the store is written, not even to recover it: the log of a store that was not closed is replayed in "
     "memory. Such a mount cannot be remounted rw, only unmounted and mounted again.",
     kOwn, &Set<&O::read_only, true>},
    {"rw", "", "yes", "mount for reading and writing", "", kOwn, &Set<&O::read_only, false>},
    {"remount", "", "", "change the mount that is there between ro and rw, and its flags of mount(8)",
     "With ro, everything is on disk when the command returns, and it fails as long as a file is open for writing. "
     "Options of siltfs itself stay what they were.",
     kOwn, &Set<&O::remount, true>},
    {"memory", "SIZE", "256M", "memory for memtables, caches and inodes, at least 16M", "", kOwn, &SetMemory},
    {"commit", "SECONDS", "5", "what is older than this is made durable unasked, 1 to 3600",
     "It bounds what a power cut can take from programs that do not call fsync(2).", kOwn, &SetCommit},
    {"writeback", "", "", "let the kernel gather small writes; errors then surface at close or fsync",
     "What only the kernel has is lost when the daemon is killed.", kOwn, &Set<&O::writeback, true>},
    {"nowriteback", "", "yes", "pass each write on at once", "", kOwn, &Set<&O::writeback, false>},
    {"allow_other", "", "for root", "let other users in; ordinary users need user_allow_other in fuse.conf",
     "Permissions are checked in any case.", kOwn,
     [](O* o, std::string_view) { return (o->allow_other = true).has_value(); }},
    {"noallow_other", "", "for others", "only the mounting user may enter", "", kOwn,
     [](O* o, std::string_view) { return (o->allow_other = false).has_value(); }},
    {"default_permissions", "", "yes", "the kernel checks permissions; cannot be switched off", "", kOwn,
     &Set<&O::default_permissions, true>},
    {"acl", "", "yes", "POSIX ACLs", "", kOwn, &Set<&O::acl, true>},
    {"noacl", "", "", "no POSIX ACLs: getfacl and setfacl do not work, modes alone count", "", kOwn,
     &Set<&O::acl, false>},
    {"noatime", "", "yes", "reading moves no atime", "open(2) then costs no request.", kKernel,
     &SetAtime<fs::AtimeRule::kNever>},
    {"relatime", "", "", "reading moves the atime of what changed since it was last read, or was read a day ago",
     "Each open(2) and opendir(3) costs a request, and where the atime is to move, what the kernel had cached of the "
     "file "
     "is read anew. What is read again through a descriptor that stays open is not seen.",
     kOwn, &SetAtime<fs::AtimeRule::kRelative>},
    {"strictatime", "", "", "every open(2) that leads to a read moves it",
     "Nothing is then read from the cache of earlier opens.", kOwn, &SetAtime<fs::AtimeRule::kStrict>},
    {"atime", "", "", "as relatime", "", kOwn, &SetAtime<fs::AtimeRule::kRelative>},
    {"diratime", "", "yes", "the rule for atimes goes for directories, too", "", kOwn, &Set<&O::directory_atime, true>},
    {"nodiratime", "", "", "as relatime, if nothing else is said of atimes, but not for directories", "", kOwn,
     &SetNoDirectoryAtime},
    {"max_threads", "N", "16", "threads that serve requests, 1 to 1024", "", kOwn, &SetThreads},
    {"io_uring", "", "yes", "FUSE over io_uring where the kernel offers it; siltfs status says what is missing",
     "Linux offers it from 6.14 on when the module parameter enable_uring of fuse is set.", kOwn,
     &Set<&O::io_uring, true>},
    {"noio_uring", "", "", "requests come over /dev/fuse", "", kOwn, &Set<&O::io_uring, false>},
    {"io_uring_memory", "SIZE", "an eighth of memory", "for the rings' buffers, 1M for each request in flight", "",
     kOwn, &SetRingMemory},
    {"awake", "", "for root", "idle processors do not sleep while requests come thick; waking them is most of a request",
     "It needs /dev/cpu_dma_latency, which root alone may open. Some power is what it costs; an idle mount asks for "
     "nothing.",
     kOwn, &Set<&O::awake, true>},
    {"noawake", "", "", "they may", "", kOwn, &Set<&O::awake, false>},
    {"log_level", "LEVEL", "info", "debug, info, warning, error or off, for STORE/siltfs.log", "", kOwn, &SetLogLevel},
    {"control_dir", "", "yes", "a directory .siltfs at the root, not listed, tells what the daemon does", "", kOwn,
     &Set<&O::control_dir, true>},
    {"no_control_dir", "", "", "no .siltfs", "", kOwn, &Set<&O::control_dir, false>},
    {"metrics", "ADDRESS", "", "Prometheus metrics at 127.0.0.1:PORT, [::1]:PORT or unix:/PATH", "", kOwn, &SetMetrics},
    {"debug", "", "", "print every FUSE request to stderr (implies -f)", "", kOwn, &Set<&O::debug, true>},
    {"defaults", "", "", "nothing", "", kOwn, [](O*, std::string_view) { return true; }},

    {"suid", "", "for root", "set-user-id and set-group-id bits and file capabilities count", "", kKernel, nullptr},
    {"nosuid", "", "for others", "they do not", "", kKernel, nullptr},
    {"dev", "", "for root", "device files can be opened", "", kKernel, nullptr},
    {"nodev", "", "for others", "they cannot", "", kKernel, nullptr},
    {"exec", "", "yes", "programs can be executed", "", kKernel, nullptr},
    {"noexec", "", "", "they cannot", "", kKernel, nullptr},
    {"sync", "", "", "every change is durable before it is answered", "", kKernel, nullptr},
    {"async", "", "yes", "changes are durable after fsync(2), or after the commit interval", "", kKernel, nullptr},
    {"dirsync", "", "", "changes of directories are durable before they are answered", "", kKernel, nullptr},
    {"auto_unmount", "", "", "fusermount3 unmounts when the daemon dies",
     "A program that goes on working there then sees the empty directory below.", kKernel, nullptr},

    {"auto", "", "", "mount -a mounts it", "", kIgnored, nullptr},
    {"noauto", "", "", "mount -a does not", "", kIgnored, nullptr},
    {"nofail", "", "", "booting goes on without it", "", kIgnored, nullptr},
    {"_netdev", "", "", "it waits for the network", "", kIgnored, nullptr},
    {"user", "", "", "an ordinary user may mount it, the same unmount it", "", kIgnored, nullptr},
    {"nouser", "", "", "none may", "", kIgnored, nullptr},
    {"users", "", "", "every user may mount and unmount it", "", kIgnored, nullptr},
    {"nousers", "", "", "none may", "", kIgnored, nullptr},
    {"owner", "", "", "as user, for the owner of the device", "", kIgnored, nullptr},
    {"noowner", "", "", "not", "", kIgnored, nullptr},
    {"group", "", "", "as user, for the group of the device", "", kIgnored, nullptr},
    {"nogroup", "", "", "not", "", kIgnored, nullptr},
    {"comment", "TEXT", "", "a remark", "", kIgnored, nullptr},
    {"x-*", "", "", "for systemd.mount(5) and others, as x-systemd.automount", "", kIgnored, nullptr},
    {"X-*", "", "", "for mount(8), as X-mount.mkdir", "", kIgnored, nullptr},
    {"norelatime", "", "", "no effect", "", kIgnored, nullptr},
    {"nostrictatime", "", "", "no effect", "", kIgnored, nullptr},
    {"lazytime", "", "", "no effect", "", kIgnored, nullptr},
    {"nolazytime", "", "", "no effect", "", kIgnored, nullptr},
    {"user_id", "N", "", "what the kernel tells of a mount, and mount(8) hands back on remount", "", kIgnored, nullptr},
    {"group_id", "N", "", "the same", "", kIgnored, nullptr},
    {"max_read", "N", "", "the same", "", kIgnored, nullptr},
});

bool Matches(const MountOption& option, std::string_view name) {
  if (option.name.ends_with('*')) return name.starts_with(option.name.substr(0, option.name.size() - 1));
  return option.name == name;
}

}  // namespace

std::span<const MountOption> MountOptionTable() {
  return kTable;
}

const MountOption* FindMountOption(std::string_view name) {
  auto found = std::find_if(kTable.begin(), kTable.end(), [&](const MountOption& o) { return Matches(o, name); });
  return found == kTable.end() ? nullptr : &*found;
}

std::string OptionSyntax(const MountOption& option) {
  return option.argument.empty() ? std::string(option.name) : fmt::format("{}={}", option.name, option.argument);
}

std::string OptionHelp(const MountOption& option) {
  if (option.default_value.empty()) return std::string(option.help);
  if (option.default_value == "yes") return fmt::format("{} (default)", option.help);
  return fmt::format("{} (default {})", option.help, option.default_value);
}

}  // namespace silt::mount
