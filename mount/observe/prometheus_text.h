// The statistics in Prometheus's text exposition format, version 0.0.4.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "lsm/stats.h"
#include "mount/observe/request_latencies.h"

namespace silt::mount {

// `status` is StatusJson's of a mounted store. Names and labels are stable. Sizes are bytes, times seconds.
std::string PrometheusText(const nlohmann::json& status, const lsm::DbStats& stats, const RequestCounters& requests,
                           const RequestLatencies& latencies);

}  // namespace silt::mount
