#include "lsm/table/block.h"

#include <limits>

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

struct EntryHeader {
  uint32_t shared;
  uint32_t rest;
  uint32_t value_size;
};

// Returns where the key's rest begins, or null when the entry does not fit before `limit`.
const char* DecodeEntryHeader(const char* in, const char* limit, EntryHeader* header) {
  if (limit - in < 3) return nullptr;
  auto a = static_cast<uint8_t>(in[0]);
  auto b = static_cast<uint8_t>(in[1]);
  auto c = static_cast<uint8_t>(in[2]);
  if ((a | b | c) < 0x80) {
    *header = {a, b, c};
    in += 3;
  } else {
    in = DecodeVarint32(in, limit, &header->shared);
    if (in != nullptr) in = DecodeVarint32(in, limit, &header->rest);
    if (in != nullptr) in = DecodeVarint32(in, limit, &header->value_size);
    if (in == nullptr) return nullptr;
  }
  auto room = static_cast<uint64_t>(limit - in);
  return uint64_t{header->rest} + header->value_size <= room ? in : nullptr;
}

}  // namespace

void BlockCursor::Open(std::string_view block) {
  data_ = block.data();
  entries_end_ = 0;
  restarts_ = 0;
  malformed_ = false;
  key_.Clear();
  value_ = {};
  Invalidate();
  if (block.empty()) return;
  if (block.size() < sizeof(uint32_t) || block.size() > std::numeric_limits<uint32_t>::max()) return Fail();
  auto count = DecodeFixed<uint32_t>(block.data() + block.size() - sizeof(uint32_t));
  uint64_t array = (uint64_t{count} + 1) * sizeof(uint32_t);
  if (count == 0 || array >= block.size()) return Fail();
  entries_end_ = static_cast<uint32_t>(block.size() - array);
  restarts_ = count;
}

uint32_t BlockCursor::RestartOffset(uint32_t index) const {
  return DecodeFixed<uint32_t>(data_ + entries_end_ + size_t{index} * sizeof(uint32_t));
}

bool BlockCursor::RestartKey(uint32_t index, std::string_view* key) const {
  uint32_t offset = RestartOffset(index);
  if (offset >= entries_end_) return false;
  EntryHeader header{};
  const char* rest = DecodeEntryHeader(data_ + offset, data_ + entries_end_, &header);
  if (rest == nullptr || header.shared != 0 || header.rest < kTrailerSize) return false;
  *key = {rest, header.rest};
  return true;
}

void BlockCursor::GoToRestart(uint32_t index) {
  uint32_t offset = RestartOffset(index);
  if (offset >= entries_end_) return Fail();
  key_.Clear();
  current_ = next_ = offset;
}

bool BlockCursor::Advance() {
  if (next_ >= entries_end_) {
    Invalidate();
    return false;
  }
  EntryHeader header{};
  const char* rest = DecodeEntryHeader(data_ + next_, data_ + entries_end_, &header);
  if (rest == nullptr || header.shared > key_.size() || uint64_t{header.shared} + header.rest < kTrailerSize) {
    Fail();
    return false;
  }
  key_.Replace(header.shared, {rest, header.rest});
  value_ = {rest + header.rest, header.value_size};
  current_ = next_;
  next_ = static_cast<uint32_t>(value_.data() + value_.size() - data_);
  return true;
}

void BlockCursor::SeekToFirst() {
  if (restarts_ == 0) return Invalidate();
  GoToRestart(0);
  if (!malformed_) Advance();
}

void BlockCursor::SeekToLast() {
  if (restarts_ == 0) return Invalidate();
  GoToRestart(restarts_ - 1);
  while (!malformed_ && Advance() && next_ < entries_end_) {
  }
}

bool BlockCursor::FindRestartBefore(std::string_view target, uint32_t* index) const {
  uint32_t low = 0;
  uint32_t high = restarts_ - 1;
  while (low < high) {
    uint32_t middle = low + (high - low + 1) / 2;
    std::string_view key;
    if (!RestartKey(middle, &key)) return false;
    if (CompareInternal(key, target) < 0) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  *index = low;
  return true;
}

void BlockCursor::Seek(std::string_view target) {
  if (restarts_ == 0) return Invalidate();
  uint32_t restart = 0;
  if (!FindRestartBefore(target, &restart)) return Fail();
  GoToRestart(restart);
  while (!malformed_ && Advance() && CompareInternal(key_.view(), target) < 0) {
  }
}

void BlockCursor::SeekForPrev(std::string_view target) {
  Seek(target);
  if (malformed_) return;
  if (!Valid()) {
    SeekToLast();
  } else if (CompareInternal(key_.view(), target) > 0) {
    Prev();
  }
}

void BlockCursor::Next() {
  Advance();
}

// The restart points are offsets in growing order in a well-formed block; in a malformed one the result is merely some
// restart point, and Prev checks that it led to the entry.
uint32_t BlockCursor::RestartBeforeOffset(uint32_t offset) const {
  uint32_t low = 0;
  uint32_t high = restarts_ - 1;
  while (low < high) {
    uint32_t middle = low + (high - low + 1) / 2;
    if (RestartOffset(middle) < offset) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

void BlockCursor::Prev() {
  uint32_t target = current_;
  uint32_t first = RestartOffset(0);
  if (target == first) return Invalidate();
  GoToRestart(RestartBeforeOffset(target));
  if (malformed_) return;
  while (Advance() && next_ < target) {
  }
  if (!malformed_ && next_ != target) Fail();
}

}  // namespace silt::lsm
