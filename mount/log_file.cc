#include "mount/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "lsm/storage/posix_place.h"

namespace silt::mount {

std::shared_ptr<LogFile> LogFile::Open(int directory, const std::string& name, size_t max_bytes, size_t old_files) {
  UniqueFd own(::fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!own) return nullptr;
  std::shared_ptr<LogFile> log(new LogFile(std::move(own), name, max_bytes, old_files));
  if (!log->OpenFile()) return nullptr;
  if (log->size_ >= max_bytes) log->Rotate();
  return log;
}

bool LogFile::OpenFile() {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT;
  constexpr mode_t kMode = 0600;
  struct stat info {};
  const lsm::Place place(directory_.get(), name_);
  auto file = lsm::OpenRegularFile(place, name_, kFlags, kMode, &info);
  if (!file || info.st_nlink > 1) {
    struct stat named {};
    if (::fstatat(directory_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return false;
    const bool ours = S_ISREG(named.st_mode) && named.st_nlink <= 1;  // only not to be written
    if (ours || ::unlinkat(directory_.get(), name_.c_str(), 0) != 0) return false;
    file = lsm::OpenRegularFile(place, name_, kFlags | O_EXCL, kMode, &info);
  }
  if (!file) return false;
  file_ = UniqueFd(file->release());
  size_ = static_cast<size_t>(info.st_size);
  return true;
}

void LogFile::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (size_ > 0 && size_ + line.size() > max_bytes_) Rotate();
  const char* at = line.data();
  size_t left = line.size();
  while (left > 0 && file_) {
    ssize_t written = ::write(file_.get(), at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // a full disk: the line is lost
    at += written;
    left -= static_cast<size_t>(written);
    size_ += static_cast<size_t>(written);
  }
}

std::string LogFile::NameOf(size_t old) const {
  if (old == 0) return name_;
  size_t dot = name_.rfind('.');
  return fmt::format("{}.{}{}", name_.substr(0, dot), old, dot == std::string::npos ? "" : name_.substr(dot));
}

void LogFile::Rotate() {
  for (size_t old = old_files_; old > 0; --old) {
    ::renameat(directory_.get(), NameOf(old - 1).c_str(), directory_.get(), NameOf(old).c_str());
  }
  if (!OpenFile()) size_ = 0;  // the old file is written on
}

}  // namespace silt::mount
