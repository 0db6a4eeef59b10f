#include "mount/mount_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "mount/option_table.h"

namespace silt::mount {
namespace {

using lsm::Status;

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
  size_t best_distance = name.size() <= 3 ? 2 : 3;  // of a short name nearly everything is near
  auto consider = [&](std::string_view known) {
    size_t distance = EditDistance(name, known);
    if (distance < best_distance) best_distance = distance, best = known;
  };
  for (const MountOption& option : MountOptionTable()) {
    if (option.kind != OptionKind::kIgnored) consider(option.name);
  }
  return best.empty() ? "" : fmt::format("did you mean '{}'? ", best);
}

void PassToKernel(std::string_view name, MountOptions* options) {
  options->kernel.emplace_back(name);
  if (name == "dirsync" || name == "sync") options->dirsync = true;
  if (name == "async") options->dirsync = false;
}

Status ApplyOne(std::string_view text, MountOptions* options) {
  size_t equals = text.find('=');
  std::string_view name = text.substr(0, equals);
  bool has_value = equals != std::string_view::npos;
  std::string_view value = has_value ? text.substr(equals + 1) : std::string_view{};
  const MountOption* option = FindMountOption(name);
  if (option == nullptr) {
    return Status::InvalidArgument(fmt::format("unknown option '{}'; {}see siltfs mount --help", name, HintFor(name)));
  }
  bool takes_any = option->name.ends_with('*');  // x-systemd.automount, x-systemd.idle-timeout=60
  if (has_value && option->argument.empty() && !takes_any) {
    return Status::InvalidArgument(fmt::format("option '{}' takes no value", name));
  }
  if (!has_value && !option->argument.empty()) {
    return Status::InvalidArgument(fmt::format("option '{}' needs a value: {}", name, OptionSyntax(*option)));
  }
  if (option->kind == OptionKind::kKernel) PassToKernel(name, options);
  if (option->apply == nullptr || option->apply(options, value)) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("'{}' is no good value for '{}': {}", value, name, OptionHelp(*option)));
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
  std::vector<std::string_view> kernel, ignored;
  for (const MountOption& option : MountOptionTable()) {
    if (option.kind == OptionKind::kOwn) {
      help += fmt::format("  {:<22} {}\n", OptionSyntax(option), OptionHelp(option));
    } else {
      (option.kind == OptionKind::kKernel ? kernel : ignored).push_back(option.name);
    }
  }
  help += fmt::format("As in mount(8):\n  {}\n", fmt::join(kernel, ", "));
  help += fmt::format("Accepted, for others to read:\n  {}\n", fmt::join(ignored, ", "));
  return help;
}

}  // namespace silt::mount
