// How far long work has come, on stderr: a bar on a terminal, lines where asked for, nothing in a pipe.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace silt::mount {

enum class ProgressStyle {
  kNone,
  kBar,    // one line that is rewritten in place
  kPlain,  // a line now and then
};

// "auto": a bar where stderr is a terminal, else nothing. nullopt for a word that is none of them.
std::optional<ProgressStyle> ParseProgressStyle(std::string_view word);
inline constexpr const char* kProgressHelp = "auto: a bar if stderr is a terminal; plain: lines; none";

// What the bar and the lines say; without the bar's own cells. `elapsed`: since the work began.
struct ProgressLine {
  int percent = 0;
  std::string detail;  // "1.0 GiB of 4.0 GiB, 512.0 MiB/s, 6 s left"
};
ProgressLine DescribeProgress(uint64_t done, uint64_t total, std::chrono::duration<double> elapsed);
// "scrub  25% [#####...............] 1.0 GiB of ...", no longer than `width`.
std::string ProgressBar(std::string_view label, const ProgressLine& line, size_t width);

// Not thread-safe, and one at a time. When a signal ends the process, a bar is cleared first.
class Progress {
 public:
  // How a signal ends the process instead of in its own way: at once, so that this is for work that may end at any
  // moment.
  struct Cancel {
    int exit_code;
    const char* last_words;  // on stderr; static
  };
  Progress(std::string label, ProgressStyle style, std::optional<Cancel> cancel = std::nullopt);
  ~Progress();  // clears the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  static constexpr size_t kSignals = 3;  // that are watched

  // Bytes; total 0 when it is not known yet. `done` may begin anew when another pass begins.
  void Update(uint64_t done, uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  bool WatchesSignals() const { return style_ == ProgressStyle::kBar || cancel_; }
  void Draw(const ProgressLine& line);

  std::array<struct sigaction, kSignals> outside_{};  // what signals did before

  const std::string label_;
  const ProgressStyle style_;
  const std::optional<Cancel> cancel_;
  Clock::time_point begun_ = Clock::now();
  Clock::time_point told_{};
  uint64_t last_done_ = 0;
  int told_percent_ = -1;
};

}  // namespace silt::mount
