#include "mount/stats_report.h"

#include <fmt/format.h>

#include "mount/size.h"

namespace silt::mount {
namespace {

using nlohmann::json;

json LevelJson(size_t level, const lsm::LevelStats& stats) {
  return {{"level", level},
          {"files", stats.files},
          {"bytes", stats.bytes},
          {"raw_bytes", stats.raw_bytes},
          {"entries", stats.entries},
          {"tombstones", stats.tombstones},
          {"compactions", stats.compactions},
          {"trivial_moves", stats.trivial_moves},
          {"bytes_read", stats.bytes_read},
          {"bytes_written", stats.bytes_written},
          {"micros", stats.micros}};
}

json FamilyJson(const lsm::FamilyStats& family) {
  json levels = json::array();
  for (size_t level = 0; level < family.levels.size(); ++level)
    levels.push_back(LevelJson(level, family.levels[level]));
  return {{"name", family.name}, {"levels", std::move(levels)}};
}

json EngineJson(const lsm::DbStats& stats) {
  return {{"last_sequence", stats.last_sequence},
          {"durable_sequence", stats.durable_sequence},
          {"memtable_bytes", stats.memtable_bytes},
          {"immutable_memtables", stats.immutable_memtables},
          {"block_cache_bytes", stats.block_cache_bytes},
          {"block_cache_hits", stats.block_cache_hits},
          {"block_cache_misses", stats.block_cache_misses},
          {"open_tables", stats.open_tables},
          {"wal_files", stats.wal_files},
          {"wal_bytes", stats.wal_bytes},
          {"wal_syncs", stats.wal_syncs},
          {"sync_requests", stats.sync_requests},
          {"batches", stats.batches},
          {"write_groups", stats.write_groups},
          {"user_bytes", stats.user_bytes},
          {"write_delay_count", stats.write_delay_count},
          {"write_delay_micros", stats.write_delay_micros},
          {"stall_count", stats.stall_count},
          {"stall_micros", stats.stall_micros},
          {"flushes", stats.flushes},
          {"l0_runs", stats.l0_runs},
          {"pending_compaction_bytes", stats.pending_compaction_bytes},
          {"merged_bytes", stats.merged_bytes},
          {"gets", stats.gets},
          {"filter_negatives", stats.filter_negatives},
          {"corruptions", stats.corruptions},
          {"snapshots", stats.snapshots},
          {"ballast_bytes", stats.ballast_bytes},
          {"oldest_pin_seconds", stats.oldest_pin_seconds},
          {"files_deleted_whole", stats.files_deleted_whole},
          {"background_error", stats.background_error},
          {"background_error_text", stats.background_error_text}};
}

// Bytes that reached the disk for each byte that was written by the user; null before anything was written.
json WriteAmplification(const lsm::DbStats& stats) {
  if (stats.user_bytes == 0) return nullptr;
  uint64_t written = stats.wal_bytes;
  for (const lsm::FamilyStats& family : stats.families) {
    for (const lsm::LevelStats& level : family.levels) written += level.bytes_written;
  }
  return static_cast<double>(written) / static_cast<double>(stats.user_bytes);
}

json LatencyJson(const LatencySnapshot& latency) {
  json buckets = json::array();
  for (size_t bucket = 0; bucket < latency.counts.size(); ++bucket) {
    if (latency.counts[bucket] == 0) continue;
    buckets.push_back({LatencyBuckets::UpperNanos(bucket), latency.counts[bucket]});
  }
  const uint64_t count = latency.Count();
  return {{"count", count},
          {"mean_micros", static_cast<double>(latency.sum_nanos) / static_cast<double>(count) / 1000},
          {"p50_micros", latency.QuantileMicros(0.5)},
          {"p99_micros", latency.QuantileMicros(0.99)},
          {"p999_micros", latency.QuantileMicros(0.999)},
          {"sum_nanos", latency.sum_nanos},
          {"buckets", std::move(buckets)}};
}

// Of the kinds that have occurred.
json LatenciesJson(const RequestLatencies& latencies) {
  json all = json::object();
  for (size_t kind = 0; kind < kRequestKinds; ++kind) {
    if (LatencySnapshot latency = latencies.Get(kind); latency.Count() != 0) {
      all[std::string(kRequestNames[kind])] = LatencyJson(latency);
    }
  }
  return all;
}

std::string RequestsText(const json& requests, const json& latencies) {
  std::string text = fmt::format("{:<18} {:>12} {:>11} {:>11} {:>11} {:>11}\n", "requests", "count", "mean us", "p50 us",
                                 "p99 us", "p99.9 us");
  for (const auto& [name, count] : requests.items()) {
    if (count == 0) continue;
    text += fmt::format("  {:<16} {:>12}", name, count.get<uint64_t>());
    if (auto latency = latencies.find(name); latency != latencies.end()) {
      for (const char* column : {"mean_micros", "p50_micros", "p99_micros", "p999_micros"}) {
        text += fmt::format(" {:>11.1f}", latency->at(column).get<double>());
      }
    }
    text += "\n";
  }
  return text;
}

std::string FamilyText(const json& family) {
  std::string text = fmt::format("{}\n{:>7} {:>6} {:>11} {:>11} {:>10} {:>6} {:>6} {:>11} {:>11} {:>9}\n",
                                 family.at("name").get<std::string>(), "level", "files", "size", "entries",
                                 "tombstones", "merges", "moves", "read", "written", "seconds");
  for (const json& level : family.at("levels")) {
    if (level.at("files") == 0 && level.at("compactions") == 0 && level.at("trivial_moves") == 0) continue;
    text += fmt::format("{:>7} {:>6} {:>11} {:>11} {:>10} {:>6} {:>6} {:>11} {:>11} {:>9.1f}\n",
                        fmt::format("L{}", level.at("level").get<int>()), level.at("files").get<uint64_t>(),
                        FormatSize(level.at("bytes").get<uint64_t>()), level.at("entries").get<uint64_t>(),
                        level.at("tombstones").get<uint64_t>(), level.at("compactions").get<uint64_t>(),
                        level.at("trivial_moves").get<uint64_t>(), FormatSize(level.at("bytes_read").get<uint64_t>()),
                        FormatSize(level.at("bytes_written").get<uint64_t>()),
                        static_cast<double>(level.at("micros").get<uint64_t>()) / 1e6);
  }
  return text;
}

std::string Value(const std::string& name, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_unsigned() && name.ends_with("_bytes")) return FormatSize(value.get<uint64_t>());
  return value.dump();
}

std::string TableText(std::string_view title, const json& counters) {
  std::string text = fmt::format("{}\n", title);
  for (const auto& [name, value] : counters.items()) {
    if (value.is_string() && value.get<std::string>().empty()) continue;
    text += fmt::format("  {:<24} {:>14}\n", name, Value(name, value));
  }
  return text;
}

}  // namespace

json StatsJson(const lsm::DbStats& stats, const RequestCounters* requests, const RequestLatencies* latencies) {
  json families = json::array();
  for (const lsm::FamilyStats& family : stats.families) families.push_back(FamilyJson(family));
  json counts = nullptr;
  if (requests != nullptr) {
    counts = json::object();
    for (size_t kind = 0; kind < kRequestKinds; ++kind) counts[std::string(kRequestNames[kind])] = requests->Get(kind);
  }
  return {{"families", std::move(families)},
          {"engine", EngineJson(stats)},
          {"write_amplification", WriteAmplification(stats)},
          {"requests", std::move(counts)},
          {"latency", latencies != nullptr ? LatenciesJson(*latencies) : json(nullptr)}};
}

std::string StatsText(const json& stats) {
  std::string text;
  for (const json& family : stats.at("families")) text += FamilyText(family) + "\n";
  text += TableText("engine", stats.at("engine"));
  if (const json& amplification = stats.at("write_amplification"); !amplification.is_null()) {
    text += fmt::format("  {:<24} {:>14.2f}\n", "write_amplification", amplification.get<double>());
  }
  if (const json& requests = stats.at("requests"); !requests.is_null()) {
    const auto latency = stats.find("latency");  // which an older daemon does not tell
    text += "\n" + RequestsText(requests, latency != stats.end() && latency->is_object() ? *latency : json::object());
  }
  return text;
}

}  // namespace silt::mount
