#include "lsm/filenames.h"

#include <charconv>

#include <fmt/format.h>

namespace silt::lsm {
namespace {

constexpr std::string_view kManifestPrefix = "MANIFEST-";

bool ParseNumber(std::string_view text, FileNumber* number) {
  if (text.empty()) return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string WalName(FileNumber number) { return fmt::format("{:06}.wal", number); }
std::string TableName(FileNumber number) { return fmt::format("{:06}.sst", number); }
std::string ManifestName(FileNumber number) { return fmt::format("{}{:06}", kManifestPrefix, number); }

std::optional<ParsedFileName> ParseFileName(std::string_view name) {
  if (name == kCurrentName) return ParsedFileName{FileKind::kCurrent};
  if (name == kLockName) return ParsedFileName{FileKind::kLock};
  if (name.ends_with(kTemporarySuffix)) return ParsedFileName{FileKind::kTemporary};
  ParsedFileName parsed{FileKind::kManifest};
  if (name.starts_with(kManifestPrefix)) {
    if (ParseNumber(name.substr(kManifestPrefix.size()), &parsed.number)) return parsed;
    return std::nullopt;
  }
  if (name.ends_with(".wal")) {
    parsed.kind = FileKind::kWal;
  } else if (name.ends_with(".sst")) {
    parsed.kind = FileKind::kTable;
  } else {
    return std::nullopt;
  }
  if (!ParseNumber(name.substr(0, name.size() - 4), &parsed.number)) return std::nullopt;
  return parsed;
}

}  // namespace silt::lsm
