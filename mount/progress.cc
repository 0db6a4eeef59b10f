#include "mount/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "mount/size.h"

namespace silt::mount {
namespace {

constexpr std::string_view kClearLine = "\r\033[K";
constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kPlainInterval = std::chrono::seconds(10);
constexpr int kPlainStep = 10;  // percent
constexpr size_t kCells = 20;
constexpr std::array<int, Progress::kSignals> kEndingSignals = {SIGINT, SIGTERM, SIGHUP};

std::string Time(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

// What the handler may look at; set while it is not installed.
struct Ending {
  bool clear;
  std::optional<Progress::Cancel> cancel;
};
Ending ending;

// Without another way the default action follows: SA_RESETHAND, and the signal is raised again.
void EndBySignal(int signal) {
  if (ending.clear) (void)!::write(STDERR_FILENO, kClearLine.data(), kClearLine.size());
  if (ending.cancel) {
    (void)!::write(STDERR_FILENO, ending.cancel->last_words, std::strlen(ending.cancel->last_words));
    ::_exit(ending.cancel->exit_code);
  }
  ::raise(signal);
}

size_t TerminalWidth() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::optional<ProgressStyle> ParseProgressStyle(std::string_view word) {
  if (word == "auto") return ::isatty(STDERR_FILENO) == 1 ? ProgressStyle::kBar : ProgressStyle::kNone;
  if (word == "plain") return ProgressStyle::kPlain;
  if (word == "none") return ProgressStyle::kNone;
  return std::nullopt;
}

ProgressLine DescribeProgress(uint64_t done, uint64_t total, std::chrono::duration<double> elapsed) {
  ProgressLine line;
  done = std::min(done, total);
  const double share = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
  line.percent = static_cast<int>(share * 100);
  line.detail = fmt::format("{} of {}", FormatSize(done), FormatSize(total));
  if (elapsed.count() < 0.2 || done == 0) return line;
  const double rate = static_cast<double>(done) / elapsed.count();
  line.detail += fmt::format(", {}/s, {} left", FormatSize(static_cast<uint64_t>(rate)),
                             Time(static_cast<double>(total - done) / rate));
  return line;
}

std::string ProgressBar(std::string_view label, const ProgressLine& line, size_t width) {
  const size_t filled = std::min(kCells, static_cast<size_t>(line.percent) * kCells / 100);
  std::string bar = fmt::format("{} {:3}% [{}{}] {}", label, line.percent, std::string(filled, '#'),
                                std::string(kCells - filled, '.'), line.detail);
  if (bar.size() > width) bar.resize(width);
  return bar;
}

Progress::Progress(std::string label, ProgressStyle style, std::optional<Cancel> cancel)
    : label_(std::move(label)), style_(style), cancel_(cancel) {
  if (!WatchesSignals()) return;
  ending = {.clear = style_ == ProgressStyle::kBar, .cancel = cancel_};
  struct sigaction action {};
  action.sa_handler = &EndBySignal;
  action.sa_flags = SA_RESETHAND;
  for (size_t i = 0; i < kEndingSignals.size(); ++i) {
    ::sigaction(kEndingSignals[i], nullptr, &outside_[i]);
    if (outside_[i].sa_handler != SIG_IGN) ::sigaction(kEndingSignals[i], &action, nullptr);
  }
}

Progress::~Progress() {
  if (!WatchesSignals()) return;
  if (style_ == ProgressStyle::kBar && told_percent_ >= 0) fmt::print(stderr, "{}", kClearLine);
  std::fflush(stderr);
  for (size_t i = 0; i < kEndingSignals.size(); ++i) ::sigaction(kEndingSignals[i], &outside_[i], nullptr);
}

void Progress::Update(uint64_t done, uint64_t total) {
  if (style_ == ProgressStyle::kNone || total == 0) return;
  const auto now = Clock::now();
  if (done < last_done_) begun_ = now;
  last_done_ = done;
  const ProgressLine line = DescribeProgress(done, total, now - begun_);
  const bool ended = line.percent == 100 && told_percent_ != 100;
  if (style_ == ProgressStyle::kBar) {
    if (now - told_ < kBarInterval && !ended) return;
  } else if (line.percent / kPlainStep == told_percent_ / kPlainStep && told_percent_ >= 0 &&
             (now - told_ < kPlainInterval || line.percent == 100)) {
    return;
  }
  told_ = now;
  told_percent_ = line.percent;
  Draw(line);
}

void Progress::Draw(const ProgressLine& line) {
  if (style_ == ProgressStyle::kBar) {
    // The last column stays free: some terminals wrap there.
    fmt::print(stderr, "\r{}\033[K", ProgressBar(label_, line, TerminalWidth() - 1));
  } else {
    fmt::print(stderr, "{}: {}%, {}\n", label_, line.percent, line.detail);
  }
  std::fflush(stderr);
}

}  // namespace silt::mount
