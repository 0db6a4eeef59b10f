// Random operations on one file, compared byte for byte with a model. tests/posix/README.md says how to run it on a
// mount.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "tests/posix/data_runner.h"
#include "tests/posix/shrink.h"

namespace silt::posix {
namespace {

struct Arguments {
  DataRunOptions run;
  DataGeneration generation;
  uint64_t rounds = 1;
  std::string replay;
  std::string failure = "data_tester.failure";
  bool keep_long = false;
};

using Operations = std::vector<DataOperation>;

bool ReadOperations(const std::string& path, Operations* operations) {
  std::ifstream file(path);
  if (!file) {
    fmt::print(stderr, "data_tester: {}: cannot be read\n", path);
    return false;
  }
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    auto operation = ParseDataOperation(line);
    if (!operation) {
      fmt::print(stderr, "data_tester: {}: no operation: {}\n", path, line);
      return false;
    }
    operations->push_back(*operation);
  }
  return true;
}

void Report(const Arguments& arguments, Operations operations, const DataFailure& failure) {
  DataRunner runner(arguments.run);
  fmt::print("FAILED at operation {}: {}\n", failure.index, failure.what);
  if (failure.index < operations.size()) operations.resize(failure.index + 1);
  if (!arguments.keep_long) {
    operations =
        Shrink<DataOperation>(operations, [&](const Operations& list) { return runner.Run(list).has_value(); });
  }
  auto again = runner.Run(operations);
  std::ofstream file(arguments.failure);
  fmt::print("{} operations fail like this: {}\n", operations.size(), again ? again->what : "not any more");
  for (const DataOperation& operation : operations) {
    file << Format(operation) << '\n';
    if (operations.size() <= 40) fmt::print("  {}\n", Format(operation));
  }
  fmt::print("replay: add --replay {}\n", arguments.failure);
}

int Run(Arguments arguments) {
  arguments.run.max_size = arguments.generation.max_size;
  arguments.generation.remounts = arguments.run.controlled;
  DataRunner runner(arguments.run);
  uint64_t done = 0;
  const uint64_t first_seed = arguments.generation.seed;
  for (uint64_t round = 0; round < (arguments.replay.empty() ? arguments.rounds : 1); ++round) {
    Operations operations;
    arguments.generation.seed = first_seed + round;
    if (arguments.replay.empty()) {
      operations = GenerateDataOperations(arguments.generation);
    } else if (!ReadOperations(arguments.replay, &operations)) {
      return 2;
    }
    if (auto failure = runner.Run(operations)) {
      fmt::print("seed {}: ", arguments.generation.seed);
      Report(arguments, std::move(operations), *failure);
      return 1;
    }
    done += operations.size();
  }
  fmt::print("{} operations, nothing differs\n", done);
  return 0;
}

}  // namespace
}  // namespace silt::posix

int main(int argc, char** argv) {
  silt::posix::Arguments arguments;
  CLI::App app("Random operations on one file, compared byte for byte with a model. Exit code 1: something differs.");
  app.add_option("file", arguments.run.path, "the file to work on; it is replaced")->required();
  app.add_option("--seed", arguments.generation.seed, "of the first round; the next has the next")
      ->capture_default_str();
  app.add_option("--rounds", arguments.rounds, "each on a new file")->capture_default_str();
  app.add_option("--operations", arguments.generation.count, "in a round")->capture_default_str();
  app.add_option("--max-size", arguments.generation.max_size, "of the file, a multiple of 4096")->capture_default_str();
  app.add_option("--base", arguments.run.base, "work behind this offset, a multiple of 4096")->capture_default_str();
  app.add_option("--direct-alignment", arguments.run.direct_alignment, "of O_DIRECT")->capture_default_str();
  app.add_flag("--map-tail", arguments.generation.map_tail, "write behind the end of the file through the mapping too");
  app.add_flag("--writeback", arguments.run.writeback, "the mount has the writeback cache");
  app.add_flag("--controlled", arguments.run.controlled, "remount and kill, by asking whoever is at stdin and stdout");
  app.add_option("--replay", arguments.replay, "operations from a file, one a line, instead of random ones");
  app.add_option("--failure", arguments.failure, "where the operations of a failure go")->capture_default_str();
  app.add_flag("--no-shrink", arguments.keep_long, "report a failure as it was found");
  CLI11_PARSE(app, argc, argv);
  return silt::posix::Run(std::move(arguments));
}
