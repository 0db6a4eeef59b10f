#include "mount/observe/stats_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "mount/observe/latency_histogram.h"
#include "mount/size.h"

namespace silt::mount {
namespace {

using nlohmann::json;

// Counters of one object of both answers. A counter that went back (another mount) counts from nothing.
class Deltas {
 public:
  Deltas(const json& before, const json& now, double seconds) : before_(before), now_(now), seconds_(seconds) {}

  uint64_t Now(const char* name) const { return now_.value(name, uint64_t{0}); }
  uint64_t Delta(const char* name) const {
    const uint64_t was = before_.value(name, uint64_t{0});
    return Now(name) >= was ? Now(name) - was : Now(name);
  }
  double Rate(const char* name) const { return static_cast<double>(Delta(name)) / seconds_; }
  std::string BytesPerSecond(const char* name) const {
    return FormatSize(static_cast<uint64_t>(Rate(name))) + "/s";
  }

 private:
  const json& before_;
  const json& now_;
  const double seconds_;
};

LatencySnapshot FromJson(const json& latency) {
  LatencySnapshot snapshot;
  snapshot.sum_nanos = latency.value("sum_nanos", uint64_t{0});
  for (const json& bucket : latency.at("buckets")) {
    const auto upper = bucket.at(0).get<uint64_t>();
    const size_t index = upper == std::numeric_limits<uint64_t>::max() ? snapshot.counts.size() - 1
                                                                        : LatencyBuckets::Of(upper - 1);
    snapshot.counts[index] = bucket.at(1).get<uint64_t>();
  }
  return snapshot;
}

// An older daemon tells none, nor does a store that is not mounted.
json LatenciesOf(const json& stats) {
  auto found = stats.find("latency");
  return found != stats.end() && found->is_object() ? *found : json::object();
}

struct Row {
  std::string name;
  uint64_t operations = 0;
  LatencySnapshot latency;
};

std::vector<Row> BusyOperations(const json& before, const json& now) {
  std::vector<Row> rows;
  const json was = LatenciesOf(before), is = LatenciesOf(now);
  for (const auto& [name, latency] : is.items()) {
    Row row{.name = name, .operations = 0, .latency = FromJson(latency)};
    if (was.contains(name)) row.latency = row.latency.Since(FromJson(was.at(name)));
    row.operations = row.latency.Count();
    if (row.operations != 0) rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.operations > b.operations; });
  return rows;
}

std::string Share(uint64_t part, uint64_t rest) {
  return part + rest == 0 ? "-"
                          : fmt::format("{:.1f}%", 100.0 * static_cast<double>(part) / static_cast<double>(part + rest));
}

struct TableWork {
  uint64_t written = 0, read = 0;
};
TableWork TableBytes(const json& stats) {
  TableWork work;
  for (const json& family : stats.at("families")) {
    for (const json& level : family.at("levels")) {
      work.written += level.at("bytes_written").get<uint64_t>();
      work.read += level.at("bytes_read").get<uint64_t>();
    }
  }
  return work;
}

std::vector<std::string> EngineLines(const json& before, const json& now, double seconds) {
  const Deltas engine(before.at("engine"), now.at("engine"), seconds);
  const TableWork was = TableBytes(before), is = TableBytes(now);
  const uint64_t written = is.written - std::min(is.written, was.written);
  const uint64_t read = is.read - std::min(is.read, was.read);
  auto per_second = [&](uint64_t bytes) {
    return FormatSize(static_cast<uint64_t>(static_cast<double>(bytes) / seconds)) + "/s";
  };
  const uint64_t user = engine.Delta("user_bytes");
  const std::string amplification =
      user == 0 ? "-"
                : fmt::format("{:.2f}", static_cast<double>(engine.Delta("wal_bytes") + written) / static_cast<double>(user));
  const json& since_open = now.at("write_amplification");
  return {
      fmt::format("cache      hits {} of blocks, {} held", Share(engine.Delta("block_cache_hits"), engine.Delta("block_cache_misses")),
                  FormatSize(engine.Now("block_cache_bytes"))),
      fmt::format("wal        {}, {:.0f} syncs/s for {:.0f} callers/s", engine.BytesPerSecond("wal_bytes"),
                  engine.Rate("wal_syncs"), engine.Rate("sync_requests")),
      fmt::format("tables     {} written, {} read by flushes and compactions", per_second(written), per_second(read)),
      fmt::format("amplified  {} times written (since open {})", amplification,
                  since_open.is_number() ? fmt::format("{:.2f}", since_open.get<double>()) : "-"),
      fmt::format("held back  {} writes, {:.1f} ms; stopped {}, {:.1f} ms", engine.Delta("write_delay_count"),
                  static_cast<double>(engine.Delta("write_delay_micros")) / 1000, engine.Delta("stall_count"),
                  static_cast<double>(engine.Delta("stall_micros")) / 1000),
      fmt::format("pending    {} to compact, {} runs in level 0, {} memtables to flush, {} in memtables",
                  FormatSize(engine.Now("pending_compaction_bytes")), engine.Now("l0_runs"),
                  engine.Now("immutable_memtables"), FormatSize(engine.Now("memtable_bytes"))),
  };
}

std::string OperationLine(const Row& row, double seconds) {
  return fmt::format("{:<16} {:>11.1f} {:>11.1f} {:>11.1f} {:>11.1f}", row.name,
                     static_cast<double>(row.operations) / seconds, row.latency.QuantileMicros(0.5),
                     row.latency.QuantileMicros(0.99), row.latency.QuantileMicros(0.999));
}

}  // namespace

std::string WatchText(const json& before, const json& now, double seconds, size_t width, size_t height) {
  std::vector<std::string> lines = EngineLines(before, now, seconds);
  if (const json& engine = now.at("engine"); engine.value("background_error", false)) {
    lines.insert(lines.begin(), "FAILED     " + engine.value("background_error_text", ""));
  }
  lines.emplace_back();
  lines.push_back(fmt::format("{:<16} {:>11} {:>11} {:>11} {:>11}", "operation", "per second", "p50 us", "p99 us", "p99.9 us"));
  for (const Row& row : BusyOperations(before, now)) lines.push_back(OperationLine(row, seconds));
  if (height != 0 && lines.size() > height) lines.resize(height);
  std::string text;
  for (std::string& line : lines) {
    if (width != 0 && line.size() > width) line.resize(width);
    text += line + "\n";
  }
  return text;
}

}  // namespace silt::mount
