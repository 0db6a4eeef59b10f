// meta_bench: what a directory tree costs on any mounted filesystem, phase by phase.
//
// Every thread works on --files files of its own in --dirs directories. Phases: create (empty files), write (create
// with 4 KiB, closed), stat_written (the first stat of each after that), stat, open_read (open, read 4 KiB, close),
// miss (stat of names that are not there, asked before), list (readdir of every directory and a stat of each entry),
// rename (within the directory), unlink (both sets of files, then directories). With --phases a run does some of them,
// and the next one, after a remount say, goes on with what is there.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

struct Load {
  std::string directory;
  int files = 10000;
  int directories = 10;
  int threads = 1;
  bool json = false;
  std::vector<std::string> phases;  // empty: all
};

[[noreturn]] void Die(const char* call, const std::string& path) {
  fmt::print(stderr, "meta_bench: {} {}: {}\n", call, path, std::strerror(errno));
  std::_Exit(1);
}

// One thread's tree.
class Tree {
 public:
  Tree(const Load& load, int thread) : load_(load), root_(fmt::format("{}/t{}", load.directory, thread)) {}

  void Prepare() {
    if (mkdir(root_.c_str(), 0755) != 0) Die("mkdir", root_);
    for (int d = 0; d < load_.directories; ++d) {
      if (mkdir(DirectoryOf(d).c_str(), 0755) != 0) Die("mkdir", DirectoryOf(d));
    }
  }
  void Clear() {
    for (int d = 0; d < load_.directories; ++d) rmdir(DirectoryOf(d).c_str());
    if (rmdir(root_.c_str()) != 0) Die("rmdir", root_);
  }

  uint64_t Create() {
    return Each("e", [](const std::string& path) { close(Open(path, O_CREAT | O_EXCL | O_WRONLY)); });
  }
  uint64_t CreateAndWrite() {
    return Each("f", [](const std::string& path) {
      static const std::string block(4096, 'x');
      int fd = Open(path, O_CREAT | O_EXCL | O_WRONLY);
      if (write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size())) Die("write", path);
      if (close(fd) != 0) Die("close", path);
    });
  }
  uint64_t Stat() {
    return Each("f", [](const std::string& path) {
      struct stat attributes;
      if (stat(path.c_str(), &attributes) != 0) Die("stat", path);
    });
  }
  uint64_t Miss() {
    return Each("absent", [](const std::string& path) {
      struct stat attributes;
      if (stat(path.c_str(), &attributes) == 0 || errno != ENOENT) Die("stat of an absent name", path);
    });
  }
  uint64_t OpenAndRead() {
    return Each("f", [](const std::string& path) {
      char buffer[4096];
      int fd = Open(path, O_RDONLY);
      if (read(fd, buffer, sizeof buffer) != sizeof buffer) Die("read", path);
      close(fd);
    });
  }
  uint64_t List() {
    uint64_t entries = 0;
    for (int d = 0; d < load_.directories; ++d) {
      DIR* dir = opendir(DirectoryOf(d).c_str());
      if (dir == nullptr) Die("opendir", DirectoryOf(d));
      while (const dirent* entry = readdir(dir)) {
        struct stat attributes;
        if (fstatat(dirfd(dir), entry->d_name, &attributes, AT_SYMLINK_NOFOLLOW) != 0) Die("fstatat", entry->d_name);
        ++entries;
      }
      closedir(dir);
    }
    return entries;
  }
  uint64_t Rename() {
    return Each("f", [](const std::string& path) {
      if (rename(path.c_str(), (path + ".renamed").c_str()) != 0) Die("rename", path);
    });
  }
  uint64_t Unlink() {
    auto remove = [](const std::string& path) {
      if (unlink(path.c_str()) != 0) Die("unlink", path);
    };
    return Each("e", remove) + Each("f", [&](const std::string& path) { remove(path + ".renamed"); });
  }

 private:
  static int Open(const std::string& path, int flags) {
    int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (fd < 0) Die("open", path);
    return fd;
  }
  std::string DirectoryOf(int d) const { return fmt::format("{}/d{}", root_, d); }
  uint64_t Each(const char* prefix, const std::function<void(const std::string&)>& operation) {
    for (int i = 0; i < load_.files; ++i) {
      operation(fmt::format("{}/{}{}", DirectoryOf(i % load_.directories), prefix, i));
    }
    return static_cast<uint64_t>(load_.files);
  }

  const Load& load_;
  std::string root_;
};

struct Phase {
  const char* name;
  uint64_t (Tree::*run)();
};

constexpr Phase kPhases[] = {
    {"create", &Tree::Create}, {"write", &Tree::CreateAndWrite},  {"stat_written", &Tree::Stat},
    {"stat", &Tree::Stat},     {"open_read", &Tree::OpenAndRead}, {"miss", &Tree::Miss},
    {"list", &Tree::List},     {"rename", &Tree::Rename},         {"unlink", &Tree::Unlink}};

std::vector<std::string> PhaseNames() {
  std::vector<std::string> names;
  for (const Phase& phase : kPhases) names.emplace_back(phase.name);
  return names;
}

bool Wanted(const Load& load, std::string_view phase) {
  return load.phases.empty() || std::find(load.phases.begin(), load.phases.end(), phase) != load.phases.end();
}

// Operations a second of one phase, all threads together.
double RunPhase(const Phase& phase, std::vector<Tree>& trees) {
  std::vector<uint64_t> done(trees.size());
  auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < trees.size(); ++i) {
    threads.emplace_back([&, i] { done[i] = (trees[i].*phase.run)(); });
  }
  for (auto& thread : threads) thread.join();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  uint64_t total = 0;
  for (uint64_t n : done) total += n;
  return static_cast<double>(total) / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  Load load;
  CLI::App app("Measures metadata operations in a directory");
  app.add_option("directory", load.directory, "An existing directory; nothing is left behind in it")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--files", load.files, "Files of each kind a thread")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--dirs", load.directories, "Directories a thread")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", load.threads, "Threads")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_flag("--json", load.json, "Print a JSON object: operations a second by phase");
  app.add_option("--phases", load.phases, "Some of the phases, with commas; the first needs create, the last unlink")
      ->delimiter(',')
      ->check(CLI::IsMember(PhaseNames()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  std::vector<Tree> trees;
  for (int i = 0; i < load.threads; ++i) trees.emplace_back(load, i);
  if (Wanted(load, "create")) {
    for (auto& tree : trees) tree.Prepare();
  }
  nlohmann::ordered_json results;  // in the order of the phases
  for (const Phase& phase : kPhases) {
    if (!Wanted(load, phase.name)) continue;
    // Names are known to be absent from the second time on.
    if (phase.run == &Tree::Miss) RunPhase(phase, trees);
    double rate = RunPhase(phase, trees);
    results[phase.name] = rate;
    if (!load.json) fmt::print("{:<12} {:>10.0f} ops/s\n", phase.name, rate);
  }
  if (Wanted(load, "unlink")) {
    for (auto& tree : trees) tree.Clear();
  }
  if (load.json) fmt::print("{}\n", results.dump());
  return 0;
}
