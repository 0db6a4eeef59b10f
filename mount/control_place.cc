#include "mount/control_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace silt::mount {
namespace {

constexpr const char* kRuntimeName = "siltfs";

// What belongs to a user while he is logged in, or to root from boot to shutdown.
std::string RuntimeParent(uid_t user) {
  if (user == 0) return "/run";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* given = user == ::geteuid() ? ::secure_getenv("XDG_RUNTIME_DIR") : nullptr;
  return given != nullptr && given[0] == '/' ? given : fmt::format("/run/user/{}", user);
}

// While somebody holds the directory open no other has its device and inode.
std::optional<std::string> NameFor(int store_directory) {
  struct stat st {};
  if (::fstat(store_directory, &st) != 0) return std::nullopt;
  return fmt::format("{:x}-{}.sock", st.st_dev, st.st_ino);
}

std::optional<ControlPlace> PlaceOfUser(int store_directory, uid_t user, bool create) {
  auto name = NameFor(store_directory);
  const std::string parent = RuntimeParent(user);
  UniqueFd directory = OpenRuntimeDirectory(parent, user, create);
  if (!name || !directory) return std::nullopt;
  std::string path = fmt::format("{}/{}/{}", parent, kRuntimeName, *name);
  return ControlPlace{std::move(directory), *std::move(name), std::move(path)};
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

}  // namespace

UniqueFd OpenRuntimeDirectory(const std::string& parent, uid_t user, bool create) {
  UniqueFd above(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!above) return {};
  if (create && ::mkdirat(above.get(), kRuntimeName, 0700) != 0 && errno != EEXIST) return {};
  UniqueFd directory(::openat(above.get(), kRuntimeName, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!directory || ::fstat(directory.get(), &st) != 0) return {};
  if (st.st_uid != user || (st.st_mode & 077) != 0) return {};
  return directory;
}

sockaddr_un ControlPlace::Address() const {
  return AddressOf(fmt::format("/proc/self/fd/{}/{}", directory.get(), name));
}

bool ControlPlace::Connect(const UniqueFd& socket) const {
  // Opened first: connect(2) would follow a symbolic link.
  UniqueFd named(::openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!named || ::fstat(named.get(), &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  sockaddr_un address = AddressOf(fmt::format("/proc/self/fd/{}", named.get()));
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

std::optional<ControlPlace> ControlPlaceInStore(int store_directory, const std::string& store) {
  UniqueFd directory(::fcntl(store_directory, F_DUPFD_CLOEXEC, 0));
  if (!directory) return std::nullopt;
  return ControlPlace{std::move(directory), std::string(kControlSocketName),
                      fmt::format("{}/{}", store, kControlSocketName)};
}

std::optional<ControlPlace> ControlPlaceAtRuntime(int store_directory) {
  return PlaceOfUser(store_directory, ::geteuid(), /*create=*/true);
}

std::vector<ControlPlace> ControlPlaces(int store_directory, const std::string& store) {
  std::vector<ControlPlace> places;
  auto add = [&](std::optional<ControlPlace> place) {
    if (place) places.push_back(*std::move(place));
  };
  add(ControlPlaceInStore(store_directory, store));
  add(PlaceOfUser(store_directory, ::geteuid(), /*create=*/false));
  struct stat st {};
  if (::geteuid() == 0 && ::fstat(store_directory, &st) == 0 && st.st_uid != 0) {
    add(PlaceOfUser(store_directory, st.st_uid, /*create=*/false));
  }
  return places;
}

}  // namespace silt::mount
