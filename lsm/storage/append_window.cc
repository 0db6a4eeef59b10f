#include "lsm/storage/append_window.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>

namespace silt::lsm {
namespace {

// Large enough that moving on costs little for each record, small enough that the process does not seem to own the log.
constexpr uint64_t kWindow = 1 << 20;

// The window that this thread is copying into. Read by the signal handler, on the same thread.
struct Guarded {
  char* begin = nullptr;
  size_t length = 0;
  bool failed = false;
};
thread_local constinit Guarded guarded;

struct sigaction handler_before;

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((handler_before.sa_flags & SA_SIGINFO) != 0) return handler_before.sa_sigaction(signal, info, context);
  if (handler_before.sa_handler == SIG_DFL || handler_before.sa_handler == SIG_IGN) {
    ::sigaction(SIGBUS, &handler_before, nullptr);  // and the same instruction raises it again
    return;
  }
  handler_before.sa_handler(signal);
}

// Puts memory without a file in the window's place, where the copy ends in peace.
void OnBusError(int signal, siginfo_t* info, void* context) {
  const auto* at = static_cast<const char*>(info->si_addr);
  if (guarded.begin == nullptr || at < guarded.begin || at >= guarded.begin + guarded.length) {
    return PassOn(signal, info, context);
  }
  int error = errno;
  void* put =
      ::mmap(guarded.begin, guarded.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  errno = error;
  if (put == MAP_FAILED) return PassOn(signal, info, context);
  guarded.failed = true;
}

bool InstallHandler() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return ::sigaction(SIGBUS, &action, &handler_before) == 0;
  }();
  return installed;
}

}  // namespace

bool AppendWindow::Suits(int fd) {
  struct statfs info {};
  return ::fstatfs(fd, &info) == 0 && info.f_type == EXT4_SUPER_MAGIC;
}

bool AppendWindow::MoveTo(int fd, uint64_t position, size_t size, uint64_t limit) {
  uint64_t begin = position / kWindow * kWindow;
  uint64_t end = std::min(begin + kWindow, limit);
  if (unusable_ || position + size > end || !InstallHandler()) return false;
  Close();
  void* memory = ::mmap(nullptr, end - begin, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(begin));
  if (memory == MAP_FAILED) {
    unusable_ = true;
    return false;
  }
  memory_ = static_cast<char*>(memory);
  begin_ = begin;
  length_ = end - begin;
  return true;
}

bool AppendWindow::Copy(uint64_t position, std::string_view data) {
  guarded = {memory_, length_, false};
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(memory_ + (position - begin_), data.data(), data.size());
  std::atomic_signal_fence(std::memory_order_seq_cst);
  guarded.begin = nullptr;
  if (!guarded.failed) [[likely]]
    return true;
  unusable_ = true;
  Close();
  return false;
}

void AppendWindow::Close() {
  if (memory_ != nullptr) ::munmap(memory_, length_);
  memory_ = nullptr;
  begin_ = 0;
  length_ = 0;
}

}  // namespace silt::lsm
