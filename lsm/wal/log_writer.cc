#include "lsm/wal/log_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace silt::lsm {
namespace {

// A scratch buffer that a rare huge record has blown up is given back.
constexpr size_t kScratchToKeep = 4 << 20;

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

Status LogWriter::AddRecord(std::string_view payload) {
  if (!undone_) return Status::IoError(fmt::format("{}: unusable since a failed write could not be undone", name_));
  if (poisoned_) return Status::IoError(fmt::format("{}: unusable since a sync failed", name_));
  uint64_t position = file_->Position();
  if (!Encode(payload, position)) {
    return Status::InvalidArgument(fmt::format("{}: a record of {} bytes would take the log past {} bytes", name_,
                                               payload.size(), kMaxLogFileSize));
  }
  Status status = file_->Append(scratch_);
  if (!status.ok()) Undo(position);
  if (scratch_.capacity() > kScratchToKeep) std::string().swap(scratch_);
  return status;
}

bool LogWriter::Encode(std::string_view payload, uint64_t position) {
  uint64_t size = EncodedSize(position, payload.size());
  if (payload.size() > kMaxLogFileSize || position + size > kMaxLogFileSize) return false;
  scratch_.clear();
  scratch_.reserve(size);
  if (RoomInBlock(position) < kLogHeaderSize) scratch_.append(RoomInBlock(position), '\0');
  bool first = true;
  do {
    size_t room = RoomInBlock(position + scratch_.size()) - kLogHeaderSize;
    std::string_view piece = payload.substr(0, room);
    payload.remove_prefix(piece.size());
    bool last = payload.empty();
    AppendFragment(first ? (last ? FragmentType::kFull : FragmentType::kFirst)
                         : (last ? FragmentType::kLast : FragmentType::kMiddle),
                   piece);
    first = false;
  } while (!payload.empty());
  return true;
}

void LogWriter::AppendFragment(FragmentType type, std::string_view piece) {
  size_t at = scratch_.size();
  scratch_.append(kLogHeaderSize, '\0');
  scratch_.append(piece);
  char* fragment = scratch_.data() + at;
  EncodeFragmentHeader(fragment, {.log_number = static_cast<uint32_t>(number_),
                                  .salt = salt_,
                                  .durable = static_cast<uint32_t>(durable_.load(std::memory_order_relaxed)),
                                  .length = static_cast<uint16_t>(piece.size()),
                                  .type = type});
  EncodeFixed<uint64_t>(fragment, FragmentChecksum(fragment, piece.size()));
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
