#include "mount/status_report.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

#include "mount/size.h"

namespace silt::mount {
namespace {

using nlohmann::json;

// For the inodes of a store that is opened just for this.
constexpr std::chrono::seconds kPatience{5};

// "ok", "damaged" (some bytes could not be read: scrub says which) or "failed" (read-only after a failed write).
json Health(const lsm::DbStats& stats) {
  if (stats.background_error) return {{"state", "failed"}, {"reason", stats.background_error_text}};
  if (stats.corruptions != 0) {
    return {{"state", "damaged"},
            {"reason", fmt::format("{} reads met damaged bytes; siltfs scrub names the files", stats.corruptions)}};
  }
  return {{"state", "ok"}, {"reason", ""}};
}

// Of all families: how many tables and bytes each level has. Empty levels below the last filled one are left out.
json Levels(const lsm::DbStats& stats) {
  std::array<lsm::LevelStats, lsm::kNumLevels> sums;
  size_t filled = 0;
  for (const lsm::FamilyStats& family : stats.families) {
    for (size_t level = 0; level < sums.size(); ++level) {
      sums[level].files += family.levels[level].files;
      sums[level].bytes += family.levels[level].bytes;
      sums[level].raw_bytes += family.levels[level].raw_bytes;
      if (sums[level].files != 0) filled = std::max(filled, level + 1);
    }
  }
  json levels = json::array();
  for (size_t level = 0; level < filled; ++level) {
    levels.push_back({{"level", level},
                      {"files", sums[level].files},
                      {"bytes", sums[level].bytes},
                      {"raw_bytes", sums[level].raw_bytes}});
  }
  return levels;
}

uint64_t SumOf(const json& levels, const char* what) {
  uint64_t sum = 0;
  for (const json& level : levels) sum += level.at(what).get<uint64_t>();
  return sum;
}

std::string LevelsText(const json& levels) {
  std::string text;
  for (const json& level : levels) {
    if (level.at("files") == 0) continue;
    text += fmt::format("{}L{} {} in {}", text.empty() ? "" : ", ", level.at("level").get<int>(),
                        FormatSize(level.at("bytes").get<uint64_t>()), level.at("files").get<uint64_t>());
  }
  return text.empty() ? "no tables yet" : text;
}

// What the store's files take, logs and reserve included. Files that come and go meanwhile do not matter.
uint64_t BytesOfFiles(const std::string& store) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(store, ignored)) {
    struct stat st {};
    if (::lstat(entry.path().c_str(), &st) == 0) bytes += static_cast<uint64_t>(st.st_blocks) * 512;
  }
  return bytes;
}

std::string AwakeText(const json& awake) {
  if (!awake.at("wanted").get<bool>()) return "may sleep while requests come (noawake)";
  if (!awake.at("possible").get<bool>()) return "cannot be kept awake while requests come: see siltfs doctor";
  const auto times = awake.at("times").get<uint64_t>();
  const char* now = awake.at("now").get<bool>() ? "awake now; " : "";
  if (times == 0) return "will be kept awake when requests come thick; they have not yet";
  return fmt::format("{}kept awake while requests came thick, {} time{}", now, times, times == 1 ? "" : "s");
}

std::string Duration(uint64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

}  // namespace

std::string_view CompressionName(lsm::Compression compression) {
  switch (compression) {
    case lsm::Compression::kNone:
      return "none";
    case lsm::Compression::kSnappy:
      return "snappy";
    case lsm::Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

json StatusJson(const std::string& store, fs::Filesystem& filesystem, const MountFacts* mount) {
  const fs::Superblock& superblock = filesystem.superblock();
  if (mount == nullptr) filesystem.WaitForInodeCount(kPatience);
  fs::FilesystemStats space = filesystem.Stat().value_or(fs::FilesystemStats{});
  const lsm::DbStats stats = filesystem.db().GetStats();
  json levels = Levels(stats);
  const uint64_t in_tables = SumOf(levels, "bytes");
  const uint64_t logical = SumOf(levels, "raw_bytes");
  json status = {
      {"store", store},
      {"mounted", mount != nullptr},
      {"pid", nullptr},
      {"mountpoint", nullptr},
      {"read_only", nullptr},
      {"uptime_seconds", nullptr},
      {"transport", nullptr},
      {"transport_detail", nullptr},
      {"awake", nullptr},
      {"uuid", superblock.uuid},
      {"format_version", superblock.format_version},
      {"block_size", superblock.block_size},
      {"compression", CompressionName(superblock.compression)},
      {"size_on_disk", space.used_bytes},
      {"disk_bytes", BytesOfFiles(store)},
      {"free", space.available_bytes},
      {"inodes", space.inodes - std::min(space.free_inodes, space.inodes)},
      {"inodes_counted", space.inodes_counted},
      {"inodes_live", filesystem.LiveInodes()},
      {"logical_bytes", logical},
      {"table_bytes", in_tables},
      {"compression_ratio",
       in_tables == 0 ? json(nullptr) : json(static_cast<double>(logical) / static_cast<double>(in_tables))},
      {"levels", std::move(levels)},
      {"health", Health(stats)},
      {"version", SILT_VERSION},
  };
  if (mount != nullptr) {
    status["pid"] = mount->pid;
    status["mountpoint"] = mount->mountpoint;
    status["read_only"] = mount->read_only;
    status["uptime_seconds"] = mount->uptime_seconds;
    status["transport"] = mount->transport.name;
    status["transport_detail"] = mount->transport.detail;
    status["awake"] = {{"wanted", mount->awake.wanted},
                       {"possible", mount->awake.possible},
                       {"now", mount->awake.now},
                       {"times", mount->awake.times}};
  }
  return status;
}

std::string StatusText(const json& status) {
  std::string text;
  auto line = [&](std::string_view name, const std::string& value) { text += fmt::format("{:<13} {}\n", name, value); };
  line("store", status.at("store").get<std::string>());
  if (status.at("mounted").get<bool>()) {
    line("mounted at", fmt::format("{}{}", status.at("mountpoint").get<std::string>(),
                                   status.at("read_only").get<bool>() ? " (read-only)" : ""));
    const std::string version = status.value("version", "");
    line("daemon", fmt::format("{}pid {}, up {}", version.empty() ? "" : fmt::format("siltfs {}, ", version),
                               status.at("pid").get<int>(), Duration(status.at("uptime_seconds").get<uint64_t>())));
    // A daemon that is older than this program does not say.
    if (const std::string transport = status.value("transport", ""); !transport.empty()) {
      const std::string detail = status.value("transport_detail", "");
      line("requests", fmt::format("over {}{}{}", transport, detail.empty() ? "" : ": ", detail));
    }
    if (auto awake = status.find("awake"); awake != status.end() && awake->is_object()) {
      line("processors", AwakeText(*awake));
    }
  } else {
    line("mounted at", "nowhere");
  }
  line("health", fmt::format("{}{}{}", status.at("health").at("state").get<std::string>(),
                             status.at("health").at("reason").get<std::string>().empty() ? "" : ": ",
                             status.at("health").at("reason").get<std::string>()));
  std::string with_logs;
  if (auto all = status.find("disk_bytes"); all != status.end()) {
    with_logs = fmt::format(", {} with logs and the reserve", FormatSize(all->get<uint64_t>()));
  }
  line("size on disk", FormatSize(status.at("size_on_disk").get<uint64_t>()) + with_logs);
  if (auto ratio = status.find("compression_ratio"); ratio != status.end() && ratio->is_number()) {
    line("in tables", fmt::format("{} of {} before compression ({:.2f} times), old versions included",
                                  FormatSize(status.at("table_bytes").get<uint64_t>()),
                                  FormatSize(status.at("logical_bytes").get<uint64_t>()), ratio->get<double>()));
  }
  if (auto levels = status.find("levels"); levels != status.end()) line("levels", LevelsText(*levels));
  line("free", FormatSize(status.at("free").get<uint64_t>()));
  // A daemon that is older than this program never counts.
  line("inodes", fmt::format("{}{} ({} in use by the kernel)",
                             status.value("inodes_counted", false) ? "" : "not counted yet, at most ",
                             status.at("inodes").get<uint64_t>(), status.at("inodes_live").get<uint64_t>()));
  line("format",
       fmt::format("version {}, blocks of {}, compression {}", status.at("format_version").get<uint32_t>(),
                   FormatSize(status.at("block_size").get<uint32_t>()), status.at("compression").get<std::string>()));
  line("uuid", status.at("uuid").get<std::string>());
  return text;
}

}  // namespace silt::mount
