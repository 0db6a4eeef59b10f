#include "mount/caller.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

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

// A thread that has sent a request falls asleep within microseconds, unless the processor is taken from it just then.
constexpr std::chrono::milliseconds kFallsAsleepWithin{200};
constexpr std::chrono::microseconds kLookAgainAfter{20};

bool IsChown(long number) {
  switch (number) {
#ifdef SYS_chown
    case SYS_chown:
    case SYS_lchown:
#endif
    case SYS_fchown:
    case SYS_fchownat:
#ifdef __x86_64__
    case 198:  // lchown, fchown, chown and fchownat of 32-bit programs; as 64-bit numbers these write to no file
    case 207:
    case 212:
    case 298:
#endif
      return true;
    default:
      return false;
  }
}

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

std::optional<long> ParseSystemCall(std::string_view text) {
  long number = 0;
  if (!TakeNumber(&text, &number, 10)) return std::nullopt;
  return number;
}

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
  return ParseCredentials(Contents(fmt::format("/proc/{}/status", pid_)));
}

std::optional<bool> CallingThread::IsChangingOwner() const {
  if (pid_ <= 0) return std::nullopt;
  const auto deadline = std::chrono::steady_clock::now() + kFallsAsleepWithin;
  do {
    const std::string text = Contents(fmt::format("/proc/{}/syscall", pid_));
    if (text.empty()) return std::nullopt;  // gone, or not ours to look at
    if (auto number = ParseSystemCall(text)) return IsChown(*number);
    std::this_thread::sleep_for(kLookAgainAfter);
  } while (std::chrono::steady_clock::now() < deadline);
  return std::nullopt;
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
