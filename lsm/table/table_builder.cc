#include "lsm/table/table_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "lsm/internal_key.h"
#include "lsm/table/block_builder.h"
#include "lsm/table/compression.h"
#include "lsm/table/filter.h"
#include "lsm/table/format.h"
#include "lsm/table/index.h"

namespace silt::lsm {
namespace {

constexpr size_t kWriteBytes = 256 << 10;      // gathered before each Append
constexpr uint64_t kWritebackBytes = 1 << 20;  // between hints to write back, so that the final sync finds little
constexpr int kTombstoneRestartInterval = 16;

}  // namespace

struct TableBuilder::Rep {
  Rep(const TableBuilderOptions& o, WritableFile* f, std::string n)
      : options(o),
        file(f),
        name(std::move(n)),
        salt(TableSalt(name)),
        data_block(o.restart_interval),
        index(o.index_block_bytes),
        filter(o.filter_bits_per_key),
        compressor(o.compression) {
    buffer.reserve(kWriteBytes + 2 * o.block_bytes);
    properties.family = o.family;
    properties.creation_seconds = o.creation_seconds;
    properties.smallest_sequence = std::numeric_limits<SequenceNumber>::max();
  }

  void FinishDataBlock();
  // Appends one block with its trailer.
  BlockHandle WriteBlock(std::string_view stored, Compression compression);
  BlockHandle WriteRawBlock(std::string_view block) { return WriteBlock(block, Compression::kNone); }
  void FlushBuffer();
  BlockHandle WriteRangeTombstones();
  void AddSequence(SequenceNumber sequence);
  void Fail(Status s) {
    if (status.ok()) status = std::move(s);
  }

  TableBuilderOptions options;
  WritableFile* file;
  std::string name;
  uint64_t salt;
  Status status;

  std::string buffer;         // not yet appended
  uint64_t appended = 0;      // bytes in the file
  uint64_t written_back = 0;  // bytes hinted

  BlockBuilder data_block;
  uint64_t block_tombstones = 0;
  IndexBuilder index;
  FilterBuilder filter;
  BlockCompressor compressor;
  std::string last_key;
  // A finished block whose separator waits for the first key of the next.
  bool separator_due = false;
  BlockHandle due_handle;
  std::vector<RangeTombstone> range_tombstones;
  TableProperties properties;
  bool finished = false;
};

void TableBuilder::Rep::FlushBuffer() {
  if (buffer.empty() || !status.ok()) return;
  Fail(file->Append(buffer));
  if (!status.ok()) return;
  appended += buffer.size();
  buffer.clear();
  if (appended - written_back >= kWritebackBytes) {
    file->StartWriteback(appended);
    written_back = appended;
  }
}

BlockHandle TableBuilder::Rep::WriteBlock(std::string_view stored, Compression compression) {
  BlockHandle handle{appended + buffer.size(), stored.size()};
  buffer.append(stored);
  AppendBlockTrailer(&buffer, stored.size(), compression, salt, handle.offset);
  if (buffer.size() >= kWriteBytes) FlushBuffer();
  return handle;
}

void TableBuilder::Rep::FinishDataBlock() {
  if (data_block.Empty()) return;
  ++properties.data_blocks;
  if (block_tombstones * 2 >= data_block.entries()) ++properties.tombstone_dense_blocks;
  BlockCompressor::Stored stored = compressor.Compress(data_block.Finish());
  due_handle = WriteBlock(stored.bytes, stored.compression);
  separator_due = true;
  data_block.Reset();
  block_tombstones = 0;
}

void TableBuilder::Rep::AddSequence(SequenceNumber sequence) {
  properties.smallest_sequence = std::min(properties.smallest_sequence, sequence);
  properties.largest_sequence = std::max(properties.largest_sequence, sequence);
}

BlockHandle TableBuilder::Rep::WriteRangeTombstones() {
  FragmentedRangeTombstones list(std::move(range_tombstones));
  if (list.Empty()) return {};
  BlockBuilder block(kTombstoneRestartInterval);
  for (const auto& fragment : list.fragments()) {
    for (SequenceNumber sequence : fragment.sequences) {
      block.Add(MakeInternalKey(fragment.begin, sequence, EntryKind::kRangeDelete), fragment.end);
      AddSequence(sequence);
      ++properties.range_tombstones;
    }
  }
  const std::string& begin = list.fragments().front().begin;
  const std::string& end = list.fragments().back().end;
  if (properties.entries == 0 || begin < properties.smallest) properties.smallest = begin;
  if (properties.entries == 0 || end > properties.largest) {
    properties.largest = end;
    properties.largest_exclusive = true;
  }
  return WriteRawBlock(block.Finish());
}

TableBuilder::TableBuilder(const TableBuilderOptions& options, WritableFile* file, std::string name)
    : rep_(std::make_unique<Rep>(options, file, std::move(name))) {}
TableBuilder::~TableBuilder() = default;

void TableBuilder::Add(std::string_view internal_key, std::string_view value) {
  Rep& r = *rep_;
  if (!r.status.ok()) return;
  ParsedInternalKey parsed;
  if (r.finished || !ParseInternalKey(internal_key, &parsed) || parsed.kind == EntryKind::kRangeDelete ||
      internal_key.size() + value.size() > kMaxEntryBytes) {
    return r.Fail(Status::InvalidArgument(fmt::format("{}: an entry that no table can hold", r.name)));
  }
  // A table out of order would hide keys without a checksum noticing, so this is checked in release builds as well.
  if (r.properties.entries > 0 && CompareInternal(r.last_key, internal_key) >= 0) {
    return r.Fail(Status::InvalidArgument(fmt::format("{}: entries added out of order", r.name)));
  }
  if (r.separator_due) {
    r.index.Add(SeparatorBetween(r.last_key, internal_key), r.due_handle);
    r.separator_due = false;
  }
  TableProperties& p = r.properties;
  if (p.entries == 0) p.smallest = parsed.user_key;
  ++p.entries;
  if (parsed.kind == EntryKind::kDelete) {
    ++p.tombstones;
    ++r.block_tombstones;
  }
  p.raw_key_bytes += internal_key.size();
  p.raw_value_bytes += value.size();
  r.AddSequence(parsed.sequence);
  if (r.options.filter_bits_per_key > 0) r.filter.Add(parsed.user_key);
  r.data_block.Add(internal_key, value);
  r.last_key.assign(internal_key);
  if (r.data_block.SizeEstimate() >= r.options.block_bytes) r.FinishDataBlock();
}

void TableBuilder::AddRangeTombstone(const RangeTombstone& tombstone) {
  if (tombstone.begin < tombstone.end) rep_->range_tombstones.push_back(tombstone);
}

Status TableBuilder::Finish() {
  Rep& r = *rep_;
  if (!r.status.ok()) return r.status;
  if (Empty() || r.finished) {
    r.Fail(Status::InvalidArgument(fmt::format("{}: nothing to write, or written already", r.name)));
    return r.status;
  }
  r.finished = true;
  r.FinishDataBlock();
  if (r.separator_due) r.index.Add(SeparatorAfter(r.last_key), r.due_handle);
  r.properties.largest = r.last_key.empty() ? std::string() : std::string(ExtractUserKey(r.last_key));

  Footer footer;
  auto index = r.index.Finish([&r](std::string_view partition) { return r.WriteRawBlock(partition); });
  if (!r.filter.Empty()) footer.filter = r.WriteRawBlock(r.filter.Finish());
  footer.range_tombstones = r.WriteRangeTombstones();
  if (r.properties.entries > 0) footer.index = r.WriteRawBlock(index.block);
  footer.two_level_index = index.two_level;
  footer.properties = r.WriteRawBlock(r.properties.Encode());
  footer.salt = r.salt;
  footer.file_size = r.appended + r.buffer.size() + Footer::kSize;
  r.buffer.append(footer.Encode());
  r.FlushBuffer();
  return r.status;
}

const Status& TableBuilder::status() const {
  return rep_->status;
}
bool TableBuilder::Empty() const {
  const TableProperties& p = rep_->properties;
  return p.entries == 0 && p.range_tombstones == 0 && rep_->range_tombstones.empty();
}
uint64_t TableBuilder::FileSize() const {
  uint64_t open_block = rep_->data_block.Empty() ? 0 : rep_->data_block.SizeEstimate();
  return rep_->appended + rep_->buffer.size() + open_block;
}
const TableProperties& TableBuilder::properties() const {
  return rep_->properties;
}

}  // namespace silt::lsm
