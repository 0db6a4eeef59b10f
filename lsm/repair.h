// Repair (lsm/db.h) for those who show how far it is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "lsm/db.h"

namespace silt::lsm {

// Bytes of tables and WALs gone through so far, and in all: what is to be merged counts twice, once for reading and once
// for merging. `done` never falls, and equals `total` only when the new MANIFEST is durable.
using RepairProgress = std::function<void(uint64_t done, uint64_t total)>;

// `progress` may be empty; it is called by this thread.
Result<RepairReport> Repair(const Options& options, const std::string& path, const RepairProgress& progress);

}  // namespace silt::lsm
