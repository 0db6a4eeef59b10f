#include "mount/mountinfo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

namespace silt::mount {
namespace {

bool IsOctal(char c) {
  return c >= '0' && c <= '7';
}

std::optional<MountEntry> ParseLine(const std::string& line) {
  // ID parent major:minor root mountpoint options [optional fields...] - type source superoptions
  std::istringstream in(line);
  MountEntry entry;
  std::string id, parent, mountpoint, field;
  if (!(in >> id >> parent >> entry.device >> entry.root >> mountpoint >> entry.options)) return std::nullopt;
  while (in >> field && field != "-") {
  }
  std::string source;
  if (!(in >> entry.type >> source)) return std::nullopt;
  in >> entry.super_options;
  entry.mountpoint = UnescapeOctal(mountpoint);
  entry.source = UnescapeOctal(source);
  return entry;
}

std::string RealPath(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
  return resolved ? std::string(resolved.get()) : std::string();
}

bool BeginsWithRo(const std::string& options) {
  return options == "ro" || options.starts_with("ro,");
}

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string ReadLink(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

// The answer of a mount without a daemon: ENOTCONN, but ECONNABORTED or (over io_uring) ECANCELED to what was asked before
// the connection ended. It may end some time after the daemon did, while io_uring still holds it.
bool SaysDaemonIsGone(int error) {
  return error == ENOTCONN || error == ECONNABORTED || error == ECANCELED;
}

}  // namespace

std::string UnescapeOctal(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) &&
        IsOctal(text[i + 3])) {
      out.push_back(static_cast<char>((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<MountEntry> ParseMountinfo(std::string_view text) {
  std::vector<MountEntry> mounts;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (auto entry = ParseLine(line)) mounts.push_back(std::move(*entry));
  }
  return mounts;
}

std::vector<MountEntry> ReadMountinfo() {
  return ParseMountinfo(ReadText("/proc/self/mountinfo"));
}

std::optional<MountEntry> FindMount(const std::vector<MountEntry>& mounts, std::string_view path) {
  for (auto it = mounts.rbegin(); it != mounts.rend(); ++it) {
    if (it->mountpoint == path) return *it;
  }
  return std::nullopt;
}

std::optional<MountEntry> FindSiltfsMount(std::string_view path) {
  auto entry = FindMount(ReadMountinfo(), path);
  if (entry && entry->type != kMountType) return std::nullopt;
  return entry;
}

bool IsReadOnly(const MountEntry& mount) {
  return BeginsWithRo(mount.options) || IsReadOnlyFilesystem(mount);
}

bool IsReadOnlyFilesystem(const MountEntry& mount) {
  return BeginsWithRo(mount.super_options);
}

std::vector<std::string> MountpointsOf(const std::vector<MountEntry>& mounts, std::string_view store) {
  std::vector<std::string> found;
  for (const MountEntry& entry : mounts) {
    if (entry.type == kMountType && entry.source == store && entry.root == "/") found.push_back(entry.mountpoint);
  }
  return found;
}

std::optional<NamespaceUser> FindInOtherNamespaces(std::string_view device) {
  // One process for each namespace is enough. What cannot be read is another user's, or ended just now.
  std::set<std::string> known = {ReadLink("/proc/self/ns/mnt")};
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; it != end; it.increment(error)) {
    const std::filesystem::path process = it->path();
    const std::string pid = process.filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string mount_namespace = ReadLink(process / "ns/mnt");
    if (mount_namespace.empty() || !known.insert(mount_namespace).second) continue;
    for (const MountEntry& entry : ParseMountinfo(ReadText(process / "mountinfo"))) {
      if (entry.type != kMountType || entry.device != device) continue;
      std::string command = ReadText(process / "comm");
      return NamespaceUser{
          .pid = std::stoi(pid), .command = command.substr(0, command.find('\n')), .mountpoint = entry.mountpoint};
    }
  }
  return std::nullopt;
}

std::string ResolvePath(const std::string& path) {
  std::string resolved = RealPath(path);
  if (!resolved.empty() || !SaysDaemonIsGone(errno)) return resolved;
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  size_t slash = trimmed.rfind('/');
  std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : trimmed.substr(0, slash);
  resolved = RealPath(parent);
  if (resolved.empty()) return resolved;
  if (resolved.back() != '/') resolved.push_back('/');
  return resolved + trimmed.substr(slash == std::string::npos ? 0 : slash + 1);
}

bool IsDeadMount(const std::string& path) {
  // Asked for with force: the kernel keeps the root's attributes for ever, and would answer for a daemon that is gone.
  struct statx st;
  return ::statx(AT_FDCWD, path.c_str(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st) != 0 && SaysDaemonIsGone(errno);
}

}  // namespace silt::mount
