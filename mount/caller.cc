#include "mount/caller.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace silt::mount {
namespace {

// What stands behind "NAME:" in its line.
std::optional<std::string_view> FieldOf(std::string_view status, std::string_view name) {
  while (!status.empty()) {
    std::string_view line = status.substr(0, status.find('\n'));
    status.remove_prefix(std::min(status.size(), line.size() + 1));
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

template <class Number>
bool TakeNumber(std::string_view* text, Number* number, int base) {
  text->remove_prefix(std::min(text->size(), text->find_first_not_of(" \t")));
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number, base);
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return error == std::errc();
}

bool InOurUserNamespace(pid_t pid) {
  struct stat theirs {
  }, ours{};
  return ::stat(fmt::format("/proc/{}/ns/user", pid).c_str(), &theirs) == 0 &&
         ::stat("/proc/self/ns/user", &ours) == 0 && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

}  // namespace

std::optional<Credentials> ParseCredentials(std::string_view status) {
  auto groups = FieldOf(status, "Groups");
  auto capabilities = FieldOf(status, "CapEff");
  Credentials credentials;
  if (!groups || !capabilities || !TakeNumber(&*capabilities, &credentials.capabilities, 16)) return std::nullopt;
  for (gid_t group = 0; TakeNumber(&*groups, &group, 10);) credentials.groups.push_back(group);
  return credentials;
}

std::optional<Credentials> CallingThread::Read() const {
  if (pid_ <= 0) return std::nullopt;
  std::ifstream file(fmt::format("/proc/{}/status", pid_));
  return ParseCredentials(std::string(std::istreambuf_iterator<char>(file), {}));
}

bool CallingThread::HasCapability(int capability) const {
  auto credentials = Read();
  return credentials && (credentials->capabilities >> capability & 1) != 0 && InOurUserNamespace(pid_);
}

bool CallingThread::InGroup(gid_t group) const {
  auto credentials = Read();
  return credentials &&
         std::find(credentials->groups.begin(), credentials->groups.end(), group) != credentials->groups.end();
}

}  // namespace silt::mount
