#include "mount/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace silt::mount {
namespace {

struct Verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Words&);
};

constexpr std::array<Verb, 12> kVerbs = {{
    {"mkfs", "make a store", &RunMkfs},
    {"mount", "mount a store at a directory", &RunMount},
    {"umount", "unmount, and wait until the store is closed", &RunUmount},
    {"status", "what is mounted where, sizes, health", &RunStatus},
    {"stats", "counters of the engine, its levels and the requests served", &RunStats},
    {"fsck", "check a store, and repair it", &RunFsck},
    {"scrub", "read and verify every byte, name damaged files", &RunScrub},
    {"compact", "rewrite every table, reclaim what was overwritten or deleted", &RunCompact},
    {"bench", "measure a mounted directory", &RunBench},
    {"accesslog", "show the requests that a mount serves", &RunAccessLog},
    {"doctor", "say what is missing for siltfs on this machine, and what to do", &RunDoctor},
    {"debug", "look inside: manifest, table, wal, keys", &RunDebug},
}};

// Other names of this program. Each may also end in .fuse.siltfs, the type that a mount has in the kernel.
constexpr std::array<Verb, 4> kPrograms = {{
    {"mkfs", "", &RunMkfs},
    {"mount", "", &RunMountHelper},
    {"umount", "", &RunUmountHelper},
    {"fsck", "", &RunFsck},
}};

template <size_t n>
const Verb* Find(const std::array<Verb, n>& verbs, std::string_view name) {
  auto found = std::find_if(verbs.begin(), verbs.end(), [&](const Verb& verb) { return verb.name == name; });
  return found == verbs.end() ? nullptr : &*found;
}

const Verb* FindProgram(std::string_view name) {
  for (std::string_view type : {".fuse.siltfs", ".siltfs"}) {
    if (name.ends_with(type)) return Find(kPrograms, name.substr(0, name.size() - type.size()));
  }
  return nullptr;
}

std::string Help() {
  std::string text =
      "siltfs: a filesystem that keeps files, directories and data in a log-structured merge tree\n\n"
      "Usage: siltfs VERB [arguments]   (siltfs VERB --help says more)\n\n";
  for (const Verb& verb : kVerbs) text += fmt::format("  {:<9} {}\n", verb.name, verb.summary);
  text +=
      "\nExample:\n"
      "  siltfs mkfs /srv/store && siltfs mount /srv/store /mnt\n"
      "  siltfs status /mnt\n"
      "  siltfs umount /mnt\n";
  return text;
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  std::string_view program = argc > 0 ? argv[0] : "siltfs";
  program.remove_prefix(std::min(program.size(), program.rfind('/') + 1));
  Words words(argv + std::min(argc, 1), argv + argc);
  if (const Verb* alias = FindProgram(program)) return alias->run(words);
  if (words.empty()) {
    fmt::print(stderr, "siltfs: no verb given; siltfs --help lists them\n");
    return kExitUsage;
  }
  if (words[0] == "help" && words.size() > 1) {
    const Verb* verb = Find(kVerbs, words[1]);
    if (verb != nullptr) return verb->run({"--help"});
    words = {words[1]};  // which is not known
  }
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    fmt::print("{}", Help());
    return kExitOk;
  }
  if (words[0] == "--version" || words[0] == "-V") {
    fmt::print("siltfs {}\n", SILT_VERSION);
    return kExitOk;
  }
  if (const Verb* verb = Find(kVerbs, words[0])) return verb->run(Words(words.begin() + 1, words.end()));
  fmt::print(stderr, "siltfs: unknown verb '{}'; siltfs --help lists them\n", words[0]);
  return kExitUsage;
}

std::optional<int> ParseArguments(CLI::App& app, std::string_view verb, const Words& words, int usage_exit_code) {
  try {
    app.parse(Words(words.rbegin(), words.rend()));  // CLI11 takes them last first
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return kExitOk;
  } catch (const CLI::CallForAllHelp&) {
    fmt::print("{}", app.help("", CLI::AppFormatMode::All));
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    Complain(verb, "", fmt::format("{}; see siltfs {} --help", error.what(), verb));
    return usage_exit_code;
  }
}

}  // namespace silt::mount
