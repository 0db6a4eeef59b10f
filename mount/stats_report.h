// What `siltfs stats` shows: the engine's counters and levels and the requests served, as one JSON object and as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "lsm/stats.h"
#include "mount/request_counters.h"

namespace silt::mount {

// `requests` is null for a store that is not mounted. Keys are stable. Counters are since the store was opened.
nlohmann::json StatsJson(const lsm::DbStats& stats, const RequestCounters* requests);
std::string StatsText(const nlohmann::json& stats);

}  // namespace silt::mount
