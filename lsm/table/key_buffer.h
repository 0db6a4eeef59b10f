// A key under construction: inline up to the usual size, so that a point read allocates nothing.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

#include "lsm/internal_key.h"

namespace silt::lsm {

class KeyBuffer {
 public:
  KeyBuffer() = default;
  KeyBuffer(const KeyBuffer&) = delete;
  KeyBuffer& operator=(const KeyBuffer&) = delete;

  std::string_view view() const { return {data_, size_}; }
  size_t size() const { return size_; }
  void Clear() { size_ = 0; }

  // Keeps the first `keep` bytes and puts `tail` behind them. REQUIRES: keep <= size().
  void Replace(size_t keep, std::string_view tail) {
    size_t need = keep + tail.size();
    if (need > capacity_) Grow(keep, need);
    std::memcpy(data_ + keep, tail.data(), tail.size());
    size_ = need;
  }
  void Assign(std::string_view bytes) {
    if (bytes.empty()) {
      Clear();
    } else {
      Replace(0, bytes);
    }
  }
  void AssignSeekKey(std::string_view user_key, SequenceNumber sequence) {
    Assign(user_key);
    char trailer[kTrailerSize];
    EncodeFixed<uint64_t>(trailer, SeekTrailer(sequence));
    Replace(user_key.size(), {trailer, sizeof trailer});
  }

 private:
  void Grow(size_t keep, size_t need) {
    size_t capacity = std::max(need, capacity_ * 2);
    auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(bytes.get(), data_, keep);
    heap_ = std::move(bytes);
    data_ = heap_.get();
    capacity_ = capacity;
  }

  char inline_[128];
  std::unique_ptr<char[]> heap_;
  char* data_ = inline_;
  size_t size_ = 0;
  size_t capacity_ = sizeof inline_;
};

}  // namespace silt::lsm
