// A screen of a terminal that is drawn again and again, until the user has seen enough.
#pragma once

#include <termios.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace silt::mount {

// One at a time in a process. From construction to destruction the terminal's other screen is shown, without echo or
// cursor, and SIGINT, SIGTERM, SIGHUP end the view instead of the process: whatever happens the terminal is as before.
class TerminalView {
 public:
  // REQUIRES: stdout is a terminal. Keys are read from stdin if that is one, too.
  TerminalView();
  ~TerminalView();
  TerminalView(const TerminalView&) = delete;
  TerminalView& operator=(const TerminalView&) = delete;

  struct Size {
    size_t width = 80, height = 24;
  };
  Size size() const;
  // Replaces what is shown. Lines end with \n and are no longer than the screen is wide.
  void Show(const std::string& text);

  enum class Event { kTime, kResized, kQuit };
  // Until the time has come, the terminal has another size, or the user typed q or ^C.
  Event Wait(std::chrono::steady_clock::time_point until);

 private:
  std::optional<termios> saved_;
  sigset_t outside_;
};

}  // namespace silt::mount
