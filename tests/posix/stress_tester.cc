// Several processes in one tree: each makes, moves and removes what the others do too, and beside that has names of its
// own, of which it knows everything. At the end the tree must be consistent.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "mount/unique_fd.h"
#include "tests/posix/data_operation.h"

namespace silt::posix {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string directory;
  int processes = 8;
  uint64_t seconds = 10;
  uint64_t seed = 0;
};

constexpr int kQuietDirectories = 3;  // "quiet-N": nobody removes or moves them
constexpr size_t kRecord = 32;        // bytes of a line in the shared log
constexpr uint64_t kPatience = 120;   // seconds after which a process that does not end hangs

[[noreturn]] void Die(const std::string& what) {
  fmt::print("FAILED in process {}: {}\n", ::getpid(), what);
  std::fflush(stdout);
  ::_exit(1);
}

// Errors that come of others being about. Anything else is the filesystem's fault.
void Expect(long result, std::string_view call, const std::string& path) {
  static const std::set<int> kUsual = {ENOENT, EEXIST, ENOTDIR, EISDIR,  ENOTEMPTY, EINVAL,
                                       EBUSY,  ELOOP,  EPERM,   ENODATA, ENXIO,     EXDEV};
  if (result < 0 && !kUsual.contains(errno)) Die(fmt::format("{} {}: {}", call, path, std::strerror(errno)));
}

std::string LogLine(int process, uint64_t number) {
  return fmt::format("{:<{}}\n", fmt::format("process {} line {}", process, number), kRecord - 1);
}

std::string ReadAll(int fd) {
  std::string all;
  char buffer[65536];
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(got));
  return all;
}

std::vector<std::string> ListNames(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(directory);
  return names;
}

class Worker {
 public:
  Worker(const Arguments& arguments, int number)
      : arguments_(arguments), number_(number), random_(arguments.seed * 1000 + static_cast<uint64_t>(number)) {}

  void Run() {
    const auto end = Clock::now() + std::chrono::seconds(arguments_.seconds);
    while (Clock::now() < end) {
      for (int i = 0; i < 20; ++i) Step();
    }
    for (int directory = 0; directory < kQuietDirectories; ++directory) CheckListing(directory);
    for (const auto& [name, where] : own_) CheckOwn(name);
    CheckLog();
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::string WildPath() {
    static constexpr std::array<std::string_view, 5> kNames = {"a", "b", "c", "d", "e"};
    std::string path = "wild";
    for (uint64_t depth = 1 + Below(3); depth > 0; --depth) path += fmt::format("/{}", kNames[Below(kNames.size())]);
    return path;
  }
  static std::string Quiet(int directory) { return fmt::format("quiet-{}", directory); }

  void Step() {
    switch (Below(20)) {
      case 0:
        return Append();
      case 1:
        return MakeOwn();
      case 2:
        return RemoveOwn();
      case 3:
        return MoveOwn();
      case 4:
        return CheckSomeOwn();
      case 5:
        return Below(10) == 0 ? CheckListing(static_cast<int>(Below(kQuietDirectories))) : Names();
      case 6:
      case 7:
      case 8:
        return Contents();
      default:
        return Names();
    }
  }

  // ---- what everybody does to everything ----

  void Names() {
    const std::string path = WildPath(), other = WildPath();
    const char* p = path.c_str();
    const char* o = other.c_str();
    switch (Below(14)) {
      case 0:
      case 1:
        return Expect(::mkdir(p, 0755), "mkdir", path);
      case 2:
        return Expect(::rmdir(p), "rmdir", path);
      case 3:
        return Expect(::unlink(p), "unlink", path);
      case 4:
        return Expect(::link(p, o), "link", other);
      case 5:
        return Expect(::symlink("../a", p), "symlink", path);
      case 6:
      case 7:
      case 8:
        return Expect(::rename(p, o), "rename", other);
      case 9:
        return Expect(::syscall(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, o, Below(3)), "renameat2", other);
      case 10:
        return Expect(::mkfifo(p, 0644), "mkfifo", path);
      case 11:
        return Expect(::chmod(p, Below(2) == 0 ? 0755 : 0777), "chmod", path);
      case 12:
        return Expect(::lsetxattr(p, "trusted.stress", "x", 1, 0), "setxattr", path);
      default:
        ListNames(path);
    }
  }

  void Contents() {
    const std::string path = WildPath();
    mount::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644));
    Expect(fd.get(), "open", path);
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return;
    const std::string bytes = DataBytes(random_(), Below(20000) + 1);
    const auto at = static_cast<off_t>(Below(60000));
    switch (Below(8)) {
      case 0:
        return Expect(::ftruncate(fd.get(), at), "ftruncate", path);
      case 1:
        return Expect(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 9000), "punch", path);
      case 2:
        return Expect(Below(20) == 0 ? ::fsync(fd.get()) : 0, "fsync", path);
      case 3:
        return WriteUnlinked(path, fd.get(), bytes);
      case 4:
        return WriteMapped(path, fd.get());
      case 5:
        ReadAll(fd.get());
        return;
      default:
        return Expect(::pwrite(fd.get(), bytes.data(), bytes.size(), at), "pwrite", path);
    }
  }

  void WriteUnlinked(const std::string& path, int fd, const std::string& bytes) {
    Expect(::unlink(path.c_str()), "unlink", path);
    Expect(::pwrite(fd, bytes.data(), bytes.size(), 0), "pwrite", path);
  }

  // Others may cut the file meanwhile: the copy is made by the kernel, which answers EFAULT instead of SIGBUS.
  void WriteMapped(const std::string& path, int fd) {
    Expect(::ftruncate(fd, 8192), "ftruncate", path);
    void* map = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) Die(fmt::format("mmap {}: {}", path, std::strerror(errno)));
    int ends[2];
    if (::pipe(ends) != 0) Die("pipe");
    const std::string bytes(4096, 'm');
    if (::write(ends[1], bytes.data(), bytes.size()) != 4096) Die("write to a pipe");
    const ssize_t got = ::read(ends[0], static_cast<char*>(map) + 100, 4000);
    if (got < 0 && errno != EFAULT) Die(fmt::format("read into a mapping of {}: {}", path, std::strerror(errno)));
    ::close(ends[0]);
    ::close(ends[1]);
    ::munmap(map, 8192);
  }

  // ---- what only this process touches ----

  struct Own {
    int directory;
    uint64_t seed;
    size_t size;
  };
  static std::string PathOf(const std::string& name, const Own& own) { return Quiet(own.directory) + "/" + name; }

  void MakeOwn() {
    if (own_.size() > 60) return RemoveOwn();
    const std::string name = fmt::format("own-{}-{}", number_, made_++);
    const Own own{.directory = static_cast<int>(Below(kQuietDirectories)), .seed = random_(), .size = Below(30000)};
    const std::string path = PathOf(name, own);
    mount::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    const std::string bytes = DataBytes(own.seed, own.size);
    if (!fd) Die(fmt::format("create {}: {}", path, std::strerror(errno)));
    if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) Die("write " + path);
    own_[name] = own;
  }

  std::string SomeOwn() {
    auto it = own_.begin();
    std::advance(it, static_cast<ptrdiff_t>(Below(own_.size())));
    return it->first;
  }

  void RemoveOwn() {
    if (own_.empty()) return;
    const std::string name = SomeOwn();
    const std::string path = PathOf(name, own_.at(name));
    if (::unlink(path.c_str()) != 0) Die(fmt::format("unlink {}: {}", path, std::strerror(errno)));
    if (::access(path.c_str(), F_OK) == 0) Die(path + " is there after its unlink");
    own_.erase(name);
  }

  void MoveOwn() {
    if (own_.empty()) return;
    const std::string name = SomeOwn();
    Own& own = own_.at(name);
    const std::string from = PathOf(name, own);
    own.directory = static_cast<int>(Below(kQuietDirectories));
    const std::string to = PathOf(name, own);
    if (::rename(from.c_str(), to.c_str()) != 0) Die(fmt::format("rename {} {}: {}", from, to, std::strerror(errno)));
  }

  void CheckSomeOwn() {
    if (!own_.empty()) CheckOwn(SomeOwn());
  }

  void CheckOwn(const std::string& name) const {
    const Own& own = own_.at(name);
    const std::string path = PathOf(name, own);
    mount::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) Die(fmt::format("open {}: {}", path, std::strerror(errno)));
    if (ReadAll(fd.get()) != DataBytes(own.seed, own.size)) Die(path + " holds something else than was written");
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0 || st.st_nlink != 1) Die(fmt::format("{} has {} links", path, st.st_nlink));
  }

  // Others create and remove meanwhile; what is this process's own stays, and must come exactly once.
  void CheckListing(int directory) const {
    std::multiset<std::string> listed;
    const std::string prefix = fmt::format("own-{}-", number_);
    for (std::string& name : ListNames(Quiet(directory))) {
      if (name.starts_with(prefix)) listed.insert(std::move(name));
    }
    for (const auto& [name, own] : own_) {
      if (own.directory != directory) continue;
      if (listed.count(name) != 1) Die(fmt::format("{} is listed {} times", PathOf(name, own), listed.count(name)));
      listed.erase(name);
    }
    if (!listed.empty()) Die(fmt::format("{} is listed in {}, but is not there", *listed.begin(), Quiet(directory)));
  }

  // ---- one log for all ----

  void Append() {
    mount::UniqueFd fd(::open("log", O_WRONLY | O_APPEND | O_CLOEXEC));
    const std::string line = LogLine(number_, lines_);
    if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(kRecord)) Die("append to the log");
    ++lines_;
  }

  void CheckLog() const {
    mount::UniqueFd fd(::open("log", O_RDONLY | O_CLOEXEC));
    const std::string log = ReadAll(fd.get());
    uint64_t next = 0;
    for (size_t at = 0; at + kRecord <= log.size(); at += kRecord) {
      if (log.compare(at, kRecord, LogLine(number_, next)) == 0) ++next;
    }
    if (next != lines_) Die(fmt::format("the log has {} of its {} lines in order", next, lines_));
  }

  const Arguments& arguments_;
  const int number_;
  std::mt19937_64 random_;
  std::map<std::string, Own> own_;
  uint64_t made_ = 0;
  uint64_t lines_ = 0;
};

// Link counts, listings and attributes of a tree at rest. Renames make it deeper than a path may be long, so it is
// walked by chdir, a name at a time.
class TreeCheck {
 public:
  bool Run() {
    Visit(".", ".");
    for (const auto& [ino, file] : files_) {
      if (file.names != file.nlink)
        Wrong(fmt::format("{} has {} links and {} names", file.path, file.nlink, file.names));
    }
    return good_;
  }
  size_t count() const { return files_.size() + directories_; }

 private:
  struct File {
    std::string path;
    uint64_t nlink = 0;
    uint64_t names = 0;
  };

  void Wrong(const std::string& what) {
    fmt::print("FAILED: {}\n", what);
    good_ = false;
  }

  // Of a name in the working directory; PATH is for messages.
  void Visit(const std::string& path, const std::string& name) {
    struct stat st {};
    if (::lstat(name.c_str(), &st) != 0) return Wrong(fmt::format("{} is listed: {}", path, std::strerror(errno)));
    if (!S_ISDIR(st.st_mode)) {
      File& file = files_[st.st_ino];
      file.path = path;
      file.nlink = st.st_nlink;
      ++file.names;
      return;
    }
    ++directories_;
    if (::chdir(name.c_str()) != 0) return Wrong(fmt::format("chdir {}: {}", path, std::strerror(errno)));
    std::vector<std::string> names = ListNames(".");
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) Wrong(path + " lists a name twice");
    uint64_t directories = 0;
    for (const std::string& entry : names) {
      struct stat child {};
      if (::lstat(entry.c_str(), &child) == 0 && S_ISDIR(child.st_mode)) ++directories;
      Visit(fmt::format("{}/{}", path, entry), entry);
    }
    if (name != "." && ::chdir("..") != 0) Die(fmt::format("chdir {}/..: {}", path, std::strerror(errno)));
    if (st.st_nlink != 2 + directories) {
      Wrong(fmt::format("{} has {} links and {} directories", path, st.st_nlink, directories));
    }
  }

  std::map<ino_t, File> files_;
  size_t directories_ = 0;
  bool good_ = true;
};

bool Prepare(const Arguments& arguments) {
  if (::chdir(arguments.directory.c_str()) != 0 || ::mkdir("wild", 0755) != 0) return false;
  for (int i = 0; i < kQuietDirectories; ++i) {
    if (::mkdir(fmt::format("quiet-{}", i).c_str(), 0755) != 0) return false;
  }
  return static_cast<bool>(mount::UniqueFd(::open("log", O_WRONLY | O_CREAT | O_CLOEXEC, 0644)));
}

// Whether all ended well and in time.
bool WaitForAll(std::set<pid_t> children, uint64_t seconds) {
  bool good = true;
  ::alarm(static_cast<unsigned>(seconds));  // interrupts wait
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, nullptr);
  while (!children.empty()) {
    int status = 0;
    const pid_t pid = ::wait(&status);
    if (pid > 0) {
      children.erase(pid);
      good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
      continue;
    }
    for (pid_t child : children) {
      fmt::print("FAILED: process {} hangs\n", child);
      ::kill(child, SIGKILL);
    }
    return false;
  }
  return good;
}

int Run(const Arguments& arguments) {
  if (!Prepare(arguments)) {
    fmt::print(stderr, "stress_tester: {}: needs to be an empty directory\n", arguments.directory);
    return 2;
  }
  std::fflush(stdout);
  std::set<pid_t> children;
  for (int number = 0; number < arguments.processes; ++number) {
    const pid_t child = ::fork();
    if (child == 0) {
      Worker(arguments, number).Run();
      ::_exit(0);
    }
    children.insert(child);
  }
  bool good = WaitForAll(std::move(children), arguments.seconds + kPatience);
  TreeCheck check;
  good = check.Run() && good;
  fmt::print("{} files and directories at the end, {}\n", check.count(), good ? "all consistent" : "NOT consistent");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace silt::posix

int main(int argc, char** argv) {
  silt::posix::Arguments arguments;
  CLI::App app(
      "Random operations of several processes in one tree, then its invariants. Exit code 1: something is wrong.");
  app.add_option("directory", arguments.directory, "an empty directory")->required();
  app.add_option("--processes", arguments.processes)->capture_default_str();
  app.add_option("--seconds", arguments.seconds)->capture_default_str();
  app.add_option("--seed", arguments.seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return silt::posix::Run(arguments);
}
