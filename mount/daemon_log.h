// The daemon's log, STORE/siltfs.log: rotated at a few MiB, flushed on warnings, never in the way of a mount.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "lsm/options.h"

namespace silt::mount {

inline constexpr std::string_view kLogName = "siltfs.log";

// The log of the store whose directory this descriptor is. Where it cannot be written (a read-only medium) the log goes
// nowhere. In the foreground warnings and errors
// also appear on stderr. Thread-safe.
std::shared_ptr<spdlog::logger> OpenDaemonLog(int store_directory, const std::string& level, bool foreground);

// What the engine writes its event log to.
lsm::LogSink SinkTo(std::shared_ptr<spdlog::logger> log);

}  // namespace silt::mount
