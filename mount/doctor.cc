#include "mount/doctor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "mount/awake_processors.h"
#include "mount/fuse_api.h"
#include "mount/mountinfo.h"
#include "mount/size.h"
#include "mount/unique_fd.h"

namespace silt::mount {
namespace {

using nlohmann::json;

constexpr uint64_t kFewFiles = 4096;  // tables, WALs and sockets of a big store fit
constexpr uint64_t kLittleSpace = uint64_t{1} << 30;

std::string FirstWord(const char* path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

Finding ExamineKernel() {
  utsname names{};
  ::uname(&names);
  return JudgeKernel(names.release);
}

Finding ExamineLibfuse() {
  const int version = fuse_version();  // "3.14" is 314
  const std::string name = fuse_pkgversion();
  if (version >= FUSE_MAKE_VERSION(3, 17)) return {"libfuse", Verdict::kOk, name, ""};
  return {"libfuse", Verdict::kNote, name + ": no O_TMPFILE, no birth times",
          "packaging/libfuse.sh builds a newer one"};
}

Finding ExamineIoUring() {
  constexpr const char* kSwitch = "/sys/module/fuse/parameters/enable_uring";
  const std::string forbidden = FirstWord("/proc/sys/kernel/io_uring_disabled");
  const std::string enabled = FirstWord(kSwitch);
  if (enabled.empty()) {
    return {"io_uring", Verdict::kNote, "this kernel has no FUSE over io_uring; requests come over /dev/fuse",
            "Linux 6.14 or newer with CONFIG_FUSE_IO_URING answers requests faster"};
  }
  if (enabled != "Y") {
    return {"io_uring", Verdict::kNote, "FUSE over io_uring is off; requests come over /dev/fuse",
            fmt::format("as root: echo Y > {}; then mount again", kSwitch)};
  }
  if (forbidden == "2" || (forbidden == "1" && ::geteuid() != 0)) {
    return {"io_uring", Verdict::kNote, "kernel.io_uring_disabled forbids it", "as root: sysctl kernel.io_uring_disabled=0"};
  }
  return {"io_uring", Verdict::kOk, "FUSE over io_uring is on", ""};
}

Finding ExamineDevice() {
  UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device) return {"device", Verdict::kOk, "/dev/fuse can be opened", ""};
  const int error = errno;
  if (error == EACCES || error == EPERM) {
    return {"device", Verdict::kProblem, fmt::format("/dev/fuse: {}", std::strerror(error)),
            "as root: chmod 666 /dev/fuse; in a container: give it the device and SYS_ADMIN"};
  }
  return {"device", Verdict::kProblem, fmt::format("/dev/fuse: {}", std::strerror(error)), "as root: modprobe fuse"};
}

// What opening it takes: only root may, and in a container the device is often not there.
Finding ExamineAwake() {
  UniqueFd device(::open(AwakeProcessors::kDevice, O_WRONLY | O_CLOEXEC));
  const int error = device ? 0 : errno;
  return JudgeAwake(::geteuid() == 0, error);
}

std::string FindProgram(const char* name) {
  const char* path = ::getenv("PATH");
  std::string_view left = path != nullptr ? path : "/usr/bin:/bin";
  while (!left.empty()) {
    const std::string_view directory = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(left.size(), directory.size() + 1));
    std::string candidate = fmt::format("{}/{}", directory, name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

Finding ExamineHelper() {
  if (::geteuid() == 0) return {"fusermount3", Verdict::kOk, "not needed by root", ""};
  const std::string program = FindProgram("fusermount3");
  struct stat st {};
  if (program.empty() || ::stat(program.c_str(), &st) != 0) {
    return {"fusermount3", Verdict::kProblem, "not found; only root can mount", "as root: apt-get install fuse3"};
  }
  if ((st.st_mode & S_ISUID) == 0 || st.st_uid != 0) {
    return {"fusermount3", Verdict::kProblem, program + " is not set-user-id root; only root can mount",
            "as root: chown root " + program + "; chmod u+s " + program};
  }
  return {"fusermount3", Verdict::kOk, program, ""};
}

Finding ExamineOpenFiles() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return JudgeOpenFiles(limit.rlim_max);
}

// Rings of kernels since 5.12 are not counted against it; shared memory of the transport is ordinary.
Finding ExamineLockedMemory() {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string shown = limit.rlim_cur == RLIM_INFINITY ? "unlimited" : FormatSize(limit.rlim_cur);
  return {"memlock", Verdict::kOk, fmt::format("{} may be locked; siltfs locks none", shown), ""};
}

std::vector<Finding> ExamineMounts() {
  std::vector<Finding> findings;
  for (const MountEntry& mount : ReadMountinfo()) {
    if (mount.type != kMountType || !IsDeadMount(mount.mountpoint)) continue;
    findings.push_back({"mounts", Verdict::kProblem,
                        fmt::format("{}: the daemon of {} is gone", mount.mountpoint, mount.source),
                        fmt::format("siltfs umount {0}, or mount there again", mount.mountpoint)});
  }
  if (findings.empty()) findings.push_back({"mounts", Verdict::kOk, "none is dead", ""});
  return findings;
}

std::string_view Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kNote:
      return "note";
    case Verdict::kProblem:
      return "problem";
  }
  return "";
}

}  // namespace

Finding JudgeKernel(const std::string& release) {
  int major = 0, minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2) {
    return {"kernel", Verdict::kNote, release + ": no version that can be told", ""};
  }
  const std::pair version(major, minor);
  const std::string name = "Linux " + release;
  if (version < std::pair(5, 4)) {
    return {"kernel", Verdict::kProblem, name + " is older than what siltfs was tried on", "5.10 or newer"};
  }
  if (version < std::pair(6, 14)) {
    return {"kernel", Verdict::kNote, name + ": no FUSE over io_uring", "6.14 or newer has it"};
  }
  return {"kernel", Verdict::kOk, name, ""};
}

Finding JudgeAwake(bool root, int error) {
  if (error == 0) return {"awake", Verdict::kOk, "idle processors can be kept awake while requests come", ""};
  const std::string what = fmt::format("{}: {}; where idle processors sleep deeply, requests wait for them to wake",
                                       AwakeProcessors::kDevice, std::strerror(error));
  // Nobody is to run a mount as root for this alone.
  if (!root) return {"awake", Verdict::kNote, what, "mounts made by root keep them awake"};
  return {"awake", Verdict::kNote, what,
          fmt::format("give the container the device; in a unit: DeviceAllow={} w", AwakeProcessors::kDevice)};
}

Finding JudgeOpenFiles(uint64_t limit) {
  if (limit >= kFewFiles) return {"nofile", Verdict::kOk, fmt::format("{} files may be open", limit), ""};
  return {"nofile", Verdict::kProblem, fmt::format("only {} files may be open", limit),
          fmt::format("raise it to {} or more: LimitNOFILE= of a unit, nofile in limits.conf(5)", kFewFiles)};
}

Finding JudgeSpace(uint64_t free, uint64_t total) {
  const std::string what = fmt::format("{} free of {}", FormatSize(free), FormatSize(total));
  if (free == 0) return {"space", Verdict::kProblem, what, "free some on the host; siltfs compact gives back deleted data"};
  if (free < kLittleSpace && free < total / 20) {
    return {"space", Verdict::kProblem, what, "free some on the host soon; siltfs compact gives back deleted data"};
  }
  return {"space", Verdict::kOk, what, ""};
}

std::vector<Finding> JudgeStore(const json& status) {
  std::vector<Finding> findings;
  const std::string where = status.at("mounted").get<bool>()
                                ? fmt::format("mounted at {}", status.at("mountpoint").get<std::string>())
                                : "not mounted";
  findings.push_back({"store", Verdict::kOk, fmt::format("{}, {}", status.at("store").get<std::string>(), where), ""});
  const json& health = status.at("health");
  if (health.at("state") == "ok") {
    findings.push_back({"health", Verdict::kOk, "no damage met, nothing failed", ""});
  } else {
    const bool failed = health.at("state") == "failed";
    findings.push_back({"health", Verdict::kProblem, health.at("reason").get<std::string>(),
                        failed ? "unmount, see siltfs.log in the store, siltfs fsck, mount again"
                               : "siltfs scrub names the files; siltfs fsck --repair on the unmounted store"});
  }
  return findings;
}

std::vector<Finding> ExamineMachine() {
  std::vector<Finding> findings = {ExamineKernel(), ExamineLibfuse(),   ExamineIoUring(),      ExamineDevice(),
                                   ExamineHelper(), ExamineOpenFiles(), ExamineLockedMemory(), ExamineAwake()};
  for (Finding& finding : ExamineMounts()) findings.push_back(std::move(finding));
  return findings;
}

json ToJson(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"name", finding.name},
                    {"verdict", Name(finding.verdict)},
                    {"what", finding.what},
                    {"remedy", finding.remedy}});
  }
  return {{"ok", !HasProblem(findings)}, {"findings", std::move(list)}};
}

std::string ToText(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{:<8} {:<12} {}{}{}\n", Name(finding.verdict), finding.name, finding.what,
                        finding.remedy.empty() ? "" : "; to do: ", finding.remedy);
  }
  return text;
}

bool HasProblem(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.verdict == Verdict::kProblem; });
}

}  // namespace silt::mount
