#include "mount/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include "mount/unique_fd.h"

namespace silt::mount {
namespace {

using lsm::Status;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kSmall = 4096;
constexpr size_t kLarge = 1 << 20;

Status SystemError(std::string_view call, const std::string& path) {
  return Status::IoError(fmt::format("{} {}: {}", call, path, std::strerror(errno)));
}

double MicrosSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double, std::micro>(SteadyClock::now() - begin).count();
}

// Random, so that compression gains nothing that real data would not.
std::vector<char> RandomBytes(size_t size) {
  std::mt19937_64 random(42);
  std::vector<char> bytes(size);
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, sizeof(word));
  }
  return bytes;
}

// The files in one directory. Operations are numbered from 0; a phase may have ended early, so later ones count on no
// more than an earlier one made.
class Subject {
 public:
  Subject(const std::string& directory, const std::vector<char>& large)
      : root_(fmt::format("{}/.siltfs-bench.{}", directory, ::getpid())), large_(large) {}
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  ~Subject() {
    if (!made_) return;
    big_.Reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  Status MakeRoot() {
    if (::mkdir(root_.c_str(), 0700) != 0) return SystemError("mkdir", root_);
    made_ = true;
    return Status::Ok();
  }

  Status CreateSmall(uint64_t i) {
    UniqueFd fd(::open(FilePath(i).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!fd) return SystemError("create", FilePath(i));
    files_ = i + 1;
    return WriteAt(fd, kSmall, 0);
  }
  uint64_t files() const { return files_; }

  Status StatSmall(uint64_t i) {
    struct stat st {};
    return ::stat(FilePath(i).c_str(), &st) == 0 ? Status::Ok() : SystemError("stat", FilePath(i));
  }

  Status ReadSmall(uint64_t i) {
    UniqueFd fd(::open(FilePath(i).c_str(), O_RDONLY | O_CLOEXEC));
    char buffer[kSmall];
    return fd && ::read(fd.get(), buffer, sizeof(buffer)) == kSmall ? Status::Ok() : SystemError("read", FilePath(i));
  }

  Status List() {
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(root_.c_str()), &::closedir);
    if (!dir) return SystemError("opendir", root_);
    while (::readdir(dir.get()) != nullptr) {
    }
    return Status::Ok();
  }

  Status Rename(uint64_t i) {
    if (::rename(FilePath(i).c_str(), RenamedPath(i).c_str()) != 0) return SystemError("rename", FilePath(i));
    renamed_ = i + 1;
    return Status::Ok();
  }
  uint64_t renamed() const { return renamed_; }

  Status Unlink(uint64_t i) {
    return ::unlink(RenamedPath(i).c_str()) == 0 ? Status::Ok() : SystemError("unlink", RenamedPath(i));
  }

  Status WriteLarge(uint64_t i) {
    if (!big_) big_ = UniqueFd(::open(BigPath().c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (!big_) return SystemError("create", BigPath());
    SILT_RETURN_IF_ERROR(WriteAt(big_, kLarge, i * kLarge));
    chunks_ = i + 1;
    return Status::Ok();
  }
  uint64_t chunks() const { return chunks_; }

  Status Sync() { return ::fsync(big_.get()) == 0 ? Status::Ok() : SystemError("fsync", BigPath()); }

  // What is cached would measure memory.
  void DropCache() const { ::posix_fadvise(big_.get(), 0, 0, POSIX_FADV_DONTNEED); }

  Status ReadLarge(uint64_t i) {
    buffer_.resize(kLarge);
    if (i == 0) DropCache();
    return ReadAt(kLarge, i * kLarge);
  }

  Status ReadAtRandom(uint64_t i) {
    buffer_.resize(kLarge);
    if (i == 0) DropCache();
    return ReadAt(kSmall, RandomOffset());
  }

  Status WriteAtRandom() { return WriteAt(big_, kSmall, RandomOffset()); }

  Status WriteAndSync() {
    SILT_RETURN_IF_ERROR(WriteAtRandom());
    return Sync();
  }

 private:
  std::string FilePath(uint64_t i) const { return fmt::format("{}/f{}", root_, i); }
  std::string RenamedPath(uint64_t i) const { return FilePath(i) + "r"; }
  std::string BigPath() const { return root_ + "/big"; }
  uint64_t RandomOffset() { return random_() % (chunks_ * (kLarge / kSmall)) * kSmall; }

  Status WriteAt(const UniqueFd& fd, size_t size, uint64_t offset) {
    if (::pwrite(fd.get(), large_.data(), size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size)) {
      return Status::Ok();
    }
    return SystemError("write", root_);
  }

  Status ReadAt(size_t size, uint64_t offset) {
    return ::pread(big_.get(), buffer_.data(), size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size)
               ? Status::Ok()
               : SystemError("read", BigPath());
  }

  const std::string root_;
  const std::vector<char>& large_;
  bool made_ = false;
  uint64_t files_ = 0, renamed_ = 0, chunks_ = 0;
  UniqueFd big_;
  std::vector<char> buffer_;
  std::mt19937_64 random_{7};
};

class Bench {
 public:
  Bench(const BenchOptions& options, const std::atomic<bool>& stop, const std::function<void(const BenchRow&)>& row)
      : options_(options), stop_(stop), row_(row), large_(RandomBytes(kLarge)) {}

  Status Run() {
    for (const std::string& directory : options_.directories) {
      subjects_.push_back(std::make_unique<Subject>(directory, large_));
      SILT_RETURN_IF_ERROR(subjects_.back()->MakeRoot());
    }
    SILT_RETURN_IF_ERROR(RunSmallFiles());
    return RunBigFile();
  }

 private:
  static constexpr int kPhases = 12;
  using Count = std::function<uint64_t(const Subject&)>;
  using Operation = std::function<Status(Subject&, uint64_t i)>;

  // In each directory in turn.
  Status Phase(const std::string& name, const Count& count, uint64_t bytes_each, const Operation& operation) {
    for (size_t i = 0; i < subjects_.size(); ++i) {
      auto row = PhaseOf(subjects_[i].get(), count(*subjects_[i]), operation);
      if (!row) return row.error();
      row->name = name;
      row->directory = i;
      row->bytes = row->operations * bytes_each;
      row_(*row);
    }
    return Status::Ok();
  }

  lsm::Result<BenchRow> PhaseOf(Subject* subject, uint64_t count, const Operation& operation) {
    std::vector<double> micros;
    micros.reserve(count);
    const double limit = options_.seconds * 1e6 / kPhases / static_cast<double>(subjects_.size());
    const auto begin = SteadyClock::now();
    for (uint64_t i = 0; i < count && (i == 0 || MicrosSince(begin) < limit); ++i) {
      if (stop_.load(std::memory_order_relaxed)) return lsm::Fail(Status::Aborted("interrupted"));
      const auto one = SteadyClock::now();
      if (Status status = operation(*subject, i); !status.ok()) return lsm::Fail(status);
      micros.push_back(MicrosSince(one));
    }
    BenchRow row;
    row.operations = micros.size();
    row.seconds = MicrosSince(begin) / 1e6;
    std::sort(micros.begin(), micros.end());
    auto quantile = [&](double q) { return micros[static_cast<size_t>(q * static_cast<double>(micros.size() - 1))]; };
    row.median_micros = quantile(0.5);
    row.p99_micros = quantile(0.99);
    return row;
  }

  Status RunSmallFiles() {
    const Count all = [this](const Subject&) { return options_.files; };
    const Count made = [](const Subject& s) { return s.files(); };
    SILT_RETURN_IF_ERROR(
        Phase("create 4K file", all, kSmall, [](Subject& s, uint64_t i) { return s.CreateSmall(i); }));
    SILT_RETURN_IF_ERROR(Phase("stat", made, 0, [](Subject& s, uint64_t i) { return s.StatSmall(i); }));
    SILT_RETURN_IF_ERROR(
        Phase("open, read 4K, close", made, kSmall, [](Subject& s, uint64_t i) { return s.ReadSmall(i); }));
    SILT_RETURN_IF_ERROR(Phase(
        "list the directory", [](const Subject&) { return uint64_t{5}; }, 0,
        [](Subject& s, uint64_t) { return s.List(); }));
    SILT_RETURN_IF_ERROR(Phase("rename", made, 0, [](Subject& s, uint64_t i) { return s.Rename(i); }));
    return Phase(
        "unlink", [](const Subject& s) { return s.renamed(); }, 0, [](Subject& s, uint64_t i) { return s.Unlink(i); });
  }

  Status RunBigFile() {
    const Count chunks = [this](const Subject&) { return std::max<uint64_t>(1, options_.bytes / kLarge); };
    const Count written = [](const Subject& s) { return s.chunks(); };
    const Count one = [](const Subject&) { return uint64_t{1}; };
    const Count accesses = [this](const Subject&) { return options_.files; };
    const Count syncs = [this](const Subject&) { return options_.syncs; };
    SILT_RETURN_IF_ERROR(
        Phase("write 1M in order", chunks, kLarge, [](Subject& s, uint64_t i) { return s.WriteLarge(i); }));
    SILT_RETURN_IF_ERROR(Phase("fsync after it", one, 0, [](Subject& s, uint64_t) { return s.Sync(); }));
    SILT_RETURN_IF_ERROR(
        Phase("read 1M in order", written, kLarge, [](Subject& s, uint64_t i) { return s.ReadLarge(i); }));
    SILT_RETURN_IF_ERROR(
        Phase("read 4K at random", accesses, kSmall, [](Subject& s, uint64_t i) { return s.ReadAtRandom(i); }));
    SILT_RETURN_IF_ERROR(
        Phase("write 4K at random", accesses, kSmall, [](Subject& s, uint64_t) { return s.WriteAtRandom(); }));
    return Phase("write 4K and fsync", syncs, kSmall, [](Subject& s, uint64_t) { return s.WriteAndSync(); });
  }

  const BenchOptions& options_;
  const std::atomic<bool>& stop_;
  const std::function<void(const BenchRow&)>& row_;
  const std::vector<char> large_;
  std::vector<std::unique_ptr<Subject>> subjects_;
};

}  // namespace

Status RunBenchmark(const BenchOptions& options, const std::atomic<bool>& stop,
                    const std::function<void(const BenchRow&)>& row) {
  return Bench(options, stop, row).Run();
}

}  // namespace silt::mount
