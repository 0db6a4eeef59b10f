#include "lsm/db/wal_recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "lsm/coding.h"
#include "lsm/db/wal_header.h"
#include "lsm/filenames.h"
#include "lsm/wal/log_reader.h"
#include "lsm/write_batch.h"

namespace silt::lsm {
namespace {

constexpr const char* kRemedy = "; siltfs fsck --repair keeps what can be read";

class Recovery {
 public:
  Recovery(const WalRecoveryInput& input, const ReplayBatch& replay) : input_(input), replay_(replay) {}

  Result<RecoveredWals> Run() {
    Status status = ReadHeaders();
    if (status.ok()) status = FollowChain();
    if (status.ok()) status = ReplayChain();
    if (!status.ok()) return Fail(status);
    result_.tail.last_sequence = std::max(last_, input_.flushed_sequence);
    return std::move(result_);
  }

 private:
  Result<LogReader> Open(FileNumber number) const {
    auto file = input_.storage->NewRandomAccessFile(JoinPath(input_.dir, WalName(number)));
    if (!file) return Fail(file.error());
    return LogReader(std::move(*file), WalName(number), number);
  }

  // A WAL without a header holds nothing: it was prepared and not used yet, or its beginning was never made durable.
  Status ReadHeaders() {
    for (FileNumber number : input_.present) {
      if (number < input_.first_needed) {
        result_.superfluous.push_back(number);
        continue;
      }
      auto reader = Open(number);
      if (!reader) return reader.error();
      std::string_view record;
      std::optional<WalHeader> header;
      if (reader->ReadRecord(&record)) {
        header = DecodeWalHeader(record);
        if (!header) return Status::Corruption(WalName(number) + ": its first record is no header" + kRemedy);
      } else {
        SILT_RETURN_IF_ERROR(reader->status());
      }
      headers_[number] = header;
    }
    return Status::Ok();
  }

  // The newest header says what came before, and so on back to the first WAL that is needed. What is not on the way
  // was given up: a WAL whose header could not be written for sure.
  Status FollowChain() {
    auto newest = std::find_if(headers_.rbegin(), headers_.rend(), [](auto& wal) { return wal.second.has_value(); });
    if (newest != headers_.rend()) {
      SILT_RETURN_IF_ERROR(FollowBackFrom(newest->first));
      std::reverse(chain_.begin(), chain_.end());
    }
    if (input_.first_needed != 0) {
      if (!headers_.contains(input_.first_needed)) return Missing(input_.first_needed, 0);
      // It may have lost all it held, header included; it stays the beginning all the same.
      if (chain_.empty()) chain_.push_back(input_.first_needed);
      if (chain_.front() != input_.first_needed) {
        return Status::Corruption(fmt::format("{} does not follow {}, with which the MANIFEST says the WALs begin{}",
                                              WalName(chain_.front()), WalName(input_.first_needed), kRemedy));
      }
    }
    for (const auto& [number, header] : headers_) {
      if (std::find(chain_.begin(), chain_.end(), number) == chain_.end()) result_.superfluous.push_back(number);
    }
    return Status::Ok();
  }

  Status FollowBackFrom(FileNumber number) {
    while (true) {
      chain_.push_back(number);
      const auto& header = headers_.at(number);
      if (header) {
        if (header->previous == 0 || header->previous < input_.first_needed) return Status::Ok();
        if (header->previous >= number) return Status::Corruption(WalName(number) + ": malformed header");
        if (!headers_.contains(header->previous)) return Missing(header->previous, number);
        number = header->previous;
        continue;
      }
      // It was in use, but lost its beginning; so it ends the sequence, which reaches to the newest WAL before it.
      auto before = std::find_if(std::make_reverse_iterator(headers_.find(number)), headers_.rend(),
                                 [](auto& wal) { return wal.second.has_value(); });
      if (before == headers_.rend()) {
        bool first_is_empty = input_.first_needed != 0 && headers_.contains(input_.first_needed);
        if (first_is_empty && number != input_.first_needed) chain_.push_back(input_.first_needed);
        return Status::Ok();
      }
      number = before->first;
    }
  }

  Status Missing(FileNumber number, FileNumber named_by) const {
    return Status::Corruption(fmt::format("{} is missing: {} needs it{}", WalName(number),
                                          named_by == 0 ? "the MANIFEST" : WalName(named_by), kRemedy));
  }

  Status ReplayChain() {
    for (size_t i = 0; i < chain_.size(); ++i) {
      uint64_t declared = std::numeric_limits<uint64_t>::max();
      const WalHeader* successor = i + 1 < chain_.size() ? HeaderOf(chain_[i + 1]) : nullptr;
      if (successor != nullptr) declared = successor->previous_length;
      uint64_t end = 0;
      SILT_RETURN_IF_ERROR(ReplayOne(chain_[i], declared, &end));
      result_.tail.number = chain_[i];
      result_.tail.length = end;
      result_.tail.numbers.push_back(chain_[i]);
      if (successor != nullptr && end < declared) return StopAtTornEnd(i, end, declared);
    }
    return Status::Ok();
  }

  const WalHeader* HeaderOf(FileNumber number) const {
    const auto& header = headers_.at(number);
    return header ? &*header : nullptr;
  }

  // Replays the records that end at or before `declared`.
  Status ReplayOne(FileNumber number, uint64_t declared, uint64_t* end) {
    auto reader = Open(number);
    if (!reader) return reader.error();
    std::string_view record;
    while (reader->ReadRecord(&record)) {
      if (reader->EndOfLastRecord() > declared) return Status::Ok();  // behind a failed append
      SILT_RETURN_IF_ERROR(ReplayRecord(number, reader->LastRecordOffset(), record));
      *end = reader->EndOfLastRecord();
    }
    return reader->status();
  }

  Status ReplayRecord(FileNumber number, uint64_t offset, std::string_view record) {
    auto damaged = [&](std::string_view what) {
      return Status::Corruption(fmt::format("{} at offset {}: {}{}", WalName(number), offset, what, kRemedy));
    };
    switch (ClassifyWalRecord(record)) {
      case WalRecordKind::kHeader: {
        if (offset != 0) return damaged("a header in the middle");
        SequenceNumber first = headers_.at(number)->first_sequence;
        bool follows = first == last_ + 1;
        bool flushed = first <= input_.flushed_sequence + 1;
        if (!follows && !(flushed && first > last_)) {
          return damaged(fmt::format("it begins with sequence {}, but {} is next", first,
                                     std::max(last_, input_.flushed_sequence) + 1));
        }
        last_ = first - 1;
        return Status::Ok();
      }
      case WalRecordKind::kPreviousDurable:
        return Status::Ok();
      case WalRecordKind::kMalformed:
        return damaged("neither a batch nor a header");
      case WalRecordKind::kBatch:
        break;
    }
    auto first = DecodeFixed<uint64_t>(record.data());
    auto count = DecodeFixed<uint32_t>(record.data() + sizeof(uint64_t));
    if (first != last_ + 1 || count == 0) {
      return damaged(fmt::format("a batch of {} with sequence {}, but {} is next", count, first, last_ + 1));
    }
    last_ += count;
    if (last_ <= input_.flushed_sequence) return Status::Ok();
    Status status = replay_(number, record);
    return status.IsCorruption() ? damaged(status.message()) : status;
  }

  // chain_[i] lacks its end. That is a torn end, behind which nothing counts, unless it is known to have been durable.
  Status StopAtTornEnd(size_t i, uint64_t end, uint64_t declared) {
    for (size_t later = i + 1; later < chain_.size(); ++later) {
      const WalHeader* header = HeaderOf(chain_[later]);
      bool promised = header != nullptr && header->previous_durable;
      if (!promised) {
        auto reader = Open(chain_[later]);
        if (!reader) return reader.error();
        std::string_view record;
        while (!promised && reader->ReadRecord(&record)) {
          promised = ClassifyWalRecord(record) == WalRecordKind::kPreviousDurable;
        }
        SILT_RETURN_IF_ERROR(reader->status());
      }
      if (promised) {
        return Status::Corruption(
            fmt::format("{} at offset {}: it ends here, but {} says that it was durable up to {}{}", WalName(chain_[i]),
                        end, WalName(chain_[later]), declared, kRemedy));
      }
    }
    for (size_t later = i + 1; later < chain_.size(); ++later) {
      result_.notes.push_back(fmt::format("{}: discarded, it follows the torn end of {} at offset {}",
                                          WalName(chain_[later]), WalName(chain_[i]), end));
      result_.superfluous.push_back(chain_[later]);
    }
    return Status::Ok();
  }

  const WalRecoveryInput& input_;
  const ReplayBatch& replay_;
  std::map<FileNumber, std::optional<WalHeader>> headers_;
  std::vector<FileNumber> chain_;  // oldest first
  SequenceNumber last_ = 0;
  RecoveredWals result_;
};

}  // namespace

Result<RecoveredWals> ReplayWals(const WalRecoveryInput& input, const ReplayBatch& replay) {
  return Recovery(input, replay).Run();
}

}  // namespace silt::lsm
