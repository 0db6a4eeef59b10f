#include "mount/status_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "mount/size.h"

namespace silt::mount {
namespace {

using nlohmann::json;

// "ok", "damaged" (some bytes could not be read: scrub says which) or "failed" (read-only after a failed write).
json Health(const lsm::DbStats& stats) {
  if (stats.background_error) return {{"state", "failed"}, {"reason", stats.background_error_text}};
  if (stats.corruptions != 0) {
    return {{"state", "damaged"},
            {"reason", fmt::format("{} reads met damaged bytes; siltfs scrub names the files", stats.corruptions)}};
  }
  return {{"state", "ok"}, {"reason", ""}};
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
  fs::FilesystemStats space = filesystem.Stat().value_or(fs::FilesystemStats{});
  json status = {
      {"store", store},
      {"mounted", mount != nullptr},
      {"pid", nullptr},
      {"mountpoint", nullptr},
      {"read_only", nullptr},
      {"uptime_seconds", nullptr},
      {"transport", nullptr},
      {"transport_detail", nullptr},
      {"uuid", superblock.uuid},
      {"format_version", superblock.format_version},
      {"block_size", superblock.block_size},
      {"compression", CompressionName(superblock.compression)},
      {"size_on_disk", space.used_bytes},
      {"free", space.available_bytes},
      {"inodes", space.inodes - std::min(space.free_inodes, space.inodes)},
      {"inodes_live", filesystem.LiveInodes()},
      {"health", Health(filesystem.db().GetStats())},
      {"version", SILT_VERSION},
  };
  if (mount != nullptr) {
    status["pid"] = mount->pid;
    status["mountpoint"] = mount->mountpoint;
    status["read_only"] = mount->read_only;
    status["uptime_seconds"] = mount->uptime_seconds;
    status["transport"] = mount->transport.name;
    status["transport_detail"] = mount->transport.detail;
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
    line("daemon", fmt::format("pid {}, up {}", status.at("pid").get<int>(),
                               Duration(status.at("uptime_seconds").get<uint64_t>())));
    // A daemon that is older than this program does not say.
    if (const std::string transport = status.value("transport", ""); !transport.empty()) {
      const std::string detail = status.value("transport_detail", "");
      line("requests", fmt::format("over {}{}{}", transport, detail.empty() ? "" : ": ", detail));
    }
  } else {
    line("mounted at", "nowhere");
  }
  line("health", fmt::format("{}{}{}", status.at("health").at("state").get<std::string>(),
                             status.at("health").at("reason").get<std::string>().empty() ? "" : ": ",
                             status.at("health").at("reason").get<std::string>()));
  line("size on disk", FormatSize(status.at("size_on_disk").get<uint64_t>()));
  line("free", FormatSize(status.at("free").get<uint64_t>()));
  line("inodes", fmt::format("{} ({} in use by the kernel)", status.at("inodes").get<uint64_t>(),
                             status.at("inodes_live").get<uint64_t>()));
  line("format",
       fmt::format("version {}, blocks of {}, compression {}", status.at("format_version").get<uint32_t>(),
                   FormatSize(status.at("block_size").get<uint32_t>()), status.at("compression").get<std::string>()));
  line("uuid", status.at("uuid").get<std::string>());
  return text;
}

}  // namespace silt::mount
