// Verify: every byte of a table is read and checked, and what the table says of itself is checked against its contents.
#include <fmt/format.h>

#include <algorithm>

#include "lsm/table/table_rep.h"

namespace silt::lsm {
namespace {

constexpr size_t kVerifyReadBytes = 512 << 10;

class Verifier {
 public:
  Verifier(const BlockSource& source, const std::function<void(uint64_t)>& progress)
      : source_(source), progress_(progress), read_ahead_(kVerifyReadBytes) {
    source_.cache = nullptr;
  }

  Status Run(uint64_t size) {
    auto metadata = TableMetadata::Load(&source_, size);
    if (!metadata) return metadata.error();
    metadata_ = &*metadata;
    SILT_RETURN_IF_ERROR(CheckDataBlocks());
    SILT_RETURN_IF_ERROR(CheckPartitions());
    SILT_RETURN_IF_ERROR(CheckProperties());
    if (progress_) progress_(size);
    return Status::Ok();
  }

 private:
  // Data blocks fill the file from its start without a gap.
  Status CheckDataBlocks() {
    const Footer& footer = metadata_->footer;
    std::string_view top = metadata_->index == nullptr ? std::string_view() : metadata_->index->view();
    IndexCursor index(&source_, top, footer.index.offset, footer.two_level_index, false);
    for (index.SeekToFirst(); index.Valid(); index.Next()) {
      const BlockHandle& handle = index.handle();
      if (handle.offset != position_) return Bad(handle.offset, "data blocks do not lie side by side");
      SILT_RETURN_IF_ERROR(CheckDataBlock(handle, index.separator()));
      position_ = handle.end();
      if (progress_) progress_(position_);
    }
    return index.status();
  }

  Status CheckDataBlock(const BlockHandle& handle, std::string_view separator) {
    auto block = FetchBlock(source_, handle, {.fill_cache = false, .read_ahead = &read_ahead_});
    if (!block) return block.error();
    BlockCursor cursor((*block)->view());
    uint64_t entries = 0;
    uint64_t tombstones = 0;
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next(), ++entries) {
      SILT_RETURN_IF_ERROR(CheckEntry(handle.offset, cursor.key(), cursor.value(), &tombstones));
    }
    if (cursor.malformed() || entries == 0) return Bad(handle.offset, "malformed data block");
    if (CompareInternal(last_key_, separator) > 0) return Bad(handle.offset, "key beyond its block's separator");
    last_separator_ = separator;
    ++seen_.data_blocks;
    seen_.entries += entries;
    seen_.tombstones += tombstones;
    if (tombstones * 2 >= entries) ++seen_.tombstone_dense_blocks;
    return Status::Ok();
  }

  Status CheckEntry(uint64_t offset, std::string_view key, std::string_view value, uint64_t* tombstones) {
    ParsedInternalKey parsed;
    if (!ParseInternalKey(key, &parsed) || parsed.kind == EntryKind::kRangeDelete) {
      return Bad(offset, "malformed entry");
    }
    if (!last_key_.empty() && CompareInternal(last_key_, key) >= 0) return Bad(offset, "keys out of order");
    if (!last_separator_.empty() && CompareInternal(last_separator_, key) >= 0) {
      return Bad(offset, "key before its block");
    }
    if (!metadata_->filter.MayContain(parsed.user_key)) return Bad(offset, "key missing from the filter");
    if (last_key_.empty()) seen_.smallest = parsed.user_key;
    last_key_ = key;
    if (parsed.kind == EntryKind::kDelete) ++*tombstones;
    seen_.raw_key_bytes += key.size();
    seen_.raw_value_bytes += value.size();
    AddSequence(parsed.sequence);
    return Status::Ok();
  }

  // Index partitions follow the data blocks, up to the metadata.
  Status CheckPartitions() {
    const Footer& footer = metadata_->footer;
    if (footer.two_level_index) {
      BlockCursor top(metadata_->index->view());
      for (top.SeekToFirst(); top.Valid(); top.Next()) {
        BlockHandle handle;
        std::string_view value = top.value();
        if (!GetBlockHandle(&value, &handle)) return Bad(footer.index.offset, "malformed handle in the index");
        if (handle.offset != position_) return Bad(handle.offset, "index partitions do not lie side by side");
        position_ = handle.end();  // reading data blocks has read and checked the partition
      }
    }
    if (position_ == footer.MetadataBegin()) return Status::Ok();
    return Bad(position_, "bytes that belong to no block");
  }

  Status CheckProperties() {
    const Footer& footer = metadata_->footer;
    const TableProperties& said = metadata_->properties;
    if (!last_key_.empty()) seen_.largest = ExtractUserKey(last_key_);
    const auto& fragments = metadata_->range_tombstones.fragments();
    for (const auto& fragment : fragments) {
      seen_.range_tombstones += fragment.sequences.size();
      for (SequenceNumber sequence : fragment.sequences) AddSequence(sequence);
    }
    if (!fragments.empty()) {
      if (seen_.entries == 0 || fragments.front().begin < seen_.smallest) seen_.smallest = fragments.front().begin;
      if (seen_.entries == 0 || fragments.back().end > seen_.largest) {
        seen_.largest = fragments.back().end;
        seen_.largest_exclusive = true;
      }
    }
    seen_.family = said.family;
    seen_.creation_seconds = said.creation_seconds;
    if (seen_.Encode() == said.Encode()) return Status::Ok();
    return Bad(footer.properties.offset, "properties do not match the contents");
  }

  void AddSequence(SequenceNumber sequence) {
    seen_.smallest_sequence = any_ ? std::min(seen_.smallest_sequence, sequence) : sequence;
    seen_.largest_sequence = std::max(seen_.largest_sequence, sequence);
    any_ = true;
  }
  Status Bad(uint64_t offset, std::string_view what) const { return source_.Damage(offset, what); }

  BlockSource source_;
  const std::function<void(uint64_t)>& progress_;
  ReadAhead read_ahead_;
  const TableMetadata* metadata_ = nullptr;
  uint64_t position_ = 0;  // everything before is checked
  std::string last_key_;
  std::string last_separator_;
  TableProperties seen_;
  bool any_ = false;
};

}  // namespace

Status VerifyTable(const BlockSource& source, uint64_t size, const std::function<void(uint64_t)>& progress) {
  return Verifier(source, progress).Run(size);
}

}  // namespace silt::lsm
