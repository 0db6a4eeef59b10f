// siltfs fsck, fsck.siltfs
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "fs/check.h"
#include "lsm/filenames.h"
#include "lsm/repair.h"
#include "mount/cli.h"
#include "mount/mounting.h"
#include "mount/open_store.h"

namespace silt::mount {
namespace {

using lsm::Result;

// fsck(8)
constexpr int kFsckClean = 0;
constexpr int kFsckCorrected = 1;
constexpr int kFsckUncorrected = 4;
constexpr int kFsckOperational = 8;
constexpr int kFsckUsage = 16;
constexpr int kFsckCancelled = 32;

struct Outcome {
  fs::CheckReport report;
  lsm::RepairReport rebuilt;  // empty unless the MANIFEST had to be rebuilt
  bool was_rebuilt = false;
};

// Without a MANIFEST nothing can be walked, so it is rebuilt first.
Result<Outcome> CheckAndRepair(const fs::CheckOptions& options, const std::string& store) {
  Outcome outcome;
  Result<fs::CheckReport> report = fs::Check(options, store);
  bool unreadable = !report && (report.error().IsCorruption() || report.error().IsNotFound());
  if (unreadable && options.repair) {
    auto rebuilt = lsm::Repair(fs::Filesystem::EngineOptions(options.open), store, options.progress);
    if (!rebuilt) return Fail(rebuilt.error());
    outcome.rebuilt = *std::move(rebuilt);
    outcome.was_rebuilt = true;
    report = fs::Check(options, store);
  }
  if (!report) return Fail(report.error());
  outcome.report = *std::move(report);
  return outcome;
}

nlohmann::json ToJson(const Outcome& outcome, const std::string& store) {
  const fs::CheckReport& report = outcome.report;
  nlohmann::json problems = nlohmann::json::array();
  for (const fs::CheckProblem& problem : report.problems) {
    problems.push_back({{"what", problem.what}, {"repaired", problem.repaired}});
  }
  return {{"store", store},
          {"clean", report.clean() && !outcome.was_rebuilt},
          {"inodes", report.inodes},
          {"directories", report.directories},
          {"files", report.files},
          {"symlinks", report.symlinks},
          {"others", report.others},
          {"orphans", report.orphans},
          {"xattrs", report.xattrs},
          {"data_blocks", report.data_blocks},
          {"problems", std::move(problems)},
          {"problems_not_listed", report.unlisted},
          {"manifest_rebuilt", outcome.was_rebuilt},
          {"moved_aside", outcome.rebuilt.moved_aside},
          {"notes", outcome.rebuilt.notes}};
}

void PrintText(const Outcome& outcome, const std::string& store) {
  if (outcome.was_rebuilt) {
    fmt::print("{}: the MANIFEST was rebuilt from {} files\n", store, outcome.rebuilt.kept.size());
    for (const std::string& name : outcome.rebuilt.moved_aside) fmt::print("{}: moved to lost/: {}\n", store, name);
    for (const std::string& note : outcome.rebuilt.notes) fmt::print("{}: {}\n", store, note);
  }
  const fs::CheckReport& report = outcome.report;
  for (const fs::CheckProblem& problem : report.problems) {
    fmt::print("{}{}\n", problem.what, problem.repaired ? " (repaired)" : "");
  }
  if (report.unlisted != 0) fmt::print("{}: {} more problems, of the same kinds\n", store, report.unlisted);
  fmt::print(
      "{}: {}, {} inodes ({} directories, {} files, {} symlinks, {} others), {} xattrs, {} data blocks, {} "
      "orphans\n",
      store, report.clean() ? "clean" : fmt::format("{} problems", report.problems.size() + report.unlisted),
      report.inodes, report.directories, report.files, report.symlinks, report.others, report.xattrs,
      report.data_blocks, report.orphans);
}

int ExitCode(const Outcome& outcome) {
  for (const fs::CheckProblem& problem : outcome.report.problems) {
    if (!problem.repaired) return kFsckUncorrected;
  }
  return outcome.report.clean() && !outcome.was_rebuilt ? kFsckClean : kFsckCorrected;
}

// True when the directory has files of a store, perhaps without the CURRENT and MANIFEST that would make it one.
// Whatever else is there must not be "repaired".
bool HasStoreFiles(const std::string& path) {
  auto names = lsm::Storage::Posix()->ListDir(path);
  if (!names) return false;
  return std::any_of(names->begin(), names->end(), [](const std::string& name) {
    auto parsed = lsm::ParseFileName(name);
    return parsed && parsed->kind != lsm::FileKind::kTemporary && parsed->kind != lsm::FileKind::kLock;
  });
}

int Explain(const std::string& store, const lsm::Status& status, bool repair) {
  bool damaged = status.IsCorruption() || status.IsNotFound();
  Complain("fsck", store, Describe(status) + (damaged && !repair ? "; --repair rebuilds what can be read" : ""));
  return damaged && !repair ? kFsckUncorrected : kFsckOperational;
}

}  // namespace

int RunFsck(const Words& words) {
  std::string path;
  bool repair = false, preen = false, yes = false, no = false, force = false, verbose = false, no_title = false;
  bool as_json = false;
  std::string progress_fd;
  CLI::App app(
      "Checks every invariant of an unmounted store and names what is wrong, by path; with --repair mends it. "
      "Nothing is written without. ^C is safe at any time, also while it mends: run it again.",
      "siltfs fsck");
  app.add_option("STORE", path, "the store")->required();
  app.add_flag("--repair", repair, "mend what can be mended");
  app.add_flag("-a,-p", preen, "as --repair; what fsck(8) passes at boot");
  app.add_flag("-y", yes, "as --repair");
  app.add_flag("-n", no, "check only; wins over the others");
  app.add_flag("-f", force, "check even if clean; always so");
  app.add_flag("-v", verbose, "accepted for fsck(8)");
  app.add_flag("-T", no_title, "accepted for fsck(8)");
  app.add_option("-C", progress_fd, "accepted for fsck(8)")->expected(0, 1)->allow_extra_args(false);
  app.add_flag("--json", as_json, "as one JSON object");
  ProgressOption progress_option(&app);
  app.footer(
      "Exit codes: 0 clean, 1 problems were corrected, 4 problems are left, 8 it could not be checked, 16 usage, "
      "32 cancelled.\n"
      "\nExamples:\n  siltfs fsck /srv/store\n  siltfs fsck --repair /srv/store");
  if (auto exit_code = ParseArguments(app, "fsck", words, kFsckUsage)) return *exit_code;
  repair = (repair || preen || yes) && !no;

  auto target = ResolveTarget(path);
  std::string store = target ? target->store : path;
  if (!HasStoreFiles(store)) {
    Complain("fsck", store, WhyNoStore(store, "no siltfs store there; make one with siltfs mkfs"));
    return kFsckOperational;
  }
  if (auto user = UserOfStore(store)) {
    Complain(
        "fsck", store,
        fmt::format("mounted by pid {}; unmount it first (siltfs umount), or use siltfs scrub", user->pid));
    return kFsckOperational;
  }
  Result<Outcome> outcome = Fail(lsm::Status::Aborted(""));
  {
    Progress progress(repair ? "repair" : "fsck", progress_option.style(),
                      Progress::Cancel{.exit_code = kFsckCancelled,
                                       .last_words = "siltfs fsck: cancelled; that is safe at any time: run it again\n"});
    fs::CheckOptions options;
    options.repair = repair;
    options.progress = [&](uint64_t done, uint64_t total) { progress.Update(done, total); };
    options.open = OptionsFor(repair ? Access::kReadWrite : Access::kReadOnly, "fsck");
    outcome = CheckAndRepair(options, store);
  }
  if (!outcome) return Explain(store, outcome.error(), repair);
  if (as_json) {
    fmt::print("{}\n", JsonText(ToJson(*outcome, store)));
  } else {
    PrintText(*outcome, store);
  }
  return ExitCode(*outcome);
}

}  // namespace silt::mount
