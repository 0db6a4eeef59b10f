// What happened between two answers of the stats verb, for people: `siltfs stats --watch`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace silt::mount {

// `before` and `now`: StatsJson's of the same mount, `seconds` apart. Busiest operations first. Lines are no longer than
// `width`, and there are `height` at most; 0 for either: as many as there is to say.
std::string WatchText(const nlohmann::json& before, const nlohmann::json& now, double seconds, size_t width,
                      size_t height);

}  // namespace silt::mount
