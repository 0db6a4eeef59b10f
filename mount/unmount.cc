#include "mount/unmount.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "mount/unique_fd.h"

extern char** environ;

namespace silt::mount {
namespace {

using lsm::Status;

std::string ReadAll(const UniqueFd& fd) {
  std::string text;
  std::array<char, 512> chunk;
  for (;;) {
    ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(chunk.data(), static_cast<size_t>(got));
  }
}

Status RunFusermount(const std::string& mountpoint, bool lazy) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Status::IoError(std::strerror(errno));
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  std::string program = "fusermount3", unmount = lazy ? "-uz" : "-u", end = "--", path = mountpoint;
  char* arguments[] = {program.data(), unmount.data(), end.data(), path.data(), nullptr};
  pid_t child = 0;
  int error = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Status::IoError(std::string("cannot run fusermount3: ") + std::strerror(error));
  write_end.Reset();
  std::string complaint = ReadAll(read_end);
  int outcome = 0;
  while (::waitpid(child, &outcome, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0) return Status::Ok();
  while (!complaint.empty() && complaint.back() == '\n') complaint.pop_back();
  if (complaint.find("busy") != std::string::npos) return Status::Busy("it is in use");
  return Status::IoError(complaint.empty() ? "fusermount3 failed" : complaint);
}

}  // namespace

Status Unmount(const std::string& mountpoint, bool lazy, bool force) {
  if (::geteuid() != 0) return RunFusermount(mountpoint, lazy);
  int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0) | (force ? MNT_FORCE : 0);
  if (::umount2(mountpoint.c_str(), flags) == 0) return Status::Ok();
  int error = errno;
  if (error == EPERM) return RunFusermount(mountpoint, lazy);
  if (error == EBUSY) return Status::Busy("it is in use");
  return Status::IoError(error == EINVAL ? "nothing is mounted there" : std::strerror(error));
}

}  // namespace silt::mount
