// A table as text, for people: `siltfs debug table FILE`.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/storage/storage.h"

namespace silt::lsm {

struct TableDumpOptions {
  bool blocks = false;          // a line for each data block
  bool entries = false;         // and one for each entry
  size_t max_value_bytes = 32;  // of a value shown
};

// Calls `out` for each line: footer, properties, range tombstones, index summary. Goes on past damage as far as it can,
// saying so in a line each time; the result is the first damage met, or why the file could not be read.
Status DumpTable(Storage* storage, const std::string& path, const TableDumpOptions& options,
                 const std::function<void(std::string_view line)>& out);

// Printable ASCII as it is, a backslash doubled, everything else as \xNN.
std::string EscapeBytes(std::string_view bytes);

}  // namespace silt::lsm
