#include "mount/mount_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <numeric>

#include "mount/observe/metrics_server.h"
#include "mount/size.h"

namespace silt::mount {
namespace {

using lsm::Status;

constexpr uint64_t kLeastMemory = uint64_t{16} << 20;

struct OwnOption {
  std::string_view name;
  std::string_view argument;  // empty: takes none
  std::string_view help;
  // False: the value makes no sense.
  bool (*apply)(MountOptions*, std::string_view value);
};

template <class Number>
bool ParseNumber(std::string_view text, Number* out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool SetMemory(MountOptions* o, std::string_view value) {
  auto bytes = ParseSize(value);
  if (!bytes || *bytes < kLeastMemory) return false;
  o->memory_bytes = *bytes;
  return true;
}

bool SetCommit(MountOptions* o, std::string_view value) {
  uint64_t seconds = 0;
  if (!ParseNumber(value, &seconds) || seconds == 0 || seconds > 3600) return false;
  o->commit_micros = seconds * 1'000'000;
  return true;
}

bool SetThreads(MountOptions* o, std::string_view value) {
  return ParseNumber(value, &o->max_threads) && o->max_threads >= 1 && o->max_threads <= 1024;
}

bool SetRingMemory(MountOptions* o, std::string_view value) {
  return (o->io_uring_memory_bytes = ParseSize(value)).has_value();
}

bool SetMetrics(MountOptions* o, std::string_view value) {
  o->metrics = value;
  return MetricsAddress::Parse(value).has_value();
}

bool SetLogLevel(MountOptions* o, std::string_view value) {
  constexpr std::array<std::string_view, 5> levels = {"debug", "info", "warning", "error", "off"};
  o->log_level = value;
  return std::find(levels.begin(), levels.end(), value) != levels.end();
}

const std::array<OwnOption, 21> kOwn = {{
    {"ro", "", "mount read-only", [](MountOptions* o, std::string_view) { return o->read_only = true; }},
    {"rw", "", "mount for reading and writing (default)",
     [](MountOptions* o, std::string_view) { return !(o->read_only = false); }},
    {"memory", "SIZE", "memory for memtables, caches and inodes, at least 16M (default 256M)", &SetMemory},
    {"commit", "SECONDS", "what is older than this is made durable unasked, 1 to 3600 (default 5)", &SetCommit},
    {"writeback", "", "let the kernel gather small writes; errors then surface at close or fsync",
     [](MountOptions* o, std::string_view) { return o->writeback = true; }},
    {"nowriteback", "", "pass each write on at once (default)",
     [](MountOptions* o, std::string_view) { return !(o->writeback = false); }},
    {"allow_other", "", "let other users in (default for root; others need user_allow_other in fuse.conf)",
     [](MountOptions* o, std::string_view) { return (o->allow_other = true).has_value(); }},
    {"noallow_other", "", "only the mounting user may enter",
     [](MountOptions* o, std::string_view) { return (o->allow_other = false).has_value(); }},
    {"default_permissions", "", "the kernel checks permissions (always on)",
     [](MountOptions* o, std::string_view) { return o->default_permissions = true; }},
    {"acl", "", "POSIX ACLs (default)", [](MountOptions* o, std::string_view) { return o->acl = true; }},
    {"noacl", "", "no POSIX ACLs: getfacl and setfacl do not work, modes alone count",
     [](MountOptions* o, std::string_view) { return !(o->acl = false); }},
    {"max_threads", "N", "threads that serve requests (default 16)", &SetThreads},
    {"io_uring", "", "FUSE over io_uring where the kernel offers it (default); siltfs status says what is missing",
     [](MountOptions* o, std::string_view) { return o->io_uring = true; }},
    {"noio_uring", "", "requests come over /dev/fuse",
     [](MountOptions* o, std::string_view) { return !(o->io_uring = false); }},
    {"io_uring_memory", "SIZE", "for the rings' buffers, 1M for each request in flight (default: an eighth of memory)",
     &SetRingMemory},
    {"log_level", "LEVEL", "debug, info, warning, error or off, for STORE/siltfs.log (default info)", &SetLogLevel},
    {"debug", "", "print every FUSE request to stderr (implies -f)",
     [](MountOptions* o, std::string_view) { return o->debug = true; }},
    {"control_dir", "", "a directory .siltfs at the root, not listed, tells what the daemon does (default)",
     [](MountOptions* o, std::string_view) { return o->control_dir = true; }},
    {"no_control_dir", "", "no .siltfs", [](MountOptions* o, std::string_view) { return !(o->control_dir = false); }},
    {"metrics", "ADDRESS", "Prometheus metrics at 127.0.0.1:PORT, [::1]:PORT or unix:/PATH", &SetMetrics},
    {"defaults", "", "nothing", [](MountOptions*, std::string_view) { return true; }},
}};

// Flags of mount(2) that libfuse and fusermount3 know how to pass.
constexpr std::array<std::string_view, 14> kKernel = {
    "suid",  "nosuid",  "dev",     "nodev",      "exec",       "noexec",        "sync",
    "async", "dirsync", "noatime", "nodiratime", "norelatime", "nostrictatime", "auto_unmount"};
// What mount(8) and fstab(5) keep for themselves, and atime flags that mean nothing here: accepted, without effect.
constexpr std::array<std::string_view, 17> kIgnored = {
    "auto",    "noauto", "nofail",  "_netdev", "user",     "nouser",      "users",    "nousers",   "owner",
    "noowner", "group",  "nogroup", "atime",   "relatime", "strictatime", "lazytime", "nolazytime"};

template <class Range>
bool Contains(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

// Levenshtein's distance, for "did you mean".
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

std::string HintFor(std::string_view name) {
  std::string_view best;
  size_t best_distance = 3;
  auto consider = [&](std::string_view known) {
    size_t distance = EditDistance(name, known);
    if (distance < best_distance) best_distance = distance, best = known;
  };
  for (const OwnOption& own : kOwn) consider(own.name);
  for (std::string_view known : kKernel) consider(known);
  return best.empty() ? "" : fmt::format("did you mean '{}'? ", best);
}

Status ApplyOne(std::string_view option, MountOptions* options) {
  size_t equals = option.find('=');
  std::string_view name = option.substr(0, equals);
  bool has_value = equals != std::string_view::npos;
  std::string_view value = has_value ? option.substr(equals + 1) : std::string_view{};
  auto own = std::find_if(kOwn.begin(), kOwn.end(), [&](const OwnOption& o) { return o.name == name; });
  if (own != kOwn.end()) {
    if (has_value == own->argument.empty()) {
      return Status::InvalidArgument(has_value
                                         ? fmt::format("option '{}' takes no value", name)
                                         : fmt::format("option '{0}' needs a value: {0}={1}", name, own->argument));
    }
    if (own->apply(options, value)) return Status::Ok();
    return Status::InvalidArgument(fmt::format("'{}' is no good value for '{}': {}", value, name, own->help));
  }
  if (!has_value && Contains(kIgnored, name)) return Status::Ok();
  if (name.starts_with("x-") || name.starts_with("X-") || name == "comment") return Status::Ok();
  if (!has_value && Contains(kKernel, name)) {
    options->kernel.emplace_back(name);
    if (name == "dirsync" || name == "sync") options->dirsync = true;
    if (name == "async") options->dirsync = false;
    return Status::Ok();
  }
  return Status::InvalidArgument(fmt::format("unknown option '{}'; {}see siltfs mount --help", name, HintFor(name)));
}

// libfuse's option parser takes a backslash before a comma or a backslash.
std::string EscapeForLibfuse(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == ',' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

}  // namespace

Status ParseMountOptions(std::string_view list, MountOptions* options) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view option = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    if (option.empty()) continue;
    SILT_RETURN_IF_ERROR(ApplyOne(option, options));
  }
  return Status::Ok();
}

std::vector<std::string> LibfuseOptions(const MountOptions& options, std::string_view store, bool as_root) {
  std::vector<std::string> out = {"fsname=" + EscapeForLibfuse(store), "subtype=siltfs"};
  if (options.default_permissions) out.emplace_back("default_permissions");
  if (options.allow_other.value_or(as_root)) out.emplace_back("allow_other");
  if (options.read_only) out.emplace_back("ro");
  if (as_root) {
    // libfuse's own defaults are nosuid,nodev: right for an ordinary user's mount, wrong for a filesystem of root's.
    out.emplace_back("suid");
    out.emplace_back("dev");
  }
  out.insert(out.end(), options.kernel.begin(), options.kernel.end());
  return out;
}

std::string MountOptionsHelp() {
  std::string help = "Options behind -o, separated by commas:\n";
  for (const OwnOption& own : kOwn) {
    std::string name(own.name);
    if (!own.argument.empty()) name += fmt::format("={}", own.argument);
    help += fmt::format("  {:<22} {}\n", name, own.help);
  }
  help += fmt::format("  {}: as in mount(8)\n", fmt::join(kKernel, ", "));
  return help;
}

}  // namespace silt::mount
