// Reads the WALs of a store back as the one sequence that they are.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db/wal_set.h"
#include "lsm/status.h"
#include "lsm/storage/storage.h"
#include "lsm/types.h"

namespace silt::lsm {

struct RecoveredWals {
  WalTail tail;                         // where the sequence ends, and which WALs hold it
  std::vector<FileNumber> superfluous;  // WALs that hold nothing: obsolete, empty, or behind a torn end
  std::vector<std::string> notes;       // for the event log
};

struct WalRecoveryInput {
  Storage* storage = nullptr;
  std::string dir;
  std::vector<FileNumber> present;      // every WAL in the directory
  FileNumber first_needed = 0;          // as the MANIFEST says; 0: whichever there are
  SequenceNumber flushed_sequence = 0;  // as the MANIFEST says: tables hold everything up to here
};

// Called for each batch that the tables do not hold yet, in order. `wal`: where it is.
using ReplayBatch = std::function<Status(FileNumber wal, std::string_view batch)>;

// Changes nothing on the disk. A torn end is where the sequence ends. kCorruption, with the file's name, when bytes are
// damaged or a WAL is missing that is known to have been durable, or when the sequence numbers have a gap.
Result<RecoveredWals> ReplayWals(const WalRecoveryInput& input, const ReplayBatch& replay);

}  // namespace silt::lsm
