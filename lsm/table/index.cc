#include "lsm/table/index.h"

#include <algorithm>

#include "lsm/internal_key.h"

namespace silt::lsm {

std::string SeparatorBetween(std::string_view last, std::string_view next) {
  std::string_view a = ExtractUserKey(last);
  std::string_view b = ExtractUserKey(next);
  size_t common = 0;
  size_t limit = std::min(a.size(), b.size());
  while (common < limit && a[common] == b[common]) ++common;
  // b's prefix that reaches one byte past what they share is > a. It must stay < b, and is only worth it if shorter.
  size_t length = common + 1;
  if (common == a.size() || length >= b.size() || length >= a.size()) return std::string(last);
  return MakeSeekKey(b.substr(0, length), kMaxSequence);
}

std::string SeparatorAfter(std::string_view last) {
  std::string_view user_key = ExtractUserKey(last);
  for (size_t i = 0; i + 1 < user_key.size(); ++i) {
    if (static_cast<uint8_t>(user_key[i]) == 0xff) continue;
    std::string shortened(user_key.substr(0, i + 1));
    shortened[i] = static_cast<char>(static_cast<uint8_t>(shortened[i]) + 1);
    return MakeSeekKey(shortened, kMaxSequence);
  }
  return std::string(last);
}

// ---- IndexBuilder

void IndexBuilder::Add(std::string_view separator, const BlockHandle& handle) {
  if (block_.SizeEstimate() >= partition_bytes_) CutPartition();
  std::string value;
  PutBlockHandle(&value, handle);
  block_.Add(separator, value);
}

void IndexBuilder::CutPartition() {
  if (block_.Empty()) return;
  std::string separator(block_.last_key());
  partitions_.push_back({std::string(block_.Finish()), std::move(separator)});
  block_.Reset();
}

IndexBuilder::Finished IndexBuilder::Finish(const std::function<BlockHandle(std::string_view)>& write) {
  if (partitions_.empty()) return {block_.Finish(), false};
  CutPartition();
  for (const Partition& partition : partitions_) {
    std::string value;
    PutBlockHandle(&value, write(partition.block));
    block_.Add(partition.separator, value);
  }
  return {block_.Finish(), true};
}

// ---- IndexCursor

bool IndexCursor::DecodeHandle(const BlockCursor& cursor, uint64_t block_offset, BlockHandle* handle) {
  std::string_view value = cursor.value();
  if (GetBlockHandle(&value, handle) && value.empty()) return true;
  status_ = source_->Damage(block_offset, "malformed handle in the index");
  return false;
}

bool IndexCursor::OpenPartition() {
  if (!top_.Valid()) {
    partition_.Close();
    partition_block_.reset();
    if (top_.malformed()) status_ = source_->Damage(index_offset_, "malformed index block");
    return false;
  }
  BlockHandle handle;
  if (!DecodeHandle(top_, index_offset_, &handle)) return false;
  if (partition_block_ != nullptr && handle == partition_handle_ && !partition_.malformed()) return true;
  auto block = FetchBlock(*source_, handle, {.fill_cache = fill_cache_, .priority = CachePriority::kHigh});
  if (!block) {
    partition_.Close();
    partition_block_.reset();
    status_ = block.error();
    return false;
  }
  partition_.Open((*block)->view());
  partition_block_ = std::move(*block);
  partition_handle_ = handle;
  return true;
}

void IndexCursor::Settle() {
  if (!status_.ok()) return;
  uint64_t offset = two_level_ ? partition_handle_.offset : index_offset_;
  if (leaf().Valid()) {
    DecodeHandle(leaf(), offset, &handle_);
  } else if (leaf().malformed()) {
    status_ = source_->Damage(offset, "malformed index block");
  }
}

void IndexCursor::SeekToFirst() {
  status_ = Status::Ok();
  top_.SeekToFirst();
  if (two_level_ && OpenPartition()) partition_.SeekToFirst();
  Settle();
}

void IndexCursor::SeekToLast() {
  status_ = Status::Ok();
  top_.SeekToLast();
  if (two_level_ && OpenPartition()) partition_.SeekToLast();
  Settle();
}

void IndexCursor::Seek(std::string_view internal_key) {
  status_ = Status::Ok();
  top_.Seek(internal_key);
  if (two_level_ && OpenPartition()) partition_.Seek(internal_key);
  Settle();
}

void IndexCursor::Next() {
  leaf().Next();
  if (two_level_ && !partition_.Valid() && !partition_.malformed()) {
    top_.Next();
    if (OpenPartition()) partition_.SeekToFirst();
  }
  Settle();
}

void IndexCursor::Prev() {
  leaf().Prev();
  if (two_level_ && !partition_.Valid() && !partition_.malformed()) {
    top_.Prev();
    if (OpenPartition()) partition_.SeekToLast();
  }
  Settle();
}

}  // namespace silt::lsm
