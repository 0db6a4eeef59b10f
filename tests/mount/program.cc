#include "program.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "mount/mountinfo.h"
#include "mount/unmount.h"

extern char** environ;

namespace silt::mount {

Finished RunProgram(const std::string& program, const std::vector<std::string>& arguments) {
  char out_path[] = "/tmp/siltfs-test-out-XXXXXX";
  char err_path[] = "/tmp/siltfs-test-err-XXXXXX";
  int out = ::mkstemp(out_path);
  int err = ::mkstemp(err_path);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  std::string path = std::filesystem::path(SILT_BINARY).parent_path() / program;
  std::vector<std::string> words = {path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  Finished finished;
  if (::posix_spawn(&child, path.c_str(), &actions, nullptr, pointers.data(), environ) == 0) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  posix_spawn_file_actions_destroy(&actions);
  finished.out = ReadFile(out_path);
  finished.err = ReadFile(err_path);
  for (int fd : {out, err}) ::close(fd);
  for (const char* name : {out_path, err_path}) ::unlink(name);
  return finished;
}

Finished Siltfs(const std::vector<std::string>& arguments) {
  return RunProgram("siltfs", arguments);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& contents) {
  std::ofstream out(path, std::ios::binary);
  out << contents;
  out.close();
  ASSERT_TRUE(out.good()) << path;
}

std::vector<std::string> List(const std::string& directory) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  while (dir != nullptr) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  return names;
}

ProgramTest::ProgramTest() {
  store_ = directory_ + "/store";
  mountpoint_ = directory_ + "/mnt";
  ::mkdir(mountpoint_.c_str(), 0755);
}

ProgramTest::~ProgramTest() {
  while (FindSiltfsMount(mountpoint_)) {
    if (Siltfs({"umount", mountpoint_}).exit_code == 0) continue;
    EXPECT_TRUE(mount::Unmount(mountpoint_, /*lazy=*/true).ok());
  }
}

void ProgramTest::MakeStore() {
  Finished made = Siltfs({"mkfs", store_});
  ASSERT_EQ(made.exit_code, 0) << made.err;
}

void ProgramTest::Mount(const std::string& options) {
  std::vector<std::string> words = {"mount"};
  if (!options.empty()) words.insert(words.end(), {"-o", options});
  words.insert(words.end(), {store_, mountpoint_});
  Finished mounted = Siltfs(words);
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  ASSERT_EQ(mounted.err, "");
}

void ProgramTest::Unmount() {
  Finished unmounted = Siltfs({"umount", mountpoint_});
  ASSERT_EQ(unmounted.exit_code, 0) << unmounted.err;
}

nlohmann::json ProgramTest::Status() {
  Finished status = Siltfs({"status", "--json", store_});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  return nlohmann::json::parse(status.out, nullptr, false);
}

pid_t ProgramTest::DaemonPid() {
  return Status().at("pid").get<pid_t>();
}

void ProgramTest::Signal(int signal) {
  pid_t pid = DaemonPid();
  ProcessEnd end(pid);
  ASSERT_EQ(::kill(pid, signal), 0);
  ASSERT_TRUE(end.Wait(60));
}

ProcessEnd::ProcessEnd(pid_t pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

ProcessEnd::~ProcessEnd() {
  ::close(fd_);
}

bool ProcessEnd::Wait(int timeout_seconds) {
  pollfd waiting = {fd_, POLLIN, 0};
  return ::poll(&waiting, 1, timeout_seconds * 1000) == 1;
}

}  // namespace silt::mount
