#include "lsm/db/wal_header.h"

#include "lsm/coding.h"
#include "lsm/write_batch.h"

namespace silt::lsm {
namespace {

// Read as bytes: "siltwalH" and "siltwalD". As integers both are far above kMaxSequence.
constexpr uint64_t kHeaderTag = 0x486c'6177'746c'6973;
constexpr uint64_t kDurableTag = 0x446c'6177'746c'6973;
static_assert(kHeaderTag > kMaxSequence && kDurableTag > kMaxSequence);

constexpr uint8_t kPreviousDurableFlag = 1;

}  // namespace

std::string EncodeWalHeader(const WalHeader& header) {
  std::string out;
  PutFixed<uint64_t>(&out, kHeaderTag);
  PutFixed<uint64_t>(&out, header.previous);
  PutFixed<uint64_t>(&out, header.previous_length);
  PutFixed<uint64_t>(&out, header.first_sequence);
  PutFixed<uint8_t>(&out, header.previous_durable ? kPreviousDurableFlag : 0);
  return out;
}

std::string EncodePreviousDurable() {
  std::string out;
  PutFixed<uint64_t>(&out, kDurableTag);
  return out;
}

WalRecordKind ClassifyWalRecord(std::string_view record) {
  if (record.size() < sizeof(uint64_t)) return WalRecordKind::kMalformed;
  auto tag = DecodeFixed<uint64_t>(record.data());
  if (tag == kHeaderTag) return WalRecordKind::kHeader;
  if (tag == kDurableTag) return WalRecordKind::kPreviousDurable;
  if (tag > kMaxSequence || record.size() < WriteBatch::kHeaderSize) return WalRecordKind::kMalformed;
  return WalRecordKind::kBatch;
}

std::optional<WalHeader> DecodeWalHeader(std::string_view record) {
  WalHeader header;
  uint64_t tag = 0;
  uint8_t flags = 0;
  bool whole = GetFixed(&record, &tag) && GetFixed(&record, &header.previous) &&
               GetFixed(&record, &header.previous_length) && GetFixed(&record, &header.first_sequence) &&
               GetFixed(&record, &flags);
  if (!whole || tag != kHeaderTag || !record.empty()) return std::nullopt;
  header.previous_durable = (flags & kPreviousDurableFlag) != 0;
  return header;
}

}  // namespace silt::lsm
