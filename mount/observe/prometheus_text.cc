#include "mount/observe/prometheus_text.h"

#include <fmt/format.h>

#include <initializer_list>
#include <string_view>
#include <utility>

namespace silt::mount {
namespace {

using nlohmann::json;
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string Escape(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      out += "\\n";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

class Exposition {
 public:
  void Describe(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  }
  template <class Number>
  void Sample(std::string_view name, Labels labels, Number value) {
    text_ += name;
    char before = '{';
    for (const auto& [label, content] : labels) {
      text_ += fmt::format("{}{}=\"{}\"", before, label, Escape(content));
      before = ',';
    }
    text_ += fmt::format("{} {}\n", labels.size() == 0 ? "" : "}", value);
  }
  template <class Number>
  void Gauge(std::string_view name, std::string_view help, Number value) {
    Describe(name, "gauge", help);
    Sample(name, {}, value);
  }
  template <class Number>
  void Counter(std::string_view name, std::string_view help, Number value) {
    Describe(name, "counter", help);
    Sample(name, {}, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

double Seconds(uint64_t micros) {
  return static_cast<double>(micros) / 1e6;
}

void AddMount(const json& status, Exposition* out) {
  auto text = [&](const char* key) { return status.at(key).is_string() ? status.at(key).get<std::string>() : ""; };
  out->Describe("siltfs_info", "gauge", "What is mounted where; always 1.");
  out->Sample("siltfs_info",
              {{"version", text("version")},
               {"store", text("store")},
               {"mountpoint", text("mountpoint")},
               {"transport", text("transport")},
               {"uuid", text("uuid")}},
              1);
  out->Gauge("siltfs_uptime_seconds", "Since the mount.", status.at("uptime_seconds").get<uint64_t>());
  out->Gauge("siltfs_healthy", "1 while no damage was met and nothing failed.",
             status.at("health").at("state") == "ok" ? 1 : 0);
  out->Gauge("siltfs_read_only", "1 for a read-only mount.", status.at("read_only").get<bool>() ? 1 : 0);
  out->Gauge("siltfs_store_bytes", "Size of the store on disk.", status.at("size_on_disk").get<uint64_t>());
  out->Gauge("siltfs_free_bytes", "Space that is left for the store.", status.at("free").get<uint64_t>());
  out->Gauge("siltfs_inodes", "Inodes in use; while siltfs_inodes_counted is 0, a bound.",
             status.at("inodes").get<uint64_t>());
  out->Gauge("siltfs_inodes_counted", "1 when the inodes are counted, a while after a mount with many.",
             status.at("inodes_counted").get<bool>() ? 1 : 0);
  out->Gauge("siltfs_inodes_live", "Inodes that the kernel refers to.", status.at("inodes_live").get<uint64_t>());
  const json& awake = status.at("awake");
  out->Describe("siltfs_processors_kept_awake_total", "counter",
                "How often idle processors were kept awake because requests came thick.");
  out->Sample("siltfs_processors_kept_awake_total", {}, awake.at("times").get<uint64_t>());
  out->Gauge("siltfs_processors_awake", "1 while idle processors are kept awake.", awake.at("now").get<bool>() ? 1 : 0);
}

void AddRequests(const RequestCounters& requests, const RequestLatencies& latencies, Exposition* out) {
  out->Describe("siltfs_requests_total", "counter", "Requests of the kernel, by kind.");
  for (size_t kind = 0; kind < kRequestKinds; ++kind) {
    out->Sample("siltfs_requests_total", {{"op", kRequestNames[kind]}}, requests.Get(kind));
  }
  out->Describe("siltfs_request_duration_seconds", "histogram",
                "How long requests took from their arrival to their reply.");
  constexpr std::string_view kBucket = "siltfs_request_duration_seconds_bucket";
  for (size_t kind = 0; kind < kRequestKinds; ++kind) {
    const LatencySnapshot latency = latencies.Get(kind);
    const uint64_t count = latency.Count();
    if (count == 0) continue;
    // Whole octaves are fine enough for rules and graphs.
    uint64_t below = 0;
    for (size_t bucket = 0; bucket + 1 < latency.counts.size(); ++bucket) {
      below += latency.counts[bucket];
      if (bucket % LatencyBuckets::kPerOctave != 0) continue;
      const double edge = static_cast<double>(LatencyBuckets::UpperNanos(bucket)) / 1e9;
      out->Sample(kBucket, {{"op", kRequestNames[kind]}, {"le", fmt::format("{}", edge)}}, below);
    }
    out->Sample(kBucket, {{"op", kRequestNames[kind]}, {"le", "+Inf"}}, count);
    out->Sample("siltfs_request_duration_seconds_sum", {{"op", kRequestNames[kind]}},
                static_cast<double>(latency.sum_nanos) / 1e9);
    out->Sample("siltfs_request_duration_seconds_count", {{"op", kRequestNames[kind]}}, count);
  }
}

// One metric of every level of every family.
template <class Value>
void AddLevels(const lsm::DbStats& stats, std::string_view name, std::string_view type, std::string_view help,
               Value value, Exposition* out) {
  out->Describe(name, type, help);
  for (const lsm::FamilyStats& family : stats.families) {
    for (size_t level = 0; level < family.levels.size(); ++level) {
      out->Sample(name, {{"family", family.name}, {"level", fmt::format("{}", level)}}, value(family.levels[level]));
    }
  }
}

void AddEngine(const lsm::DbStats& stats, Exposition* out) {
  using Level = lsm::LevelStats;
  AddLevels(stats, "siltfs_level_files", "gauge", "Tables.", [](const Level& l) { return l.files; }, out);
  AddLevels(stats, "siltfs_level_bytes", "gauge", "Size of the tables.", [](const Level& l) { return l.bytes; }, out);
  AddLevels(
      stats, "siltfs_level_raw_bytes", "gauge", "Keys and values before compression.",
      [](const Level& l) { return l.raw_bytes; }, out);
  AddLevels(
      stats, "siltfs_compactions_total", "counter", "Compactions into the level; flushes, for level 0.",
      [](const Level& l) { return l.compactions; }, out);
  AddLevels(
      stats, "siltfs_compaction_read_bytes_total", "counter", "Read by compactions into the level.",
      [](const Level& l) { return l.bytes_read; }, out);
  AddLevels(
      stats, "siltfs_compaction_written_bytes_total", "counter", "Written by compactions into the level.",
      [](const Level& l) { return l.bytes_written; }, out);
  AddLevels(
      stats, "siltfs_compaction_seconds_total", "counter", "Time that compactions into the level took.",
      [](const Level& l) { return Seconds(l.micros); }, out);
  out->Gauge("siltfs_pending_compaction_bytes", "What levels hold beyond what they aim for.",
             stats.pending_compaction_bytes);
  out->Gauge("siltfs_l0_runs", "Overlapping runs in level 0.", stats.l0_runs);
  out->Gauge("siltfs_memtable_bytes", "All memtables.", stats.memtable_bytes);
  out->Gauge("siltfs_immutable_memtables", "Memtables that wait for their flush.", stats.immutable_memtables);
  out->Counter("siltfs_flushes_total", "Memtables written to tables.", stats.flushes);
  out->Counter("siltfs_wal_bytes_total", "Appended to the write-ahead log.", stats.wal_bytes);
  out->Counter("siltfs_wal_syncs_total", "fdatasync calls on the write-ahead log.", stats.wal_syncs);
  out->Gauge("siltfs_wal_files", "Files of the write-ahead log.", stats.wal_files);
  out->Counter("siltfs_sync_requests_total", "Callers that waited for durability.", stats.sync_requests);
  out->Counter("siltfs_user_bytes_total", "Keys and values that were written.", stats.user_bytes);
  out->Counter("siltfs_batches_total", "Atomic batches that were written.", stats.batches);
  out->Counter("siltfs_write_delays_total", "Writes that were delayed.", stats.write_delay_count);
  out->Counter("siltfs_write_delay_seconds_total", "For how long.", Seconds(stats.write_delay_micros));
  out->Counter("siltfs_write_stalls_total", "Writes that had to stop.", stats.stall_count);
  out->Counter("siltfs_write_stall_seconds_total", "For how long.", Seconds(stats.stall_micros));
}

void AddReads(const lsm::DbStats& stats, Exposition* out) {
  out->Counter("siltfs_gets_total", "Point reads of the engine.", stats.gets);
  out->Counter("siltfs_filter_negatives_total", "Table probes that a filter saved.", stats.filter_negatives);
  out->Counter("siltfs_block_cache_hits_total", "Blocks found in the cache.", stats.block_cache_hits);
  out->Counter("siltfs_block_cache_misses_total", "Blocks that had to be read.", stats.block_cache_misses);
  out->Gauge("siltfs_block_cache_bytes", "Blocks in the cache.", stats.block_cache_bytes);
  out->Gauge("siltfs_open_tables", "Open tables.", stats.open_tables);
  out->Counter("siltfs_corruptions_total", "Damaged bytes met by reads.", stats.corruptions);
  out->Gauge("siltfs_background_error", "1 while the engine's background work has failed.",
             stats.background_error ? 1 : 0);
  out->Gauge("siltfs_snapshots", "Snapshots that are held.", stats.snapshots);
  out->Gauge("siltfs_oldest_pin_seconds", "Age of the oldest snapshot or iterator.", stats.oldest_pin_seconds);
  out->Gauge("siltfs_ballast_bytes", "Space kept in reserve; 0 while the disk is full.", stats.ballast_bytes);
}

}  // namespace

std::string PrometheusText(const json& status, const lsm::DbStats& stats, const RequestCounters& requests,
                           const RequestLatencies& latencies) {
  Exposition out;
  AddMount(status, &out);
  AddRequests(requests, latencies, &out);
  AddEngine(stats, &out);
  AddReads(stats, &out);
  return out.Take();
}

}  // namespace silt::mount
