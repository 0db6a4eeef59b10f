// What siltfs needs of a machine, and of a store or a mount: each thing in one line, with what to do.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace silt::mount {

enum class Verdict {
  kOk,
  kNote,     // works, could be better
  kProblem,  // does not work, or will not for long
};

struct Finding {
  std::string name;  // stable
  Verdict verdict = Verdict::kOk;
  std::string what;
  std::string remedy;  // empty when nothing is to be done
};

// The machine: kernel, libfuse, FUSE over io_uring, /dev/fuse, fusermount3, limits, keeping processors awake, dead
// mounts.
std::vector<Finding> ExamineMachine();

// `release`: as uname(2) tells it.
Finding JudgeKernel(const std::string& release);
// What opening the device of AwakeProcessors gave, 0 or errno.
Finding JudgeAwake(bool root, int error);
// RLIMIT_NOFILE's hard limit.
Finding JudgeOpenFiles(uint64_t limit);
// `free` of `total` bytes where the store lies.
Finding JudgeSpace(uint64_t free, uint64_t total);
// From a StatusJson.
std::vector<Finding> JudgeStore(const nlohmann::json& status);

nlohmann::json ToJson(const std::vector<Finding>& findings);
std::string ToText(const std::vector<Finding>& findings);
bool HasProblem(const std::vector<Finding>& findings);

}  // namespace silt::mount
