#include "fs/file_data.h"

#include <algorithm>

namespace silt::fs {

using schema::InodeRecord;

bool FileData::IsDense(const InodeRecord& record) const {
  return (record.flags & schema::kBlocksBeyondEnd) == 0 && record.blocks == BlocksFor(record.size);
}

bool FileData::MayExist(const InodeRecord& record, uint64_t block) const {
  if (record.blocks == 0) return false;
  return block < BlocksFor(record.size) || (record.flags & schema::kBlocksBeyondEnd) != 0;
}

Outcome FileData::ForEachBlock(InodeNumber ino, uint64_t first, uint64_t last_excl,
                               const std::function<bool(uint64_t, std::string_view)>& visit) {
  if (first >= last_excl) return {};
  const size_t bytes = std::min(last_excl - first, kMaxBulkRead / block_size_) * block_size_;
  auto it = records_->Scan(schema::kData, schema::BlocksBetween(ino, first, last_excl), bytes >= kBulkRead ? bytes : 0);
  for (it->Seek(schema::DataKey(ino, first)); it->Valid(); it->Next()) {
    auto key = schema::ParseDataKey(it->key());
    if (!key || it->value().size() > block_size_) return records_->Damaged(ino, "a data block has a bad key or size");
    if (!visit(key->block, it->value())) return {};
  }
  if (!it->status().ok()) return records_->Failed(ino, it->status());
  return {};
}

Result<FileData::BlockCount> FileData::CountBlocks(InodeNumber ino, const InodeRecord& record, uint64_t first,
                                                   uint64_t last_excl) {
  uint64_t end = BlocksFor(record.size);
  if ((record.flags & schema::kBlocksBeyondEnd) == 0) last_excl = std::min(last_excl, end);
  BlockCount count;
  if (record.blocks == 0 || first >= last_excl) return count;
  const bool all_alike = record.promised == 0 || record.promised == record.blocks;
  if (IsDense(record) && all_alike) {
    count.blocks = last_excl - first;
    count.promised = record.promised == 0 ? 0 : count.blocks;
    return count;
  }
  if (last_excl - first == 1) {
    lsm::PinnedValue value;
    auto found = records_->Block(ino, first, block_size_, &value);
    if (!found) return tl::unexpected(found.error());
    count.blocks = *found ? 1 : 0;
    count.promised = *found && value.view().empty() ? 1 : 0;
    return count;
  }
  auto scanned = ForEachBlock(ino, first, last_excl, [&](uint64_t, std::string_view value) {
    if (value.empty()) ++count.promised;
    return ++count.blocks < record.blocks;
  });
  if (!scanned) return tl::unexpected(scanned.error());
  return count;
}

Result<size_t> FileData::Read(InodeNumber ino, const InodeRecord& record, uint64_t offset, std::span<char> out) {
  if (offset >= record.size || out.empty()) return 0;
  out = out.first(std::min<uint64_t>(out.size(), record.size - offset));
  if (record.blocks == 0) {
    std::fill(out.begin(), out.end(), '\0');
    return out.size();
  }
  uint64_t block = offset / block_size_;
  if ((offset + out.size() - 1) / block_size_ != block) {
    if (auto read = ReadBlocks(ino, offset, out); !read) return tl::unexpected(read.error());
    return out.size();
  }
  lsm::PinnedValue value;
  auto found = records_->Block(ino, block, block_size_, &value);
  if (!found) return tl::unexpected(found.error());
  size_t begin = offset % block_size_;
  std::string_view bytes = *found && begin < value.size() ? value.view().substr(begin, out.size()) : std::string_view{};
  std::fill(std::copy(bytes.begin(), bytes.end(), out.begin()), out.end(), '\0');
  return out.size();
}

Outcome FileData::ReadBlocks(InodeNumber ino, uint64_t offset, std::span<char> out) {
  const uint64_t first = offset / block_size_;
  const uint64_t last = (offset + out.size() - 1) / block_size_;
  size_t filled = 0;
  auto scanned = ForEachBlock(ino, first, last + 1, [&](uint64_t block, std::string_view value) {
    uint64_t block_start = block * block_size_;
    if (block == first) value.remove_prefix(std::min<size_t>(value.size(), offset - block_start));
    size_t at = block == first ? 0 : block_start - offset;  // where the block belongs in what is read
    std::fill(out.begin() + filled, out.begin() + at, '\0');
    value = value.substr(0, out.size() - at);
    std::copy(value.begin(), value.end(), out.begin() + at);
    filled = at + value.size();
    return true;
  });
  if (!scanned) return scanned;
  std::fill(out.begin() + filled, out.end(), '\0');  // holes at the end
  return {};
}

void FileData::PutBlock(InodeNumber ino, uint64_t block, std::string_view bytes, lsm::WriteBatch* batch) {
  batch->Put(schema::kData, schema::DataKey(ino, block), schema::BlockValue(bytes));
}

void FileData::PutPromised(InodeNumber ino, uint64_t block, lsm::WriteBatch* batch) {
  batch->Put(schema::kData, schema::DataKey(ino, block), {});
}

// A write into part of a block, or up to the end of the file: read, change, put.
Outcome FileData::WritePart(InodeNumber ino, const InodeRecord& record, uint64_t block, uint32_t begin,
                            std::string_view data, BlockCount* existing, lsm::WriteBatch* batch) {
  lsm::PinnedValue old;
  if (MayExist(record, block)) {
    auto found = records_->Block(ino, block, block_size_, &old);
    if (!found) return tl::unexpected(found.error());
    if (*found) {
      ++existing->blocks;
      if (old.view().empty()) ++existing->promised;
    }
  }
  std::string bytes(std::max<size_t>(old.size(), begin + data.size()), '\0');
  std::copy(old.view().begin(), old.view().end(), bytes.begin());
  std::copy(data.begin(), data.end(), bytes.begin() + begin);
  PutBlock(ino, block, bytes, batch);
  return {};
}

Outcome FileData::Write(InodeNumber ino, InodeRecord* record, uint64_t offset, std::string_view data,
                        lsm::WriteBatch* batch) {
  if (data.empty()) return {};
  BlockCount existing;
  uint64_t touched = 0;
  uint64_t whole_first = UINT64_MAX;  // the run of blocks that are overwritten whole
  uint64_t whole_count = 0;
  uint64_t at = offset;
  for (std::string_view rest = data; !rest.empty(); ++touched) {
    uint64_t block = at / block_size_;
    auto begin = static_cast<uint32_t>(at % block_size_);
    std::string_view part = rest.substr(0, block_size_ - begin);
    if (part.size() == block_size_) {
      PutBlock(ino, block, part, batch);
      if (whole_count++ == 0) whole_first = block;
    } else if (auto written = WritePart(ino, *record, block, begin, part, &existing, batch); !written) {
      return written;
    }
    rest.remove_prefix(part.size());
    at += part.size();
  }
  if (whole_count > 0) {
    auto whole = CountBlocks(ino, *record, whole_first, whole_first + whole_count);
    if (!whole) return tl::unexpected(whole.error());
    existing.blocks += whole->blocks;
    existing.promised += whole->promised;
  }
  record->blocks += touched - existing.blocks;
  record->promised -= std::min(record->promised, existing.promised);
  record->size = std::max(record->size, offset + data.size());
  return {};
}

Outcome FileData::EraseBlocks(InodeNumber ino, InodeRecord* record, uint64_t first, uint64_t last_excl,
                              lsm::WriteBatch* batch) {
  if ((record->flags & schema::kBlocksBeyondEnd) == 0) last_excl = std::min(last_excl, BlocksFor(record->size));
  if (first >= last_excl || record->blocks == 0) return {};
  if (first == 0 && last_excl >= BlocksFor(record->size)) {
    if ((record->flags & schema::kBlocksBeyondEnd) == 0 || last_excl > schema::kMaxFileSize / block_size_) {
      EraseAll(ino, *record, batch);
      record->blocks = record->promised = 0;
      return {};
    }
  }
  auto count = CountBlocks(ino, *record, first, last_excl);
  if (!count) return tl::unexpected(count.error());
  if (count->blocks == 0) return {};
  if (last_excl - first <= kMaxPointDeletes) {
    for (uint64_t block = first; block < last_excl; ++block) {
      batch->Delete(schema::kData, schema::DataKey(ino, block));
    }
  } else {
    auto range = schema::BlocksBetween(ino, first, last_excl);
    batch->DeleteRange(schema::kData, range.begin, range.end);
  }
  record->blocks -= count->blocks;
  record->promised -= std::min(record->promised, count->promised);
  return {};
}

void FileData::EraseAll(InodeNumber ino, const InodeRecord& record, lsm::WriteBatch* batch) const {
  if (record.blocks == 0) return;
  if (IsDense(record) && record.blocks <= kMaxPointDeletes) {
    for (uint64_t block = 0; block < record.blocks; ++block) {
      batch->Delete(schema::kData, schema::DataKey(ino, block));
    }
    return;
  }
  auto range = schema::BlocksOf(ino);
  batch->DeleteRange(schema::kData, range.begin, range.end);
}

Outcome FileData::Truncate(InodeNumber ino, InodeRecord* record, uint64_t size, lsm::WriteBatch* batch) {
  const uint64_t keep = BlocksFor(size);
  const bool beyond = (record->flags & schema::kBlocksBeyondEnd) != 0;
  if (size < record->size && size % block_size_ != 0) {
    auto begin = static_cast<uint32_t>(size % block_size_);
    if (auto cut = ZeroWithin(ino, record, keep - 1, begin, block_size_, batch); !cut) return cut;
  }
  if (size < record->size || (size == record->size && beyond)) {
    if (auto erased = EraseBlocks(ino, record, keep, UINT64_MAX, batch); !erased) return erased;
    record->flags &= ~schema::kBlocksBeyondEnd;
  }
  record->size = size;
  return {};
}

Outcome FileData::ZeroWithin(InodeNumber ino, InodeRecord* record, uint64_t block, uint32_t begin, uint32_t end,
                             lsm::WriteBatch* batch) {
  if (begin >= end || !MayExist(*record, block)) return {};
  lsm::PinnedValue old;
  auto found = records_->Block(ino, block, block_size_, &old);
  if (!found) return tl::unexpected(found.error());
  if (!*found || old.size() <= begin) return {};
  std::string bytes(old.view());
  std::fill(bytes.begin() + begin, bytes.begin() + static_cast<ptrdiff_t>(std::min<size_t>(end, bytes.size())), '\0');
  PutBlock(ino, block, bytes, batch);
  return {};
}

Outcome FileData::Punch(InodeNumber ino, InodeRecord* record, uint64_t offset, uint64_t length,
                        lsm::WriteBatch* batch) {
  uint64_t end = offset + length;
  // What lies behind the end of the file is zero already: the last block goes whole.
  if (end >= record->size) end = std::max(end, BlocksFor(record->size) * block_size_);
  uint64_t first = offset / block_size_;
  uint64_t last = end / block_size_;
  auto head = static_cast<uint32_t>(offset % block_size_);
  auto tail = static_cast<uint32_t>(end % block_size_);
  if (first == last) return ZeroWithin(ino, record, first, head, tail, batch);
  if (head != 0) {
    if (auto zeroed = ZeroWithin(ino, record, first, head, block_size_, batch); !zeroed) return zeroed;
    ++first;
  }
  if (auto zeroed = ZeroWithin(ino, record, last, 0, tail, batch); !zeroed) return zeroed;
  return EraseBlocks(ino, record, first, last, batch);
}

Outcome FileData::AllocateBlocks(InodeNumber ino, InodeRecord* record, uint64_t first, uint64_t last_excl, bool zero,
                                 lsm::WriteBatch* batch) {
  uint64_t next = first;  // the first block not dealt with
  auto promise_until = [&](uint64_t limit) {
    for (; next < limit; ++next) {
      PutPromised(ino, next, batch);
      ++record->blocks;
      ++record->promised;
    }
  };
  auto keep = [&](bool written) {
    if (zero && written) {
      PutPromised(ino, next, batch);
      ++record->promised;
    }
    ++next;
  };
  const InodeRecord before = *record;
  if (IsWhole(before)) {
    uint64_t have = std::clamp(BlocksFor(before.size), first, last_excl);
    while (next < have) keep(true);
  } else if (before.blocks > 0) {
    auto scanned = ForEachBlock(ino, first, last_excl, [&](uint64_t block, std::string_view value) {
      promise_until(block);
      keep(!value.empty());
      return true;
    });
    if (!scanned) return scanned;
  }
  promise_until(last_excl);
  if (last_excl > BlocksFor(before.size)) record->flags |= schema::kBlocksBeyondEnd;
  return {};
}

}  // namespace silt::fs
