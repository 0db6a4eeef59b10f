// The options behind -o: siltfs's own, those of mount(8) that belong to fstab, and those that the kernel takes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/filesystem.h"
#include "lsm/status.h"

namespace silt::mount {

struct MountOptions {
  bool read_only = false;
  bool remount = false;
  uint64_t memory_bytes = uint64_t{256} << 20;
  uint64_t commit_micros = 5'000'000;
  bool writeback = false;
  bool acl = true;
  bool dirsync = false;  // also among `kernel`, as "dirsync" or "sync"
  fs::AtimeRule atime = fs::AtimeRule::kNever;
  bool directory_atime = true;      // that rule goes for directories, too
  std::optional<bool> allow_other;  // nullopt: yes for root, no for others
  bool default_permissions = true;
  unsigned max_threads = 16;
  bool io_uring = true;                          // where kernel and libfuse have it
  std::optional<uint64_t> io_uring_memory_bytes;  // nullopt: a share of memory_bytes
  bool awake = true;  // processors do not sleep while requests come; see AwakeProcessors
  std::string log_level = "info";
  bool debug = false;
  bool control_dir = true;  // .siltfs
  std::string metrics;      // see MetricsAddress; empty: none
  std::vector<std::string> kernel;  // passed on as they are: nosuid, noexec, noatime, ...

  bool operator==(const MountOptions&) const = default;
  fs::AtimeRule DirectoryAtime() const { return directory_atime ? atime : fs::AtimeRule::kNever; }
  uint64_t RingMemoryBytes() const { return io_uring_memory_bytes.value_or(memory_bytes / 8); }
};

// Adds a comma-separated list to *options; of two that contradict each other the later wins. kInvalidArgument names the
// option and says what to do.
lsm::Status ParseMountOptions(std::string_view list, MountOptions* options);

// What libfuse is given behind its -o for this store.
std::vector<std::string> LibfuseOptions(const MountOptions& options, std::string_view store, bool as_root);

// For --help: one line each.
std::string MountOptionsHelp();

}  // namespace silt::mount
