// WALs of any records: recovery never crashes, and what it gives is one unbroken sequence of batches.
//
// The input is taken as records: two bytes of length, one that says what kind of record it is, the record's bytes.
#include <memory>

#include "fuzz_input.h"
#include "lsm/coding.h"
#include "lsm/db/wal_header.h"
#include "lsm/db/wal_recovery.h"
#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/wal/log_writer.h"
#include "lsm/write_batch.h"

using namespace silt::lsm;
using silt::fuzz::FuzzInput;

namespace {

void CheckHeader(std::string_view record) {
  auto header = DecodeWalHeader(record);
  if (!header) return;
  SILT_FUZZ_CHECK(ClassifyWalRecord(record) == WalRecordKind::kHeader);
  SILT_FUZZ_CHECK(DecodeWalHeader(EncodeWalHeader(*header))->previous_length == header->previous_length);
}

class Store {
 public:
  explicit Store(FuzzInput input) : input_(input) {
    SILT_FUZZ_CHECK(storage_.CreateDir("s").ok());
    Begin();
    while (!input_.empty()) AddRecord();
  }

  void Recover() {
    WalRecoveryInput input{.storage = &storage_, .dir = "s", .present = numbers_, .first_needed = 0};
    SequenceNumber next = 1;
    auto recovered = ReplayWals(input, [&](FileNumber, std::string_view batch) {
      auto first = DecodeFixed<uint64_t>(batch.data());
      SILT_FUZZ_CHECK(first == next);
      uint32_t count = 0;
      SILT_RETURN_IF_ERROR(WriteBatch::Decode(
          batch, [&](SequenceNumber, EntryKind, FamilyId, std::string_view, std::string_view) { ++count; }));
      next += count;
      return Status::Ok();
    });
    SILT_FUZZ_CHECK(recovered || recovered.error().IsCorruption());
    if (recovered) SILT_FUZZ_CHECK(recovered->tail.last_sequence + 1 == next);
  }

 private:
  void Begin() {
    FileNumber number = numbers_.size() + 1;
    std::string path = JoinPath("s", WalName(number));
    uint64_t length = log_ != nullptr ? log_->Size() : 0;
    log_ = std::make_unique<LogWriter>(*storage_.NewWritableFile(path), path, number, static_cast<uint32_t>(number));
    numbers_.push_back(number);
    if (input_.Number<uint8_t>() % 16 == 0) return;  // without a header
    WalHeader header{.previous = number - 1, .previous_length = length, .first_sequence = next_};
    header.previous_durable = input_.Number<uint8_t>() % 2 == 0;
    if (input_.Number<uint8_t>() % 16 == 0) header.previous_length += input_.Number<int8_t>();
    Add(EncodeWalHeader(header));
  }
  void AddRecord() {
    uint16_t length = input_.Number<uint16_t>();
    switch (input_.Number<uint8_t>() % 6) {
      case 0:
        return Begin();
      case 1:
        return Add(EncodePreviousDurable());
      case 2: {
        std::string_view raw = input_.Bytes(length);
        CheckHeader(raw);
        return Add(raw);
      }
      case 3:
        if (input_.Number<uint8_t>() % 4 == 0) SILT_FUZZ_CHECK(log_->Sync().ok());
        return;
      default: {
        WriteBatch batch;
        batch.Put(0, input_.Bytes(length % 64), "");
        batch.SetSequence(next_++);
        return Add(batch.Data());
      }
    }
  }
  void Add(std::string_view record) { SILT_FUZZ_CHECK(log_->AddRecord(record).ok()); }

  FuzzInput input_;
  SimStorage storage_;
  std::vector<FileNumber> numbers_;
  std::unique_ptr<LogWriter> log_;
  SequenceNumber next_ = 1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Store(FuzzInput(data, size)).Recover();
  return 0;
}
