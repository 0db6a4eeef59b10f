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

class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(UniqueFd fd, FileId id) : fd_(std::move(fd)), id_(id) {}
  ~PosixFileLock() override {
    // A description that outlived its holder would mislead whoever looks. If it stays, no harm is done.
    [[maybe_unused]] int ignored = ::ftruncate(fd_.get(), 0);
    // The descriptor must go first: an entry that is erased lets another thread of this process try its luck.
    fd_ = UniqueFd();
    LockTable::Get().Erase(id_);
  }

 private:
  UniqueFd fd_;
  FileId id_;
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

Result<std::unique_ptr<FileLock>> LockPosixFile(const std::string& path, std::string_view description, mode_t mode) {
  UniqueFd fd = OpenRetry(path, O_RDWR | O_CREAT, mode);
  if (!fd) return Fail(ErrnoStatus("open", path, errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Fail(ErrnoStatus("fstat", path, errno));

  FileId id(info.st_dev, info.st_ino);
  std::string holder;
  if (!LockTable::Get().Insert(id, description, &holder)) return Fail(Held(path, holder));

  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_SETLK, &range) != 0) {
    int error = errno;
    LockTable::Get().Erase(id);
    if (error == EAGAIN || error == EACCES) return Fail(Held(path, ReadDescription(fd.get())));
    return Fail(ErrnoStatus("fcntl(F_OFD_SETLK)", path, error));
  }
  // Best effort: a full disk must not keep a store from being opened.
  if (::ftruncate(fd.get(), 0) == 0) static_cast<void>(WriteFully(fd.get(), path, 0, description));
  return std::make_unique<PosixFileLock>(std::move(fd), id);
}

}  // namespace silt::lsm
