// One line for each thing that happens, for people.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "lsm/options.h"

namespace silt::lsm {

// Thread-safe if the sink is.
class EventLog {
 public:
  explicit EventLog(LogSink sink) : sink_(std::move(sink)) {}

  template <class... Args>
  void Info(fmt::format_string<Args...> format, Args&&... args) const {
    Write(LogLevel::kInfo, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void Warning(fmt::format_string<Args...> format, Args&&... args) const {
    Write(LogLevel::kWarning, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void Error(fmt::format_string<Args...> format, Args&&... args) const {
    Write(LogLevel::kError, format, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void Write(LogLevel level, fmt::format_string<Args...> format, Args&&... args) const {
    if (sink_) sink_(level, fmt::format(format, std::forward<Args>(args)...));
  }
  LogSink sink_;
};

}  // namespace silt::lsm
