// Runs the siltfs binary as a user does, on stores and mountpoints of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/mount/temporary_directory.h"

namespace silt::mount {

struct Finished {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs PROGRAM (siltfs, mkfs.siltfs, ...) of the build with these arguments and waits for it.
Finished RunProgram(const std::string& program, const std::vector<std::string>& arguments);
Finished Siltfs(const std::vector<std::string>& arguments);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& contents);
// Names in a directory, "." and ".." included, in the order in which they are listed.
std::vector<std::string> List(const std::string& directory);

// Makes DIRECTORY/store and DIRECTORY/mnt. What is still mounted at the end is unmounted.
class ProgramTest : public testing::Test {
 protected:
  ProgramTest();
  ~ProgramTest() override;

  void MakeStore();
  // Succeeds, or the test fails with what was said.
  void Mount(const std::string& options = "");
  void Unmount();
  nlohmann::json Status();
  pid_t DaemonPid();
  // Sends the signal and waits until the daemon is gone.
  void Signal(int signal);

  TemporaryDirectory temporary_;
  const std::string directory_ = temporary_.path();
  std::string store_;
  std::string mountpoint_;
};

// Waits for the end of a process that is no child.
class ProcessEnd {
 public:
  explicit ProcessEnd(pid_t pid);
  ~ProcessEnd();
  // False when it is still there after so long.
  bool Wait(int timeout_seconds);

 private:
  int fd_;
};

}  // namespace silt::mount
