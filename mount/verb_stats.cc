// siltfs stats
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <thread>

#include "mount/cli.h"
#include "mount/observe/stats_watch.h"
#include "mount/open_store.h"
#include "mount/stats_report.h"
#include "mount/terminal_view.h"

namespace silt::mount {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr double kDefaultInterval = 2;

lsm::Result<json> StatsOfUnmounted(const std::string& store) {
  auto db = OpenEngine(store, Access::kReadOnly, "stats");
  if (!db) return Fail(db.error());
  return StatsJson((*db)->GetStats(), nullptr, nullptr);
}

// Asks again and again and shows what happened in between.
class Watch {
 public:
  Watch(std::string path, double interval, bool as_json)
      : path_(std::move(path)), interval_(interval), as_json_(as_json) {}

  int Run() {
    if (int exit_code = Ask(); exit_code != kExitOk) return exit_code;
    const bool on_terminal = !as_json_ && ::isatty(STDOUT_FILENO) == 1;
    return on_terminal ? RunOnTerminal() : RunInLines();
  }

 private:
  // On failure the terminal must be as it was before anything is said.
  int Ask(std::optional<TerminalView>* view = nullptr) {
    VerbCall call{.verb = "stats", .path = path_, .request = {{"verb", "stats"}}, .on_event = {}, .direct = {}, .show = {}};
    call.direct = &StatsOfUnmounted;
    call.failing = [&] {
      if (view != nullptr) view->reset();
    };
    call.show = [&](const json& stats) {
      before_ = std::move(now_);
      before_at_ = now_at_;
      now_ = stats;
      now_at_ = Clock::now();
      return kExitOk;
    };
    return Call(call);
  }

  double Elapsed() const { return std::chrono::duration<double>(now_at_ - before_at_).count(); }

  // One JSON object a line, or a block of text for each interval.
  int RunInLines() {
    if (as_json_) Print(now_.dump() + "\n");
    for (;;) {
      std::this_thread::sleep_until(now_at_ + std::chrono::duration_cast<Clock::duration>(interval_));
      if (int exit_code = Ask(); exit_code != kExitOk) return exit_code;
      Print(as_json_ ? now_.dump() + "\n" : WatchText(before_, now_, Elapsed(), 0, 0) + "\n");
    }
  }

  static void Print(const std::string& text) {
    fmt::print("{}", text);
    std::fflush(stdout);
  }

  int RunOnTerminal() {
    std::optional<TerminalView> view(std::in_place);
    Clock::time_point next = now_at_ + std::chrono::duration_cast<Clock::duration>(interval_);
    for (;;) {
      Draw(&*view);
      const TerminalView::Event event = view->Wait(next);
      if (event == TerminalView::Event::kQuit) return kExitOk;
      if (event == TerminalView::Event::kResized) continue;
      if (int exit_code = Ask(&view); exit_code != kExitOk) return exit_code;
      next = now_at_ + std::chrono::duration_cast<Clock::duration>(interval_);
    }
  }

  void Draw(TerminalView* view) const {
    const TerminalView::Size size = view->size();
    std::string title = fmt::format("siltfs stats {}  every {:g} s, q ends", path_, interval_.count());
    title.resize(std::min(title.size(), size.width));
    // The last row stays free: a line end there would scroll.
    const size_t rows = size.height > 3 ? size.height - 3 : 1;
    view->Show(title + "\n\n" +
               (before_.is_null() ? "..." : WatchText(before_, now_, Elapsed(), size.width, rows)));
  }

  const std::string path_;
  const std::chrono::duration<double> interval_;
  const bool as_json_;
  json before_, now_;
  Clock::time_point before_at_, now_at_;
};

int ShowOnce(const std::string& path, bool as_json) {
  VerbCall call{.verb = "stats", .path = path, .request = {{"verb", "stats"}}, .on_event = {}, .direct = {}, .show = {}};
  call.direct = &StatsOfUnmounted;
  call.show = [&](const json& stats) {
    fmt::print("{}", as_json ? stats.dump(2) + "\n" : StatsText(stats));
    return kExitOk;
  };
  return Call(call);
}

bool ToSeconds(const std::string& word, double* seconds) {
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *seconds);
  return error == std::errc() && end == word.data() + word.size();
}

// "--watch 5" as "--watch=5": a flag's value stands behind an equals sign, and the word behind "--watch" may be a path.
Words JoinWatch(const Words& words) {
  Words joined;
  for (size_t i = 0; i < words.size(); ++i) {
    double seconds = 0;
    const bool has_interval = words[i] == "--watch" && i + 1 < words.size() && ToSeconds(words[i + 1], &seconds);
    joined.push_back(has_interval ? "--watch=" + words[++i] : words[i]);
  }
  return joined;
}

}  // namespace

int RunStats(const Words& words) {
  std::string path;
  bool as_json = false;
  std::string watch;
  std::optional<double> interval;
  CLI::App app("Shows the engine's levels and counters, and the requests served; counted since the store was opened.",
               "siltfs stats");
  app.add_option("STORE|MOUNTPOINT", path, "the store, or where it is mounted")->required();
  app.add_flag("--json", as_json, "as one JSON object; with --watch one a line");
  app.add_flag(fmt::format("--watch{{{:g}}}", kDefaultInterval), watch,
               "--watch [SECONDS]: what happens now: operations per second and how long they take, cache, log, "
               "compactions; every 2 seconds unless told, until q or ^C")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--interval", interval, "the same as --watch SECONDS")->check(CLI::Range(0.1, 3600.0));
  app.footer(
      "Examples:\n  siltfs stats /mnt\n  siltfs stats --watch /mnt\n  siltfs stats --watch 5 /mnt\n"
      "  siltfs stats --json /mnt | jq .engine");
  if (auto exit_code = ParseArguments(app, "stats", JoinWatch(words))) return *exit_code;
  if (watch.empty()) return ShowOnce(path, as_json);
  double seconds = kDefaultInterval;
  ToSeconds(watch, &seconds);
  return Watch(path, interval.value_or(seconds), as_json).Run();
}

}  // namespace silt::mount
