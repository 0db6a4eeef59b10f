// The command line: one function for each verb, and what they share.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mount/progress.h"
#include "mount/report.h"

namespace silt::mount {

using Words = std::vector<std::string>;  // arguments, without the program's and the verb's names

// Dispatches on the program's name (mkfs.siltfs, mount.fuse.siltfs, ...) and else on the verb. Returns the exit code.
int RunCommandLine(int argc, char** argv);

int RunMkfs(const Words& words);
int RunMount(const Words& words);
int RunMountHelper(const Words& words);  // as mount(8) calls it: SOURCE DIRECTORY [-sfnv] [-t type] [-o options]
int RunUmount(const Words& words);
int RunUmountHelper(const Words& words);  // as umount(8) calls it: DIRECTORY [-flnrv] [-t type]
int RunStatus(const Words& words);
int RunStats(const Words& words);
int RunFsck(const Words& words);
int RunScrub(const Words& words);
int RunCompact(const Words& words);
int RunBench(const Words& words);
int RunDebug(const Words& words);
int RunAccessLog(const Words& words);
int RunDoctor(const Words& words);

// --progress, with what it means for this process.
class ProgressOption {
 public:
  explicit ProgressOption(CLI::App* app) {
    app->add_option("--progress", word_, kProgressHelp)
        ->check(CLI::IsMember({"auto", "plain", "none"}))
        ->capture_default_str();
  }
  ProgressStyle style() const { return ParseProgressStyle(word_).value_or(ProgressStyle::kNone); }

 private:
  std::string word_ = "auto";
};

// Parses; nullopt when the verb should go on, else its exit code: --help was printed, or the line that says what is
// wrong with the arguments.
std::optional<int> ParseArguments(CLI::App& app, std::string_view verb, const Words& words,
                                  int usage_exit_code = kExitUsage);

}  // namespace silt::mount
