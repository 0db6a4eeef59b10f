// Builds one block: sorted entries, keys prefix-compressed between restart points. Bytes: lsm/FORMAT.md "Table".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace silt::lsm {

class BlockBuilder {
 public:
  explicit BlockBuilder(int restart_interval) : restart_interval_(restart_interval < 1 ? 1 : restart_interval) {}

  // REQUIRES: keys in order. Nothing after Finish before Reset.
  void Add(std::string_view key, std::string_view value);
  // The whole block; valid until Reset.
  std::string_view Finish();
  void Reset();

  bool Empty() const { return buffer_.empty(); }
  uint64_t entries() const { return entries_; }
  std::string_view last_key() const { return last_key_; }
  size_t SizeEstimate() const { return buffer_.size() + (restarts_.size() + 1) * sizeof(uint32_t); }

 private:
  int restart_interval_;
  int since_restart_ = 0;
  uint64_t entries_ = 0;
  std::string buffer_;
  std::vector<uint32_t> restarts_;
  std::string last_key_;
};

}  // namespace silt::lsm
