#include "lsm/storage/posix_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <mutex>

#include "lsm/storage/posix_util.h"

namespace silt::lsm {
namespace {

using FileId = std::pair<dev_t, ino_t>;

// What this process holds, with the descriptions.
class LockTable {
 public:
  static LockTable& Get() {
    static LockTable table;
    return table;
  }

  // False, with the holder's description, when the file is held.
  bool Insert(const FileId& id, std::string_view description, std::string* holder) {
    std::lock_guard guard(mutex_);
    auto [at, inserted] = held_.emplace(id, description);
    if (!inserted) *holder = at->second;
    return inserted;
  }

  void Erase(const FileId& id) {
    std::lock_guard guard(mutex_);
    held_.erase(id);
  }

 private:
  std::mutex mutex_;
  std::map<FileId, std::string> held_;  // guarded by mutex_
};

// Whether the file that is open has this name.
bool HasName(int fd, int directory, const char* name) {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd, &open) == 0 && ::fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

class PosixFileLock final : public FileLock {
 public:
  // `described`: the description is in the file.
  PosixFileLock(UniqueFd fd, Place place, std::string path, FileId id, bool described)
      : fd_(std::move(fd)), place_(std::move(place)), path_(std::move(path)), id_(id), described_(described) {}
  ~PosixFileLock() override {
    // A description that outlived its holder would mislead whoever looks. If it stays, no harm is done.
    if (described_) {
      [[maybe_unused]] int ignored = ::ftruncate(fd_.get(), 0);
    }
    // The descriptor must go first: an entry that is erased lets another thread of this process try its luck.
    fd_ = UniqueFd();
    LockTable::Get().Erase(id_);
  }

  Status StillHeld() const override {
    struct stat info {};
    if (::fstatat(place_.directory(), place_.name(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      // Whatever else went wrong says nothing about the name.
      return errno == ENOENT || errno == ESTALE ? Lost() : Status::Ok();
    }
    const bool same = FileId(info.st_dev, info.st_ino) == id_;
    return same || HasName(fd_.get(), place_.directory(), place_.name()) ? Status::Ok() : Lost();
  }

 private:
  Status Lost() const {
    return Status::IoError(fmt::format("{}: was deleted or replaced, perhaps with its whole directory", path_));
  }

  UniqueFd fd_;
  Place place_;
  std::string path_;
  FileId id_;
  bool described_;
};

std::string ReadDescription(int fd) {
  std::array<char, 512> buffer{};
  ssize_t n = ::pread(fd, buffer.data(), buffer.size(), 0);
  std::string text(buffer.data(), n > 0 ? static_cast<size_t>(n) : 0);
  for (char& c : text) {
    if (c == '\n' || c == '\0') c = ' ';
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text.empty() ? "another process" : text;
}

Status Held(const std::string& path, std::string_view holder) {
  return Status::Busy(fmt::format("{}: held by {}", path, holder));
}

}  // namespace

namespace {

// nullptr: the file was replaced while it was being locked.
Result<std::unique_ptr<FileLock>> LockOnce(Place place, const std::string& path, std::string_view description,
                                           mode_t mode) {
  struct stat info {};
  auto fd = OpenRegularFile(place, path, O_RDWR | O_CREAT, mode, &info);
  if (!fd && (errno == EROFS || errno == EACCES || errno == EPERM)) {
    return Fail(Status::ReadOnly(fd.error().message()));
  }
  if (!fd) return Fail(fd.error());

  FileId id(info.st_dev, info.st_ino);
  std::string holder;
  if (!LockTable::Get().Insert(id, description, &holder)) return Fail(Held(path, holder));

  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  if (::fcntl(fd->get(), F_OFD_SETLK, &range) != 0) {
    int error = errno;
    LockTable::Get().Erase(id);
    if (error == EAGAIN || error == EACCES) return Fail(Held(path, ReadDescription(fd->get())));
    return Fail(ErrnoStatus("fcntl(F_OFD_SETLK)", path, error));
  }
  if (!HasName(fd->get(), place.directory(), place.name())) {
    *fd = UniqueFd();
    LockTable::Get().Erase(id);
    return nullptr;
  }
  // Best effort: a full disk must not keep a store from being opened. A file that has other names, too, may be
  // somebody else's: it can be locked, and is not written.
  const bool described = info.st_nlink <= 1 && ::ftruncate(fd->get(), 0) == 0;
  if (described) static_cast<void>(WriteFully(fd->get(), path, 0, description));
  return std::make_unique<PosixFileLock>(std::move(*fd), std::move(place), path, id, described);
}

}  // namespace

Result<std::unique_ptr<FileLock>> LockPosixFile(const PosixRoot& root, const std::string& path,
                                                std::string_view description, mode_t mode) {
  constexpr int kAttempts = 10;
  for (int i = 0; i < kAttempts; ++i) {
    Place place = root.Find(path).Owned();
    auto lock = LockOnce(std::move(place), path, description, mode);
    if (!lock || *lock != nullptr) return lock;
  }
  return Fail(Status::Busy(path + ": is being replaced again and again"));
}

}  // namespace silt::lsm
