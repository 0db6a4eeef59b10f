// What a table says of itself, in its properties block and in the MANIFEST.
#pragma once

#include <cstdint>
#include <string>

#include "lsm/status.h"
#include "lsm/types.h"

namespace silt::lsm {

struct TableProperties {
  FamilyId family = 0;
  uint64_t entries = 0;           // point entries, tombstones included
  uint64_t tombstones = 0;        // point deletes
  uint64_t range_tombstones = 0;
  uint64_t raw_key_bytes = 0;
  uint64_t raw_value_bytes = 0;
  uint64_t data_blocks = 0;
  uint64_t tombstone_dense_blocks = 0;  // data blocks in which at least half of the entries are tombstones
  uint64_t creation_seconds = 0;        // Unix time
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  // User keys. The range covers point keys and range tombstones; largest_exclusive: the bound is a tombstone's end, and
  // no key equal to it is in the table or covered by it.
  std::string smallest;
  std::string largest;
  bool largest_exclusive = false;

  // Tagged fields: unknown tags are skipped on reading, so that newer tables stay readable.
  std::string Encode() const;
  static Result<TableProperties> Decode(std::string_view data);
};

}  // namespace silt::lsm
