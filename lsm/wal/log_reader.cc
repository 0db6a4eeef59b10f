#include "lsm/wal/log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace silt::lsm {
namespace {

constexpr size_t kReadBytes = 8 * kLogBlockSize;
// After damage so many blocks are searched at every byte; of the others (a recycled or preallocated tail may be long)
// only those that begin with a fragment of this log.
constexpr uint64_t kBlocksSearchedByByte = 8;

uint64_t EndOfBlock(uint64_t offset) {
  return (offset / kLogBlockSize + 1) * kLogBlockSize;
}

bool AllZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

bool IsKnownType(FragmentType type) {
  return type >= FragmentType::kFull && type <= FragmentType::kLast;
}

// FIRST and MIDDLE are cut where the block ends.
bool FillsBlock(FragmentType type) {
  return type == FragmentType::kFirst || type == FragmentType::kMiddle;
}

}  // namespace

LogReader::LogReader(std::unique_ptr<RandomAccessFile> file, std::string name, FileNumber number)
    : file_(std::move(file)), name_(std::move(name)), number_(number) {}

bool LogReader::ReadRecord(std::string_view* record) {
  if (finished_) return false;
  if (!SkipPadding()) return Finish(position_, position_, Found::kNothing);
  const uint64_t start = position_;
  record_.clear();
  for (bool inside = false;; inside = true) {
    Fragment fragment;
    Found found = Parse(position_, &fragment);
    if (found != Found::kFragment) return Finish(position_, start, found);
    bool begins = fragment.type == FragmentType::kFull || fragment.type == FragmentType::kFirst;
    if (begins == inside) return Finish(position_, start, Found::kBad);
    salt_ = fragment.salt;
    promise_ = std::max<uint64_t>(promise_, fragment.durable);
    position_ = fragment.end();
    if (fragment.type != FragmentType::kFull) record_.append(fragment.payload);
    if (FillsBlock(fragment.type)) continue;
    *record = fragment.type == FragmentType::kFull ? fragment.payload : record_;
    last_record_offset_ = start;
    end_of_last_record_ = position_;
    return true;
  }
}

// To the next place where a record may begin. False when bytes that should be zeros are not.
bool LogReader::SkipPadding() {
  uint64_t end = EndOfBlock(position_);
  if (end - position_ >= kLogHeaderSize) return true;
  if (!AllZero(RestOfBlock(position_))) return false;
  position_ = end;
  return true;
}

// What the file holds between `offset` and the end of its block; shorter at the end of the file, empty past it or after
// an error, which is in status_.
std::string_view LogReader::RestOfBlock(uint64_t offset) {
  if (offset >= file_->Size()) return {};
  uint64_t end = std::min(EndOfBlock(offset), file_->Size());
  if (buffer_.empty() || offset < buffer_offset_ || end > buffer_offset_ + buffer_.size()) {
    buffer_offset_ = offset / kLogBlockSize * kLogBlockSize;
    buffer_.resize(std::min<uint64_t>(kReadBytes, file_->Size() - buffer_offset_));
    auto length = file_->Read(buffer_offset_, buffer_);
    if (!length) status_ = length.error();
    buffer_.resize(length.value_or(0));
  }
  std::string_view bytes(buffer_);
  bytes = bytes.substr(std::min<uint64_t>(offset - buffer_offset_, bytes.size()));
  return bytes.substr(0, end - offset);
}

// Nothing is trusted before the checksum has been seen to match; what is checked earlier only saves the hashing.
LogReader::Found LogReader::Parse(uint64_t offset, Fragment* fragment) {
  std::string_view bytes = RestOfBlock(offset);
  if (bytes.size() < kLogHeaderSize) return AllZero(bytes) ? Found::kNothing : Found::kBad;
  FragmentHeader header = DecodeFragmentHeader(bytes.data());
  if (header.log_number != static_cast<uint32_t>(number_) || (salt_ && header.salt != *salt_)) return Found::kNothing;
  if (AllZero(bytes.substr(0, kLogHeaderSize))) return Found::kNothing;

  std::string_view payload = bytes.substr(kLogHeaderSize);
  if (header.length > payload.size() || !IsKnownType(header.type) || header.durable > offset) return Found::kBad;
  payload = payload.substr(0, header.length);
  *fragment = {offset, header.durable, header.salt, header.type, payload};
  if (FillsBlock(header.type) && fragment->end() != EndOfBlock(offset)) return Found::kBad;
  return FragmentChecksum(bytes.data(), header.length) == header.checksum ? Found::kFragment : Found::kBad;
}

// The log ends here, in peace or not. `record_start` is where the record that cannot be read begins.
bool LogReader::Finish(uint64_t bad_offset, uint64_t record_start, Found found) {
  finished_ = true;
  if (status_.ok()) ScanForPromises(bad_offset);
  if (!status_.ok()) return false;
  if (promise_ > record_start) {
    status_ =
        Status::Corruption(fmt::format("{} at offset {}: damaged, although everything below {} had been made durable; "
                                       "siltfs fsck --repair keeps what can be read",
                                       name_, bad_offset, promise_));
    return false;
  }
  bool inside_record = bad_offset != record_start;
  end_ = inside_record || found == Found::kBad || found_later_ ? LogEnd::kTorn : LogEnd::kClean;
  return false;
}

// Looks for fragments of this log behind the place where reading ended: what they promise tells damage from a torn
// tail. Lengths cannot be followed there, hence the search.
void LogReader::ScanForPromises(uint64_t offset) {
  ScanBytes(offset, EndOfBlock(offset));
  uint64_t start = EndOfBlock(offset);
  // From here on little is read of much: a preallocated tail must not all pass through the page cache.
  file_->Advise(0, 0, AccessPattern::kRandom);
  for (uint64_t i = 0; start < file_->Size() && status_.ok(); ++i, start += kLogBlockSize) {
    bool near = i < kBlocksSearchedByByte;
    if (near || BlockMayBeOurs(start)) ScanBlock(start, near);
  }
}

bool LogReader::BlockMayBeOurs(uint64_t start) {
  std::array<char, kLogHeaderSize> bytes;
  auto length = file_->Read(start, bytes);
  if (!length) status_ = length.error();
  if (length.value_or(0) < bytes.size()) return false;
  FragmentHeader header = DecodeFragmentHeader(bytes.data());
  return header.log_number == static_cast<uint32_t>(number_) && (!salt_ || header.salt == *salt_);
}

void LogReader::ScanBlock(uint64_t start, bool every_byte) {
  Fragment fragment;
  if (Parse(start, &fragment) == Found::kFragment && Accept(fragment, Trust::kAnySalt)) {
    ScanBytes(fragment.end(), EndOfBlock(start));
  } else if (every_byte) {
    ScanBytes(start + 1, EndOfBlock(start));
  }
}

void LogReader::ScanBytes(uint64_t offset, uint64_t end) {
  constexpr size_t kNumberAt = 8;
  std::array<char, 4> number;
  EncodeFixed<uint32_t>(number.data(), static_cast<uint32_t>(number_));
  while (offset < end) {
    // Nearly all places are ruled out by the number alone.
    size_t at = RestOfBlock(offset).find(std::string_view(number.data(), number.size()), kNumberAt);
    if (at == std::string_view::npos) return;
    offset += at - kNumberAt;
    Fragment fragment;
    bool ours = Parse(offset, &fragment) == Found::kFragment && Accept(fragment, Trust::kSameSalt);
    offset = ours ? fragment.end() : offset + 1;
  }
}

// A whole fragment of this log's number counts only if this writer wrote it: a recycled file's tail may hold user data,
// and user data may hold anything, a copy of some other log included.
bool LogReader::Accept(const Fragment& fragment, Trust trust) {
  if (!salt_) {
    if (trust == Trust::kSameSalt && !SaltRepairsFirstFragment(fragment.salt)) return false;
    salt_ = fragment.salt;
  }
  promise_ = std::max<uint64_t>(promise_, fragment.durable);
  found_later_ = true;
  return true;
}

// For a log whose first fragment is damaged: true if its salt is this one, or was before its salt was damaged.
bool LogReader::SaltRepairsFirstFragment(uint32_t salt) {
  std::array<char, kLogBlockSize> block;
  auto size = file_->Read(0, block);
  if (!size || *size < kLogHeaderSize) return false;
  FragmentHeader header = DecodeFragmentHeader(block.data());
  if (header.salt == salt) return true;
  if (header.length > *size - kLogHeaderSize) return false;
  header.salt = salt;
  EncodeFragmentHeader(block.data(), header);
  return FragmentChecksum(block.data(), header.length) == header.checksum;
}

}  // namespace silt::lsm
