// siltfs doctor
#include <fmt/format.h>
#include <sys/statvfs.h>

#include "mount/cli.h"
#include "mount/doctor.h"
#include "mount/open_store.h"
#include "mount/status_report.h"

namespace silt::mount {
namespace {

// Of a mounted store by its daemon; else by opening it, which must not write.
std::vector<Finding> ExamineStore(const std::string& path) {
  auto problem = [&](const std::string& what, const std::string& remedy) {
    return std::vector<Finding>{{"store", Verdict::kProblem, what, remedy}};
  };
  auto target = ResolveTarget(path);
  if (!target) return problem(fmt::format("{}: {}", path, target.error().message()), "siltfs mkfs makes a store");
  nlohmann::json status;
  if (auto daemon = ControlClient::Connect(target->store)) {
    auto answer = daemon->Call({{"verb", "status"}});
    if (!answer) return problem(fmt::format("{}: {}", target->store, answer.error().message()), "see siltfs.log there");
    status = *std::move(answer);
  } else {
    auto filesystem = OpenFilesystem(target->store, Access::kReadOnly, "doctor");
    if (!filesystem) return problem(Describe(filesystem.error()), "siltfs fsck " + target->store);
    status = StatusJson(target->store, **filesystem, nullptr);
  }
  std::vector<Finding> findings = JudgeStore(status);
  struct statvfs host {};
  if (::statvfs(target->store.c_str(), &host) == 0) {
    findings.push_back(JudgeSpace(status.at("free").get<uint64_t>(), host.f_blocks * host.f_frsize));
  }
  return findings;
}

}  // namespace

int RunDoctor(const Words& words) {
  std::string path;
  bool as_json = false;
  CLI::App app(
      "Says whether this machine has what siltfs needs, and whether a store is well: a line for each thing, with what to "
      "do. Exit code 1 when something is a problem; a note is none.",
      "siltfs doctor");
  app.add_option("STORE|MOUNTPOINT", path, "a store, or where it is mounted; without it only the machine is examined");
  app.add_flag("--json", as_json, "as one JSON object");
  app.footer("Examples:\n  siltfs doctor\n  siltfs doctor /mnt");
  if (auto exit_code = ParseArguments(app, "doctor", words)) return *exit_code;

  std::vector<Finding> findings = ExamineMachine();
  if (!path.empty()) {
    for (Finding& finding : ExamineStore(path)) findings.push_back(std::move(finding));
  }
  fmt::print("{}", as_json ? JsonText(ToJson(findings)) + "\n" : ToText(findings));
  return HasProblem(findings) ? kExitFailure : kExitOk;
}

}  // namespace silt::mount
