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

class Bench {
 public:
  Bench(const BenchOptions& options, const std::function<void(const BenchRow&)>& row)
      : options_(options), row_(row), root_(fmt::format("{}/.siltfs-bench.{}", options.directory, ::getpid())) {
    // Random, so that compression gains nothing that real data would not.
    std::mt19937_64 random(42);
    large_.resize(kLarge);
    for (size_t i = 0; i < kLarge; i += sizeof(uint64_t)) {
      uint64_t word = random();
      std::memcpy(large_.data() + i, &word, sizeof(word));
    }
  }

  ~Bench() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  Status Run() {
    if (::mkdir(root_.c_str(), 0700) != 0) return SystemError("mkdir", root_);
    SILT_RETURN_IF_ERROR(RunSmallFiles());
    return RunOneBigFile();
  }

 private:
  using Operation = std::function<Status(uint64_t i)>;

  Status Phase(const std::string& name, uint64_t count, uint64_t bytes_each, const Operation& operation) {
    std::vector<double> micros;
    micros.reserve(count);
    auto begin = SteadyClock::now();
    for (uint64_t i = 0; i < count; ++i) {
      auto one = SteadyClock::now();
      SILT_RETURN_IF_ERROR(operation(i));
      micros.push_back(MicrosSince(one));
    }
    double seconds = MicrosSince(begin) / 1e6;
    std::sort(micros.begin(), micros.end());
    auto quantile = [&](double q) { return micros[static_cast<size_t>(q * static_cast<double>(micros.size() - 1))]; };
    row_({.name = name,
          .operations = count,
          .bytes = count * bytes_each,
          .seconds = seconds,
          .median_micros = quantile(0.5),
          .p99_micros = quantile(0.99)});
    return Status::Ok();
  }

  std::string FilePath(uint64_t i) const { return fmt::format("{}/f{}", root_, i); }

  Status WriteAt(const UniqueFd& fd, size_t size, uint64_t offset) {
    if (::pwrite(fd.get(), large_.data(), size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size)) {
      return Status::Ok();
    }
    return SystemError("write", root_);
  }

  Status CreateSmall(uint64_t i) {
    UniqueFd fd(::open(FilePath(i).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    return fd ? WriteAt(fd, kSmall, 0) : SystemError("create", FilePath(i));
  }

  Status ReadSmall(uint64_t i) {
    UniqueFd fd(::open(FilePath(i).c_str(), O_RDONLY | O_CLOEXEC));
    char buffer[kSmall];
    return fd && ::read(fd.get(), buffer, sizeof(buffer)) == kSmall ? Status::Ok() : SystemError("read", FilePath(i));
  }

  Status RunSmallFiles() {
    SILT_RETURN_IF_ERROR(Phase("create 4K file", options_.files, kSmall, [&](uint64_t i) { return CreateSmall(i); }));
    SILT_RETURN_IF_ERROR(Phase("stat", options_.files, 0, [&](uint64_t i) {
      struct stat st {};
      return ::stat(FilePath(i).c_str(), &st) == 0 ? Status::Ok() : SystemError("stat", FilePath(i));
    }));
    SILT_RETURN_IF_ERROR(
        Phase("open, read 4K, close", options_.files, kSmall, [&](uint64_t i) { return ReadSmall(i); }));
    SILT_RETURN_IF_ERROR(Phase("list the directory", 5, 0, [&](uint64_t) {
      std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(root_.c_str()), &::closedir);
      if (!dir) return SystemError("opendir", root_);
      while (::readdir(dir.get()) != nullptr) {
      }
      return Status::Ok();
    }));
    SILT_RETURN_IF_ERROR(Phase("rename", options_.files, 0, [&](uint64_t i) {
      return ::rename(FilePath(i).c_str(), (FilePath(i) + "r").c_str()) == 0 ? Status::Ok()
                                                                             : SystemError("rename", FilePath(i));
    }));
    return Phase("unlink", options_.files, 0, [&](uint64_t i) {
      return ::unlink((FilePath(i) + "r").c_str()) == 0 ? Status::Ok() : SystemError("unlink", FilePath(i));
    });
  }

  Status RunOneBigFile() {
    std::string path = root_ + "/big";
    UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (!fd) return SystemError("create", path);
    uint64_t chunks = std::max<uint64_t>(1, options_.bytes / kLarge);
    SILT_RETURN_IF_ERROR(
        Phase("write 1M in order", chunks, kLarge, [&](uint64_t i) { return WriteAt(fd, kLarge, i * kLarge); }));
    SILT_RETURN_IF_ERROR(Phase("fsync after it", 1, 0, [&](uint64_t) { return SyncFile(fd, path); }));
    // What is cached would measure memory.
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    std::vector<char> buffer(kLarge);
    SILT_RETURN_IF_ERROR(Phase("read 1M in order", chunks, kLarge, [&](uint64_t i) {
      return ::pread(fd.get(), buffer.data(), kLarge, static_cast<off_t>(i * kLarge)) == static_cast<ssize_t>(kLarge)
                 ? Status::Ok()
                 : SystemError("read", path);
    }));
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    return RunRandomAccess(fd, path, chunks * (kLarge / kSmall));
  }

  Status RunRandomAccess(const UniqueFd& fd, const std::string& path, uint64_t blocks) {
    std::mt19937_64 random(7);
    auto offset = [&] { return random() % blocks * kSmall; };
    char buffer[kSmall];
    SILT_RETURN_IF_ERROR(Phase("read 4K at random", options_.files, kSmall, [&](uint64_t) {
      return ::pread(fd.get(), buffer, kSmall, static_cast<off_t>(offset())) == kSmall ? Status::Ok()
                                                                                       : SystemError("read", path);
    }));
    SILT_RETURN_IF_ERROR(
        Phase("write 4K at random", options_.files, kSmall, [&](uint64_t) { return WriteAt(fd, kSmall, offset()); }));
    return Phase("write 4K and fsync", options_.syncs, kSmall, [&](uint64_t) {
      SILT_RETURN_IF_ERROR(WriteAt(fd, kSmall, offset()));
      return SyncFile(fd, path);
    });
  }

  static Status SyncFile(const UniqueFd& fd, const std::string& path) {
    return ::fsync(fd.get()) == 0 ? Status::Ok() : SystemError("fsync", path);
  }

  const BenchOptions& options_;
  const std::function<void(const BenchRow&)>& row_;
  std::string root_;
  std::vector<char> large_;
};

}  // namespace

Status RunBenchmark(const BenchOptions& options, const std::function<void(const BenchRow&)>& row) {
  return Bench(options, row).Run();
}

}  // namespace silt::mount
