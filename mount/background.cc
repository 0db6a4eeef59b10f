#include "mount/background.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "mount/unique_fd.h"

namespace silt::mount {
namespace {

using lsm::Status;
using lsm::StatusCode;

// The report on the pipe: the status code's byte, then the message.
void SendReport(const UniqueFd& pipe, const Status& status) {
  std::string bytes(1, static_cast<char>(status.code()));
  bytes += status.message();
  for (size_t sent = 0; sent < bytes.size();) {
    ssize_t n = ::write(pipe.get(), bytes.data() + sent, bytes.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    sent += static_cast<size_t>(n);
  }
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 1024> chunk;
  for (;;) {
    ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(chunk.data(), static_cast<size_t>(got));
  }
}

Status AwaitReport(const UniqueFd& pipe) {
  std::string bytes = ReadAll(pipe.get());
  if (bytes.empty()) return Status::IoError("the daemon died while it started; see siltfs.log in the store");
  auto code = static_cast<StatusCode>(bytes[0]);
  return code == StatusCode::kOk ? Status::Ok() : Status(code, bytes.substr(1));
}

// stdin and stdout to /dev/null. stderr goes to a file in memory until the start is over.
UniqueFd RedirectStdio(UniqueFd* null) {
  *null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  UniqueFd complaints(::memfd_create("siltfs-start", MFD_CLOEXEC));
  ::dup2(null->get(), STDIN_FILENO);
  ::dup2(null->get(), STDOUT_FILENO);
  ::dup2(complaints ? complaints.get() : null->get(), STDERR_FILENO);
  return complaints;
}

std::string FlattenedContents(const UniqueFd& file) {
  ::lseek(file.get(), 0, SEEK_SET);
  std::string text = ReadAll(file.get());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

[[noreturn]] void BecomeDaemon(UniqueFd pipe, const std::function<int(const ReportStart&)>& daemon) {
  ::setsid();
  if (::chdir("/") != 0) std::_Exit(1);
  UniqueFd null;
  UniqueFd complaints = RedirectStdio(&null);
  ReportStart report = [&](const Status& status) {
    std::string heard = complaints && !status.ok() ? FlattenedContents(complaints) : std::string();
    SendReport(pipe, heard.empty() ? status : Status(status.code(), status.message() + " (" + heard + ")"));
    pipe.Reset();
    ::dup2(null.get(), STDERR_FILENO);
  };
  std::exit(daemon(report));
}

}  // namespace

Status RunInBackground(const std::function<int(const ReportStart&)>& daemon) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Status::IoError(std::string("pipe: ") + std::strerror(errno));
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  pid_t child = ::fork();
  if (child < 0) return Status::IoError(std::string("fork: ") + std::strerror(errno));
  if (child == 0) {
    read_end.Reset();
    BecomeDaemon(std::move(write_end), daemon);
  }
  write_end.Reset();
  Status status = AwaitReport(read_end);
  if (!status.ok()) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return status;
}

}  // namespace silt::mount
