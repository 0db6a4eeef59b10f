// What `siltfs stats` shows: the engine's counters and levels and the requests served, as one JSON object and as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "lsm/stats.h"
#include "mount/observe/request_latencies.h"
#include "mount/request_counters.h"

namespace silt::mount {

// `requests` and `latencies` are null for a store that is not mounted. Keys are stable. Counters are since the store was
// opened. A latency's buckets are [upper edge in nanoseconds, count], empty ones left out.
nlohmann::json StatsJson(const lsm::DbStats& stats, const RequestCounters* requests, const RequestLatencies* latencies);
std::string StatsText(const nlohmann::json& stats);

}  // namespace silt::mount
