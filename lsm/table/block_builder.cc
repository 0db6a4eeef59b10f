#include "lsm/table/block_builder.h"

#include <algorithm>

#include "lsm/coding.h"

namespace silt::lsm {

void BlockBuilder::Add(std::string_view key, std::string_view value) {
  size_t shared = 0;
  if (restarts_.empty() || since_restart_ == restart_interval_) {
    restarts_.push_back(static_cast<uint32_t>(buffer_.size()));
    since_restart_ = 0;
  } else {
    size_t limit = std::min(key.size(), last_key_.size());
    while (shared < limit && key[shared] == last_key_[shared]) ++shared;
  }
  char header[3 * kMaxVarint64];
  char* end = EncodeVarint64(header, shared);
  end = EncodeVarint64(end, key.size() - shared);
  end = EncodeVarint64(end, value.size());
  buffer_.append(header, static_cast<size_t>(end - header));
  buffer_.append(key.substr(shared));
  buffer_.append(value);
  last_key_.assign(key);
  ++since_restart_;
  ++entries_;
}

std::string_view BlockBuilder::Finish() {
  for (uint32_t restart : restarts_) PutFixed<uint32_t>(&buffer_, restart);
  PutFixed<uint32_t>(&buffer_, static_cast<uint32_t>(restarts_.size()));
  return buffer_;
}

void BlockBuilder::Reset() {
  buffer_.clear();
  restarts_.clear();
  last_key_.clear();
  since_restart_ = 0;
  entries_ = 0;
}

}  // namespace silt::lsm
