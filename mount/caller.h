// Who sent a request, beyond what the request says: supplementary groups and capabilities, from /proc. Needed for the
// few rules that the kernel leaves to a FUSE daemon.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace silt::mount {

struct Credentials {
  std::vector<gid_t> groups;
  uint64_t capabilities = 0;  // effective, one bit each (linux/capability.h)
};
// From the text of /proc/PID/status; nullopt if it lacks a line that is needed.
std::optional<Credentials> ParseCredentials(std::string_view status);
// The system call's number in the text of /proc/PID/syscall; nullopt while the thread runs, -1 outside of any call.
std::optional<long> ParseSystemCall(std::string_view text);

// A thread as the daemon sees it. One that is gone or not to be seen (another PID namespace) has no rights, and so has
// one in another user namespace: its capabilities do not hold here.
class CallingThread {
 public:
  explicit CallingThread(pid_t pid) : pid_(pid) {}
  bool HasCapability(int capability) const;
  bool InGroup(gid_t group) const;
  // Whether what the thread waits for is chown(2) or one of its kin. nullopt where that is not to be seen. Waits until the
  // thread sleeps, as it does while it has a request with us.
  std::optional<bool> IsChangingOwner() const;

 private:
  std::optional<Credentials> Read() const;

  pid_t pid_;
};

}  // namespace silt::mount
