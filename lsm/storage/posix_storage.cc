// Storage on the machine's own filesystems.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>

#include "lsm/storage/append_window.h"
#include "lsm/storage/posix_lock.h"
#include "lsm/storage/posix_place.h"
#include "lsm/storage/posix_util.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {
namespace {

// Files hold what users keep private: nobody but the owner may look.
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirMode = 0700;
constexpr uint64_t kPageSize = 4096;

// Appends up to this size go through a window of the file. Beyond it the copy and the page faults (some 2 us a page)
// cost more than the system call that they save.
constexpr size_t kLargestThroughWindow = 1024;
// So many appends without a Sync make a window worth its page faults, which come again for each page that a sync wrote.
constexpr uint32_t kAppendsBeforeWindow = 16;
// What is written by one call may become one folio of the page cache, and each later write into a folio, when the log
// is used again, walks over all of its blocks: 1.3 us for a MiB, 0.4 for 64 KiB.
constexpr uint64_t kWriteStep = 128 << 10;

int AdviceOf(AccessPattern pattern) {
  switch (pattern) {
    case AccessPattern::kNormal:
      return POSIX_FADV_NORMAL;
    case AccessPattern::kRandom:
      return POSIX_FADV_RANDOM;
    case AccessPattern::kSequential:
      return POSIX_FADV_SEQUENTIAL;
    case AccessPattern::kDontNeed:
      return POSIX_FADV_DONTNEED;
  }
  return POSIX_FADV_NORMAL;
}

Status SyncDescriptor(int fd, const std::string& path) {
  while (::fdatasync(fd) != 0) {
    if (errno != EINTR) return ErrnoStatus("fdatasync", path, errno);
  }
  return Status::Ok();
}

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(UniqueFd fd, std::string path, uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  Result<size_t> Read(uint64_t offset, std::span<char> out) const override {
    size_t done = 0;
    while (done < out.size()) {
      ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n == 0) break;
      if (n < 0) {
        if (errno == EINTR) continue;
        return Fail(ErrnoStatus("pread", path_, errno));
      }
      done += static_cast<size_t>(n);
    }
    return done;
  }

  uint64_t Size() const override { return size_; }

  void Advise(uint64_t offset, uint64_t length, AccessPattern pattern) const override {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length), AdviceOf(pattern));
  }

  void Prefetch(uint64_t offset, uint64_t length) const override {
    ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
  }

 private:
  UniqueFd fd_;
  std::string path_;
  uint64_t size_;
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status Append(std::string_view data) override {
    uint64_t position = position_.load(std::memory_order_relaxed);
    if (!StoreInWindow(position, data)) SILT_RETURN_IF_ERROR(WriteFully(fd_.get(), path_, position, data));
    position_.store(position + data.size(), std::memory_order_release);
    return Status::Ok();
  }

  Status AppendPieces(std::span<const std::string_view> pieces) override {
    uint64_t position = position_.load(std::memory_order_relaxed);
    SILT_RETURN_IF_ERROR(WritePieces(fd_.get(), path_, position, pieces, kWriteStep));
    for (std::string_view piece : pieces) position += piece.size();
    position_.store(position, std::memory_order_release);
    return Status::Ok();
  }

  Status Sync() override {
    appends_since_sync_.store(0, std::memory_order_relaxed);
    return SyncDescriptor(fd_.get(), path_);
  }

  // Only SYNC_FILE_RANGE_WRITE: the waiting flags would consume a write-back error that the next Sync must report.
  void StartWriteback(uint64_t offset) override {
    offset = std::min(offset, Position()) / kPageSize * kPageSize;  // a partial page would be written twice
    if (offset <= writeback_) return;
    ::sync_file_range(fd_.get(), static_cast<off_t>(writeback_), static_cast<off_t>(offset - writeback_),
                      SYNC_FILE_RANGE_WRITE);
    writeback_ = offset;
  }

  Status Truncate(uint64_t size) override {
    window_.Close();
    owned_ = std::min(owned_, size);
    while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      if (errno != EINTR) return ErrnoStatus("ftruncate", path_, errno);
    }
    position_.store(size, std::memory_order_release);
    writeback_ = std::min(writeback_, size);
    return Status::Ok();
  }

  Status Preallocate(uint64_t size) override {
    if (size == 0) return Status::Ok();
    while (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) != 0) {
      if (errno == EINTR) continue;
      if (errno == EOPNOTSUPP) return FillWithZeros(size);
      return ErrnoStatus("fallocate", path_, errno);
    }
    if (AppendWindow::Suits(fd_.get())) owned_ = size;
    return Status::Ok();
  }

  // Of a file that was written before.
  void FindOwned() {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0 || !AppendWindow::Suits(fd_.get())) return;
    auto size = static_cast<uint64_t>(info.st_size);
    if (static_cast<uint64_t>(info.st_blocks) * 512 >= size) owned_ = size;  // else it has holes
  }

  Status WriteZeros(uint64_t begin, uint64_t end) override {
    static constexpr std::array<char, kWriteStep> kZeros{};
    while (begin < end) {
      auto n = static_cast<size_t>(std::min<uint64_t>(kZeros.size(), end - begin));
      SILT_RETURN_IF_ERROR(WriteFully(fd_.get(), path_, begin, {kZeros.data(), n}));
      begin += n;
    }
    return Status::Ok();
  }

  uint64_t Position() const override { return position_.load(std::memory_order_acquire); }

  Status Close() override {
    window_.Close();
    int fd = fd_.release();
    // Linux gives the descriptor back even when close is interrupted.
    if (fd < 0 || ::close(fd) == 0 || errno == EINTR) return Status::Ok();
    return ErrnoStatus("close", path_, errno);
  }

 private:
  // For filesystems without fallocate. Writing is the only way to own the space there; since logs are recycled it is
  // paid once a file.
  Status FillWithZeros(uint64_t size) {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return ErrnoStatus("fstat", path_, errno);
    return WriteZeros(static_cast<uint64_t>(info.st_size), size);
  }

  bool StoreInWindow(uint64_t position, std::string_view data) {
    if (data.size() > kLargestThroughWindow || position + data.size() > owned_) return false;
    uint32_t appends = appends_since_sync_.load(std::memory_order_relaxed);
    if (appends < kAppendsBeforeWindow) {
      appends_since_sync_.store(appends + 1, std::memory_order_relaxed);  // a Sync meanwhile may go uncounted
      return false;
    }
    return window_.Store(fd_.get(), position, data, owned_);
  }

  UniqueFd fd_;
  std::string path_;
  std::atomic<uint64_t> position_{0};
  uint64_t writeback_ = 0;  // write-back was started below this offset
  uint64_t owned_ = 0;      // the file has its blocks below this offset, and windows suit it
  AppendWindow window_;
  std::atomic<uint32_t> appends_since_sync_{0};
};

class PosixStorage final : public Storage, public std::enable_shared_from_this<PosixStorage> {
 public:
  PosixStorage() = default;
  PosixStorage(UniqueFd directory, const std::string& path) : root_(std::move(directory), path) {}

  // A file that has the name already is not touched: it may have other names, and they may be of somebody else's.
  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override {
    constexpr int kAttempts = 3;  // against somebody who makes the name again and again
    Place place = root_.Find(path);
    auto fd = OpenRegularFile(place, path, O_RDWR | O_CREAT | O_EXCL, kFileMode);
    for (int i = 0; i < kAttempts && !fd && errno == EEXIST; ++i) {
      if (::unlinkat(place.directory(), place.name(), 0) != 0 && errno != ENOENT) {
        return Fail(ErrnoStatus("unlink", path, errno));
      }
      fd = OpenRegularFile(place, path, O_RDWR | O_CREAT | O_EXCL, kFileMode);
    }
    if (!fd && root_.WasDeleted()) return Fail(WasDeleted(path));
    if (!fd) return Fail(fd.error());
    return std::make_unique<PosixWritableFile>(std::move(*fd), path);
  }

  Result<std::unique_ptr<WritableFile>> ReuseWritableFile(const std::string& old_path,
                                                          const std::string& path) override {
    struct stat info {};
    auto fd = OpenRegularFile(root_.Find(old_path), old_path, O_RDWR, 0, &info);
    if (!fd) return Fail(fd.error());
    if (info.st_nlink > 1) {
      return Fail(Status::IoError(
          fmt::format("{}: has {} names (hard links), so that it must not be overwritten", old_path, info.st_nlink)));
    }
    if (auto status = RenameFile(old_path, path); !status.ok()) return Fail(std::move(status));
    auto file = std::make_unique<PosixWritableFile>(std::move(*fd), path);
    file->FindOwned();
    return file;
  }

  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override {
    struct stat info {};
    auto fd = OpenRegularFile(root_.Find(path), path, O_RDONLY, 0, &info);
    if (!fd) return Fail(fd.error());
    return std::make_unique<PosixRandomAccessFile>(std::move(*fd), path, static_cast<uint64_t>(info.st_size));
  }

  Status SyncFile(const std::string& path) override {
    auto fd = OpenRegularFile(root_.Find(path), path, O_RDONLY);
    if (!fd) return fd.error();
    return SyncDescriptor(fd->get(), path);
  }

  Status DeleteFile(const std::string& path) override {
    Place place = root_.Find(path);
    bool deleted = place && ::unlinkat(place.directory(), place.name(), 0) == 0;
    return deleted ? Status::Ok() : ErrnoStatus("unlink", path, errno);
  }

  Status RenameFile(const std::string& from, const std::string& to) override {
    Place old_place = root_.Find(from);
    Place place = old_place ? root_.Find(to) : Place();
    bool renamed = place && ::renameat(old_place.directory(), old_place.name(), place.directory(), place.name()) == 0;
    return renamed ? Status::Ok() : ErrnoStatus("rename", from + " to " + to, errno);
  }

  Status LinkFile(const std::string& from, const std::string& to) override {
    Place old_place = root_.Find(from);
    Place place = old_place ? root_.Find(to) : Place();
    bool linked = place && ::linkat(old_place.directory(), old_place.name(), place.directory(), place.name(), 0) == 0;
    return linked ? Status::Ok() : ErrnoStatus("link", from + " to " + to, errno);
  }

  Status CreateDir(const std::string& path) override {
    Place place = root_.Find(path);
    if (place && ::mkdirat(place.directory(), place.name(), kDirMode) == 0) return Status::Ok();
    int error = errno;
    if (error == EEXIST && root_.OpenDirectory(path, O_PATH)) return Status::Ok();
    return ErrnoStatus("mkdir", path, error);
  }

  Status SyncDir(const std::string& path) override {
    UniqueFd fd = root_.OpenDirectory(path, O_RDONLY);
    if (!fd) return ErrnoStatus("open", path, errno);
    while (::fsync(fd.get()) != 0) {
      if (errno == EINVAL) break;  // a filesystem that has no such thing, and keeps names by other means
      if (errno != EINTR) return ErrnoStatus("fsync", path, errno);
    }
    return Status::Ok();
  }

  Result<std::vector<std::string>> ListDir(const std::string& path) override {
    UniqueFd fd = root_.OpenDirectory(path, O_RDONLY);
    std::unique_ptr<DIR, int (*)(DIR*)> dir(fd ? ::fdopendir(fd.get()) : nullptr, ::closedir);
    if (!dir) return Fail(ErrnoStatus("opendir", path, errno));
    fd.release();  // the stream has it
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) break;
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return Fail(ErrnoStatus("readdir", path, errno));
    return names;
  }

  bool FileExists(const std::string& path) override {
    struct stat info {};
    Place place = root_.Find(path);
    return place && ::fstatat(place.directory(), place.name(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  }

  Result<uint64_t> FileSize(const std::string& path) override {
    struct stat info {};
    Place place = root_.Find(path);
    if (!place || ::fstatat(place.directory(), place.name(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return Fail(ErrnoStatus("stat", path, errno));
    }
    if (!S_ISREG(info.st_mode)) return Fail(NotRegular(path, info.st_mode));
    return static_cast<uint64_t>(info.st_size);
  }

  Result<SpaceInfo> Space(const std::string& path) override {
    struct statvfs info {};
    const bool is_root = root_.IsBound() && path == root_.path();
    while ((is_root ? ::fstatvfs(root_.descriptor(), &info) : ::statvfs(path.c_str(), &info)) != 0) {
      if (errno != EINTR) return Fail(ErrnoStatus("statvfs", path, errno));
    }
    // What a filesystem answers that has no such call.
    if (info.f_blocks == 0) {
      return Fail(Status::NotSupported(path + ": the filesystem does not say how much space it has"));
    }
    uint64_t unit = info.f_frsize;
    return SpaceInfo{.total_bytes = info.f_blocks * unit, .free_bytes = info.f_bavail * unit};
  }

  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, std::string_view description) override {
    return LockPosixFile(root_, path, description, kFileMode);
  }

  Result<std::shared_ptr<Storage>> OpenDirectory(const std::string& path) override {
    if (root_.IsBound() && path == root_.path()) return std::shared_ptr<Storage>(shared_from_this());
    UniqueFd fd = root_.OpenDirectory(path, O_PATH);
    if (!fd) return Fail(ErrnoStatus("open", path, errno));
    return std::shared_ptr<Storage>(std::make_shared<PosixStorage>(std::move(fd), path));
  }

 private:
  static Status WasDeleted(const std::string& path) {
    return Status::IoError(fmt::format("{}: the directory of the store was deleted", path));
  }

  PosixRoot root_;
};

}  // namespace

Storage* Storage::Posix() {
  static PosixStorage storage;
  return &storage;
}

Result<std::shared_ptr<Storage>> Storage::PosixDirectory(int directory, const std::string& path) {
  UniqueFd fd(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!fd) return Fail(ErrnoStatus("dup", path, errno));
  return std::shared_ptr<Storage>(std::make_shared<PosixStorage>(std::move(fd), path));
}

}  // namespace silt::lsm
