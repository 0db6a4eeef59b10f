#include "mount/terminal_view.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>

namespace silt::mount {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
constexpr std::string_view kEnter = "\033[?1049h\033[?25l";  // the other screen, no cursor
constexpr std::string_view kLeave = "\033[?25h\033[?1049l";

// Set by handlers, which run only inside ppoll.
volatile std::sig_atomic_t g_quit = 0;
volatile std::sig_atomic_t g_resized = 0;

void OnSignal(int signal) {
  (signal == SIGWINCH ? g_resized : g_quit) = 1;
}

void Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

TerminalView::TerminalView() {
  g_quit = 0;
  g_resized = 0;
  sigset_t blocked;
  sigemptyset(&blocked);
  struct sigaction action {};
  action.sa_handler = &OnSignal;
  for (int signal : kSignals) {
    sigaddset(&blocked, signal);
    ::sigaction(signal, &action, nullptr);
  }
  ::sigprocmask(SIG_BLOCK, &blocked, &outside_);
  termios now{};
  if (::tcgetattr(STDIN_FILENO, &now) == 0) {
    saved_ = now;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    now.c_cc[VSUSP] = _POSIX_VDISABLE;  // a stopped view would leave the terminal as it is
    ::tcsetattr(STDIN_FILENO, TCSANOW, &now);
  }
  Write(kEnter);
}

TerminalView::~TerminalView() {
  Write(kLeave);
  if (saved_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
  for (int signal : kSignals) ::signal(signal, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &outside_, nullptr);
}

TerminalView::Size TerminalView::size() const {
  winsize found{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0) return {};
  return {.width = found.ws_col, .height = found.ws_row};
}

void TerminalView::Show(const std::string& text) {
  std::string bytes = "\033[H";
  for (char c : text) {
    if (c == '\n') {
      bytes += "\033[K\n";
    } else {
      bytes.push_back(c);
    }
  }
  Write(bytes + "\033[J");
}

TerminalView::Event TerminalView::Wait(Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Clock::now()).count();
    if (left <= 0) return Event::kTime;
    const timespec limit{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    pollfd keys{saved_ ? STDIN_FILENO : -1, POLLIN, 0};
    const int ready = ::ppoll(&keys, 1, &limit, &outside_);
    if (g_quit != 0) return Event::kQuit;
    if (g_resized != 0) {
      g_resized = 0;
      return Event::kResized;
    }
    if (ready != 1) continue;
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q') return Event::kQuit;
  }
}

}  // namespace silt::mount
