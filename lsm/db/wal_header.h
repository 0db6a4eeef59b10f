// The records by which WALs form one sequence: the first record of each WAL, and a marker that may follow later.
// Format: lsm/FORMAT.md "WAL". Every other record of a WAL is an encoded batch (write_batch.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lsm/status.h"
#include "lsm/types.h"

namespace silt::lsm {

// Says which WAL came before and where its last good record ends, so that recovery notices a WAL that is missing, ends
// early, or goes on behind a failed append.
struct WalHeader {
  FileNumber previous = 0;            // 0: there is none
  uint64_t previous_length = 0;       // end of its last good record
  SequenceNumber first_sequence = 0;  // of the first batch of this WAL
  bool previous_durable = false;      // all of the previous WAL was durable when this was written
};

enum class WalRecordKind : uint8_t { kBatch, kHeader, kPreviousDurable, kMalformed };

std::string EncodeWalHeader(const WalHeader& header);
// Written before the first sync of a WAL whose header could not promise it: the previous WAL is durable by now.
std::string EncodePreviousDurable();

// A batch begins with its sequence number, which is below 2^56; the others begin with a tag that is above.
WalRecordKind ClassifyWalRecord(std::string_view record);
// nullopt if it is no well-formed header.
std::optional<WalHeader> DecodeWalHeader(std::string_view record);

}  // namespace silt::lsm
