// The engine's files as text, for `siltfs debug`. Each calls `line` for what it finds; what was printed before an error
// stands.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lsm/status.h"

namespace silt::mount {

using LineSink = std::function<void(const std::string& line)>;

// Paths are of files whose names the engine gave (MANIFEST-000001, 000002.wal, 000003.sst).
lsm::Status DumpManifest(const std::string& path, const LineSink& line);
lsm::Status DumpWal(const std::string& path, const LineSink& line);
// Footer, properties, range tombstones and index, going on past damage; with `blocks` also each block, with `entries`
// also each entry.
lsm::Status DumpTable(const std::string& path, bool blocks, bool entries, const LineSink& line);

// The files of a kind that `path` names: itself when it is one, all of the store's in order when it is a directory (of
// MANIFESTs only the one that CURRENT names). kInvalidArgument when it is neither, or holds none.
enum class DebugFile { kManifest, kWal, kTable };
lsm::Result<std::vector<std::string>> FilesToDump(DebugFile kind, const std::string& path);

}  // namespace silt::mount
