// What the daemon tells systemd of itself (sd_notify(3), for units of Type=notify).
#pragma once

#include <string_view>

namespace silt::mount {

// Lines of NAME=VALUE, as "READY=1\nSTATUS=mounted". Sent to $NOTIFY_SOCKET; nothing happens when it is not set or nobody
// listens. Thread-safe.
void TellServiceManager(std::string_view lines);

}  // namespace silt::mount
