#include "mount/observe/config_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fs/printable.h"
#include "mount/size.h"

namespace silt::mount {
namespace {

std::string AtimeText(const MountOptions& options) {
  const std::string rule = options.atime == fs::AtimeRule::kNever      ? "noatime"
                           : options.atime == fs::AtimeRule::kRelative ? "relatime"
                                                                       : "strictatime";
  return options.directory_atime ? rule : rule + ",nodiratime";
}

}  // namespace

std::string ConfigText(const std::string& store, const std::string& mountpoint, const MountOptions& options) {
  std::string text;
  auto line = [&](std::string_view name, const std::string& value) { text += fmt::format("{:<16} {}\n", name, value); };
  auto flag = [&](std::string_view name, bool value) { line(name, value ? "yes" : "no"); };
  line("store", fs::Printable(store));
  line("mountpoint", fs::Printable(mountpoint));
  line("version", SILT_VERSION);
  flag("ro", options.read_only);
  line("memory", FormatSize(options.memory_bytes));
  line("commit", fmt::format("{} s", options.commit_micros / 1'000'000));
  flag("writeback", options.writeback);
  flag("acl", options.acl);
  flag("dirsync", options.dirsync);
  line("atime", AtimeText(options));
  line("max_threads", fmt::format("{}", options.max_threads));
  flag("awake", options.awake);
  flag("io_uring", options.io_uring);
  line("io_uring_memory", FormatSize(options.RingMemoryBytes()));
  line("log_level", options.log_level);
  line("metrics", options.metrics.empty() ? "none" : options.metrics);
  line("kernel", fmt::format("{}", fmt::join(options.kernel, ",")));
  return text;
}

}  // namespace silt::mount
