// Every option behind -o, in one table. The parser and --help read it; the option section of packaging/man/siltfs.5 and
// the table in mount/README.md are its text too (tests/mount/option_documents_test.cc).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "mount/mount_options.h"

namespace silt::mount {

enum class OptionKind {
  kOwn,      // siltfs's
  kKernel,   // a flag of mount(2), passed on as it is
  kIgnored,  // for mount(8), fstab(5) or systemd, or without a meaning here: accepted, without effect
};

struct MountOption {
  std::string_view name;           // of an ignored one "x-*": whatever begins so
  std::string_view argument;       // what the value is called; empty: takes none
  std::string_view default_value;  // empty: not in force unless given; "yes": in force; else the value, or for whom
  std::string_view help;           // one line, without the default
  std::string_view more;           // further sentences for the manual, may be empty
  OptionKind kind;
  // False: the value makes no sense. Null where `kind` says all.
  bool (*apply)(MountOptions*, std::string_view value);
};

std::span<const MountOption> MountOptionTable();

// The option of this name; null when there is none.
const MountOption* FindMountOption(std::string_view name);

// "memory=SIZE", and the line of help with the default in parentheses.
std::string OptionSyntax(const MountOption& option);
std::string OptionHelp(const MountOption& option);

}  // namespace silt::mount
