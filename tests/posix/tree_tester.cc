// The same system calls on a mount and on a native directory: random ones, a replay, or the written cases of scripts/.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>

#include "tests/posix/call_generator.h"
#include "tests/posix/pair_runner.h"
#include "tests/posix/script.h"
#include "tests/posix/shrink.h"

namespace silt::posix {
namespace {

using CallList = std::vector<Call>;

struct Arguments {
  PairOptions pair;
  CallGeneration generation;
  uint64_t rounds = 1;
  uint64_t seconds = 0;
  std::string replay;
  std::vector<std::string> scripts;
  std::string only;
  std::string failure = "tree_tester.failure";
  bool keep_long = false;
};

bool CanTmpfile(const std::string& directory) {
  return static_cast<bool>(mount::UniqueFd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)));
}

void Report(const Arguments& arguments, CallList calls, const PairFailure& failure) {
  PairRunner runner(arguments.pair);
  fmt::print("FAILED at call {}: {}\n", failure.index, failure.what);
  if (failure.index < calls.size()) calls.resize(failure.index + 1);
  if (!arguments.keep_long) {
    calls = Shrink<Call>(calls, [&](const CallList& list) { return runner.Run(list).has_value(); });
  }
  auto again = runner.Run(calls);
  fmt::print("{} calls fail like this: {}\n", calls.size(), again ? again->what : "not any more");
  std::ofstream file(arguments.failure);
  for (const Call& call : calls) {
    file << Format(call) << '\n';
    if (calls.size() <= 40) fmt::print("  {}\n", Format(call));
  }
  fmt::print("replay: add --replay {}\n", arguments.failure);
}

int RunScripts(const Arguments& arguments) {
  const bool tmpfile = CanTmpfile(arguments.pair.mounted);
  PairRunner runner(arguments.pair);
  size_t passed = 0, failed = 0, left_out = 0;
  for (const std::string& path : arguments.scripts) {
    auto cases = ReadScript(path);
    if (!cases) {
      fmt::print("{}\n", cases.error());
      return 2;
    }
    for (const ScriptCase& one : *cases) {
      if (!arguments.only.empty() && one.name != arguments.only) continue;
      const bool can = (arguments.generation.users > 0 || !one.needs_users()) && (tmpfile || one.needs != "tmpfile") &&
                       (!arguments.pair.writeback || one.needs != "write-through") &&
                       (arguments.pair.controlled || !one.needs_remount());
      if (!can) {
        ++left_out;
        continue;
      }
      auto failure = runner.Run(one.calls, one.without != "blocks");
      ++(failure ? failed : passed);
      if (!failure) continue;
      const bool at_call = failure->index < one.calls.size();
      fmt::print("FAILED {} ({}:{}: {}): {}\n", one.name, path, at_call ? one.lines[failure->index] : 0,
                 at_call ? Format(one.calls[failure->index]) : "at the end", failure->what);
    }
  }
  fmt::print("{} cases passed, {} failed, {} not possible here ({} calls)\n", passed, failed, left_out,
             runner.calls_made());
  return failed == 0 && passed > 0 ? 0 : 1;
}

int RunReplay(const Arguments& arguments) {
  auto calls = ReadCalls(arguments.replay);
  if (!calls) {
    fmt::print("{}\n", calls.error());
    return 2;
  }
  PairRunner runner(arguments.pair);
  auto failure = runner.Run(*calls);
  if (!failure) {
    fmt::print("{} calls, nothing differs\n", calls->size());
    return 0;
  }
  Report(arguments, std::move(*calls), *failure);
  return 1;
}

int RunRandom(Arguments arguments) {
  arguments.generation.tmpfile = CanTmpfile(arguments.pair.mounted);
  arguments.generation.remounts = arguments.pair.controlled;
  arguments.generation.truncate = !arguments.pair.writeback;
  PairRunner runner(arguments.pair);
  const auto begin = std::chrono::steady_clock::now();
  auto goes_on = [&](uint64_t round) {
    if (arguments.seconds == 0) return round < arguments.rounds;
    return std::chrono::steady_clock::now() - begin < std::chrono::seconds(arguments.seconds);
  };
  for (uint64_t round = 0; goes_on(round); ++round) {
    CallList calls = GenerateCalls(arguments.generation);
    if (auto failure = runner.Run(calls)) {
      fmt::print("seed {}: ", arguments.generation.seed);
      Report(arguments, std::move(calls), *failure);
      return 1;
    }
    ++arguments.generation.seed;
  }
  fmt::print("{} calls, nothing differs; the next seed is {}\n", runner.calls_made(), arguments.generation.seed);
  return 0;
}

int Run(const Arguments& arguments) {
  if (!arguments.scripts.empty()) return RunScripts(arguments);
  return arguments.replay.empty() ? RunRandom(arguments) : RunReplay(arguments);
}

}  // namespace
}  // namespace silt::posix

int main(int argc, char** argv) {
  silt::posix::Arguments arguments;
  CLI::App app(
      "The same system calls on a mount and on a native directory. Exit code 1: something differs. Needs root.");
  app.add_option("mounted", arguments.pair.mounted, "a directory of the mount")->required();
  app.add_option("native", arguments.pair.native, "a directory of the host's filesystem")->required();
  app.add_option("--seed", arguments.generation.seed, "of the first round; the next has the next")
      ->capture_default_str();
  app.add_option("--rounds", arguments.rounds, "each in new directories")->capture_default_str();
  app.add_option("--seconds", arguments.seconds, "rounds for so long instead");
  app.add_option("--calls", arguments.generation.count, "in a round")->capture_default_str();
  app.add_option("--users", arguments.generation.users, "beside root, 0 to 2")->check(CLI::Range(0, 2));
  app.add_option("--replay", arguments.replay, "calls from a file, one a line, instead of random ones");
  app.add_option("--script", arguments.scripts, "the cases of this file; may be repeated");
  app.add_option("--case", arguments.only, "this case alone");
  app.add_option("--failure", arguments.failure, "where the calls of a failure go")->capture_default_str();
  app.add_flag("--writeback", arguments.pair.writeback, "the mount has the writeback cache");
  app.add_flag("--controlled", arguments.pair.controlled, "remount and kill, by asking whoever is at stdin and stdout");
  app.add_flag("--no-shrink", arguments.keep_long, "report a failure as it was found");
  CLI11_PARSE(app, argc, argv);
  if (::geteuid() != 0) {
    fmt::print(stderr, "tree_tester: needs root, to change users and roots\n");
    return 2;
  }
  // A FIFO without a reader, a file at its limit: the call returns its errno on both sides.
  for (int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  return silt::posix::Run(arguments);
}
