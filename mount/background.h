// Becoming a daemon: fork first, start afterwards, and tell the waiting parent how it went.
#pragma once

#include <functional>

#include "lsm/status.h"

namespace silt::mount {

// Called once by the child, when it serves requests or has failed. What it wrote to stderr until then (libfuse and
// fusermount3 do) is appended to a failure.
using ReportStart = std::function<void(const lsm::Status& status)>;

// Forks. The child becomes a session of its own with / as working directory, runs `daemon` and exits with what it
// returns. The parent waits for the report and returns it; a child that dies without one is a failure.
// REQUIRES: the process has one thread.
lsm::Status RunInBackground(const std::function<int(const ReportStart&)>& daemon);

}  // namespace silt::mount
