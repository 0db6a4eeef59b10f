// Reading a table's footer and what it points to.
#include <algorithm>

#include "lsm/table/table_rep.h"

namespace silt::lsm {
namespace {

// Holds the metadata of tables with few keys, and the larger part of the others'.
constexpr uint64_t kTailBytes = 64 << 10;

}  // namespace

std::optional<std::vector<RangeTombstone>> DecodeRangeTombstones(std::string_view block) {
  std::vector<RangeTombstone> list;
  BlockCursor cursor(block);
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
    ParsedInternalKey parsed;
    if (!ParseInternalKey(cursor.key(), &parsed) || parsed.kind != EntryKind::kRangeDelete) return std::nullopt;
    if (parsed.user_key >= cursor.value()) return std::nullopt;
    list.push_back({std::string(parsed.user_key), std::string(cursor.value()), parsed.sequence});
  }
  if (cursor.malformed()) return std::nullopt;
  return list;
}

Result<TableMetadata> TableMetadata::Load(BlockSource* source, uint64_t size) {
  uint64_t tail_size = std::min(size, kTailBytes);
  std::string bytes(tail_size, '\0');
  if (Status status = source->ReadExactly(size - tail_size, bytes); !status.ok()) return Fail(status);

  TableMetadata metadata;
  Status status = Footer::Decode(bytes, size, source->name, &metadata.footer);
  if (!status.ok()) return Fail(status);
  uint64_t begin = metadata.footer.MetadataBegin();
  uint64_t have = size - tail_size;
  if (begin < have) {
    std::string head(have - begin, '\0');
    if (status = source->ReadExactly(begin, head); !status.ok()) return Fail(status);
    bytes.insert(0, head);
    have = begin;
  }
  source->salt = metadata.footer.salt;
  source->limit = size - Footer::kSize;
  if (status = metadata.LoadBlocks(*source, bytes, have); !status.ok()) return Fail(status);
  return metadata;
}

Status TableMetadata::LoadBlocks(const BlockSource& source, std::string_view bytes, uint64_t bytes_offset) {
  // Footer::Decode checked that the handles lie within what was read.
  auto block_at = [&](const BlockHandle& handle) {
    return DecodeStoredBlock(source, handle.offset,
                             bytes.substr(handle.offset - bytes_offset, handle.size + kBlockTrailerSize));
  };
  if (!footer.filter.empty()) {
    auto block = block_at(footer.filter);
    if (!block) return block.error();
    if (!filter.Open((*block)->view())) return source.Damage(footer.filter.offset, "malformed filter");
  }
  if (!footer.range_tombstones.empty()) {
    auto block = block_at(footer.range_tombstones);
    if (!block) return block.error();
    auto list = DecodeRangeTombstones((*block)->view());
    if (!list) return source.Damage(footer.range_tombstones.offset, "malformed range tombstones");
    range_tombstones = FragmentedRangeTombstones(std::move(*list));
  }
  if (!footer.index.empty()) {
    auto block = block_at(footer.index);
    if (!block) return block.error();
    index = std::move(*block);
  }
  auto block = block_at(footer.properties);
  if (!block) return block.error();
  auto decoded = TableProperties::Decode((*block)->view());
  if (!decoded) return source.Damage(footer.properties.offset, decoded.error().message());
  properties = std::move(*decoded);
  return Status::Ok();
}

size_t TableMetadata::MemoryUsage() const {
  size_t bytes = filter.MemoryUsage() + (index == nullptr ? 0 : index->size());
  bytes += properties.smallest.size() + properties.largest.size();
  for (const auto& fragment : range_tombstones.fragments()) {
    bytes += sizeof fragment + fragment.begin.size() + fragment.end.size() +
             fragment.sequences.size() * sizeof(SequenceNumber);
  }
  return bytes;
}

}  // namespace silt::lsm
