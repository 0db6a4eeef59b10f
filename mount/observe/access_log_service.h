// What is asked of the access log: over the control socket, and through .siltfs.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "lsm/status.h"
#include "mount/observe/request_observer.h"

namespace silt::mount {

// {"verb":"accesslog","action":A}. "on" and "off" switch it, "show" emits what it holds, "tail" what comes from now on,
// until the answer is unwanted; it then runs for that long even when it is off. Lines are {"line":"..."}, and
// {"dropped":N} stands for N that came too fast for the reader. The result: {"on":B,"lines":N,"dropped":N}.
lsm::Result<nlohmann::json> ServeAccessLog(const nlohmann::json& request, RequestObserver* observer,
                                           const std::function<void(const nlohmann::json&)>& emit,
                                           const std::function<bool()>& unwanted);

// The last lines, newest last; when the log is off, a line first that says how to switch it on.
std::string AccessLogText(RequestObserver* observer, const std::string& mountpoint);

}  // namespace silt::mount
