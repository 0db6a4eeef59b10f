#include "lsm/wal/log_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace silt::lsm {
namespace {

// Records from here on are not put together before they are written: a copy costs more than a call with many pieces.
constexpr size_t kGatherFrom = 16 << 10;

size_t RoomInBlock(uint64_t position) {
  return kLogBlockSize - position % kLogBlockSize;
}

// Bytes that a record takes at `position`, padding before it included.
uint64_t EncodedSize(uint64_t position, size_t payload) {
  uint64_t size = RoomInBlock(position) < kLogHeaderSize ? RoomInBlock(position) : 0;
  size_t room = RoomInBlock(position + size) - kLogHeaderSize;  // for payload in the first fragment
  if (payload <= room) return size + kLogHeaderSize + payload;
  constexpr size_t kPerBlock = kLogBlockSize - kLogHeaderSize;
  uint64_t further = (payload - room + kPerBlock - 1) / kPerBlock;
  return size + payload + (1 + further) * kLogHeaderSize;
}

}  // namespace

LogWriter::LogWriter(std::unique_ptr<WritableFile> file, std::string name, FileNumber number,
                     std::optional<uint32_t> salt)
    : file_(std::move(file)), name_(std::move(name)), number_(number), salt_(salt ? *salt : std::random_device()()) {}

LogWriter::~LogWriter() = default;

void LogWriter::FreeSum::operator()(XXH3_state_s* sum) const {
  XXH3_freeState(sum);
}

// Takes the payload from its pieces, front to back.
class LogWriter::PieceReader {
 public:
  explicit PieceReader(std::span<const std::string_view> pieces) : pieces_(pieces) {
    for (std::string_view piece : pieces) left_ += piece.size();
  }
  size_t left() const { return left_; }
  // Calls take(view) for each stretch of the next `bytes`. REQUIRES: bytes <= left().
  template <class Take>
  void Next(size_t bytes, Take&& take) {
    left_ -= bytes;
    while (bytes > 0) {
      std::string_view piece = pieces_.front().substr(taken_, bytes);
      if (!piece.empty()) take(piece);
      bytes -= piece.size();
      taken_ += piece.size();
      if (taken_ < pieces_.front().size()) continue;
      pieces_ = pieces_.subspan(1);
      taken_ = 0;
    }
  }

 private:
  std::span<const std::string_view> pieces_;
  size_t taken_ = 0;  // of the first piece
  size_t left_ = 0;
};

Status LogWriter::AddRecord(std::span<const std::string_view> pieces) {
  if (!undone_) return Status::IoError(fmt::format("{}: unusable since a failed write could not be undone", name_));
  if (poisoned_) return Status::IoError(fmt::format("{}: unusable since a sync failed", name_));
  uint64_t position = file_->Position();
  PieceReader payload(pieces);
  if (payload.left() > kMaxLogFileSize || position + EncodedSize(position, payload.left()) > kMaxLogFileSize) {
    return Status::InvalidArgument(fmt::format("{}: a record of {} bytes would take the log past {} bytes", name_,
                                               payload.left(), kMaxLogFileSize));
  }
  if (sum_ == nullptr) sum_.reset(XXH3_createState());
  bool gather = payload.left() >= kGatherFrom && sum_ != nullptr;
  Status status = gather ? AppendGathered(payload, position) : AppendCopied(payload, position);
  if (!status.ok()) Undo(position);
  return status;
}

template <class Fragment>
void LogWriter::SplitRecord(PieceReader payload, uint64_t position, Fragment&& fragment) {
  bool first = true;
  do {
    size_t room = RoomInBlock(position) - kLogHeaderSize;
    size_t length = std::min(room, payload.left());
    bool last = length == payload.left();
    fragment(first ? (last ? FragmentType::kFull : FragmentType::kFirst)
                   : (last ? FragmentType::kLast : FragmentType::kMiddle),
             length, &payload);
    position += kLogHeaderSize + length;
    first = false;
  } while (payload.left() > 0);
}

Status LogWriter::AppendCopied(const PieceReader& record, uint64_t position) {
  scratch_.clear();
  size_t padding = RoomInBlock(position) < kLogHeaderSize ? RoomInBlock(position) : 0;
  scratch_.append(padding, '\0');
  SplitRecord(record, position + padding, [&](FragmentType type, size_t length, PieceReader* payload) {
    size_t at = scratch_.size();
    scratch_.append(kLogHeaderSize, '\0');
    payload->Next(length, [&](std::string_view piece) { scratch_.append(piece); });
    char* fragment = scratch_.data() + at;
    EncodeFragmentHeader(fragment, HeaderOf(type, length));
    EncodeFixed<uint64_t>(fragment, FragmentChecksum(fragment, length));
  });
  return file_->Append(scratch_);
}

Status LogWriter::AppendGathered(const PieceReader& record, uint64_t position) {
  size_t padding = RoomInBlock(position) < kLogHeaderSize ? RoomInBlock(position) : 0;
  scratch_.clear();
  scratch_.reserve(EncodedSize(position, record.left()) - record.left());  // so that views of it stay
  scratch_.append(padding, '\0');
  gathered_.assign(1, scratch_);
  SplitRecord(record, position + padding, [&](FragmentType type, size_t length, PieceReader* payload) {
    size_t at = scratch_.size();
    scratch_.append(kLogHeaderSize, '\0');
    char* header = scratch_.data() + at;
    EncodeFragmentHeader(header, HeaderOf(type, length));
    gathered_.emplace_back(header, kLogHeaderSize);
    // FragmentChecksum, in pieces.
    XXH3_64bits_reset(sum_.get());
    XXH3_64bits_update(sum_.get(), header + 8, kLogHeaderSize - 8);
    payload->Next(length, [&](std::string_view piece) {
      XXH3_64bits_update(sum_.get(), piece.data(), piece.size());
      gathered_.push_back(piece);
    });
    EncodeFixed<uint64_t>(header, XXH3_64bits_digest(sum_.get()));
  });
  return file_->AppendPieces(gathered_);
}

FragmentHeader LogWriter::HeaderOf(FragmentType type, size_t length) const {
  return {.log_number = static_cast<uint32_t>(number_),
          .salt = salt_,
          .durable = static_cast<uint32_t>(durable_.load(std::memory_order_relaxed)),
          .length = static_cast<uint16_t>(length),
          .type = type};
}

// The sync is what makes the cut final. Without it a power cut could mix blocks of the failed record, which may have
// been written whole, with those of the next one, and both carry this log's number and salt.
void LogWriter::Undo(uint64_t position) {
  undone_ = false;
  if (!file_->Truncate(position).ok()) return;
  std::lock_guard guard(sync_mutex_);
  undone_ = SyncLocked(position).ok();
}

Status LogWriter::Sync() {
  // What is appended from here on is the next call's business: a promise must not cover it.
  uint64_t target = file_->Position();
  std::lock_guard guard(sync_mutex_);
  if (!poisoned_ && target != 0 && target <= durable_) return Status::Ok();  // the one before us did it
  return SyncLocked(target);
}

Status LogWriter::SyncLocked(uint64_t target) {
  if (poisoned_) return Status::IoError(fmt::format("{}: an earlier sync failed; what it lost is unknown", name_));
  Status status = file_->Sync();
  if (status.ok()) {
    durable_ = std::max(durable_.load(), target);
  } else {
    poisoned_ = true;
  }
  return status;
}

Status LogWriter::Close() {
  return file_->Close();
}

}  // namespace silt::lsm
