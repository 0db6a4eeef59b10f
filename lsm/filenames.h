// The names of a store's files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lsm/types.h"

namespace silt::lsm {

enum class FileKind { kWal, kTable, kManifest, kCurrent, kLock, kTemporary };

struct ParsedFileName {
  FileKind kind;
  FileNumber number = 0;  // for WALs, tables and MANIFESTs
};

std::string WalName(FileNumber number);       // 000012.wal
std::string TableName(FileNumber number);     // 000012.sst
std::string ManifestName(FileNumber number);  // MANIFEST-000012
inline constexpr std::string_view kCurrentName = "CURRENT";
inline constexpr std::string_view kLockName = "LOCK";
inline constexpr std::string_view kLostDirName = "lost";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

// nullopt for names that are not the engine's.
std::optional<ParsedFileName> ParseFileName(std::string_view name);

inline std::string JoinPath(std::string_view dir, std::string_view name) {
  std::string path(dir);
  path.push_back('/');
  path.append(name);
  return path;
}

}  // namespace silt::lsm
