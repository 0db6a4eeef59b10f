// Gets out of a damaged table what can still be read, for Repair.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "lsm/storage/storage.h"
#include "lsm/version/version_edit.h"

namespace silt::lsm {

struct SalvageContext {
  const Options& options;
  Storage* storage;
  std::string dir;
  std::function<FileNumber()> new_number;
};

struct SalvagedTable {
  FileRef file;                    // a new table, durable but for its name; null when nothing could be read
  std::vector<std::string> notes;  // what is missing, one line each
};

// Every data block whose checksum matches is taken, whether the index leads to it or not: blocks that no readable part
// of the index knows are found by trying where their checksum fits. `family`: as the MANIFEST says, for when the
// table's own word for it cannot be read. The table stays as it is. A status only when something else fails than
// reading the table.
Result<SalvagedTable> SalvageTable(const SalvageContext& context, FileNumber number, std::optional<FamilyId> family);

}  // namespace silt::lsm
