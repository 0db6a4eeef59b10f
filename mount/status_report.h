// What `siltfs status` shows: one JSON object, the same for a mounted and an unmounted store, and its text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "fs/filesystem.h"
#include "mount/transport_status.h"

namespace silt::mount {

std::string_view CompressionName(lsm::Compression compression);

// Whether idle processors are kept awake while requests come; see AwakeProcessors.
struct AwakeFacts {
  bool wanted = false;  // as the mount's options say
  bool possible = true;
  bool now = false;
  uint64_t times = 0;  // how often
};

// Where a mounted store is mounted.
struct MountFacts {
  int pid = 0;
  std::string mountpoint;
  bool read_only = false;
  uint64_t uptime_seconds = 0;
  TransportStatus::Facts transport;
  AwakeFacts awake;
};

// `mount` is null for a store that is not mounted: then its inodes are waited for until they are counted, some seconds
// at most. Keys are stable.
nlohmann::json StatusJson(const std::string& store, fs::Filesystem& filesystem, const MountFacts* mount);
std::string StatusText(const nlohmann::json& status);

}  // namespace silt::mount
