#include "lsm/table/table_dump.h"

#include <fmt/format.h>

#include <algorithm>

#include "lsm/internal_key.h"
#include "lsm/table/table_rep.h"

namespace silt::lsm {
namespace {

std::string_view CompressionName(uint8_t type) {
  switch (static_cast<Compression>(type)) {
    case Compression::kNone:
      return "none";
    case Compression::kSnappy:
      return "snappy";
    case Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

std::string_view KindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kDelete:
      return "delete";
    case EntryKind::kPut:
      return "put";
    case EntryKind::kRangeDelete:
      return "range-delete";
  }
  return "unknown";
}

std::string DescribeKey(std::string_view internal_key) {
  ParsedInternalKey parsed;
  if (!ParseInternalKey(internal_key, &parsed)) {
    // Separators have a trailer of their own kind.
    if (internal_key.size() < kTrailerSize) return EscapeBytes(internal_key);
    return fmt::format("'{}' @{}", EscapeBytes(ExtractUserKey(internal_key)), ExtractSequence(internal_key));
  }
  return fmt::format("'{}' @{} {}", EscapeBytes(parsed.user_key), parsed.sequence, KindName(parsed.kind));
}

class Dumper {
 public:
  Dumper(const TableDumpOptions& options, const std::function<void(std::string_view)>& out)
      : options_(options), out_(out) {}

  Status Run(const RandomAccessFile& file, const std::string& path) {
    source_.file = &file;
    source_.name = path;
    size_ = file.Size();
    Line("table {}: {} bytes", path, size_);
    if (!DumpFooter()) return first_damage_;
    DumpProperties();
    DumpFilter();
    DumpRangeTombstones();
    DumpIndex();
    return first_damage_;
  }

 private:
  template <class... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    out_(fmt::format(format, std::forward<Args>(args)...));
  }
  void Damaged(const Status& status) {
    Line("DAMAGED: {}", status.ToString());
    if (first_damage_.ok()) first_damage_ = status;
  }

  // False when there is nothing to go on with.
  bool DumpFooter() {
    std::string tail(std::min<uint64_t>(size_, Footer::kSize), '\0');
    Status status = source_.ReadExactly(size_ - tail.size(), tail);
    if (status.ok()) status = Footer::Decode(tail, size_, source_.name, &footer_, true);
    if (!status.ok()) Damaged(status);
    if (footer_.properties.empty()) return false;
    source_.salt = footer_.salt;
    source_.limit = size_ - Footer::kSize;
    Line("footer: {} index, salt {:016x}, file size {}", footer_.two_level_index ? "two-level" : "one-level",
         footer_.salt, footer_.file_size);
    Line("  filter           {}", Describe(footer_.filter));
    Line("  range tombstones {}", Describe(footer_.range_tombstones));
    Line("  index            {}", Describe(footer_.index));
    Line("  properties       {}", Describe(footer_.properties));
    return true;
  }
  static std::string Describe(const BlockHandle& handle) {
    return handle.empty() ? "none" : fmt::format("{} bytes at {}", handle.size, handle.offset);
  }

  // Null after saying what is wrong, or when there is no such block.
  BlockRef Read(const BlockHandle& handle) {
    if (handle.empty()) return nullptr;
    auto block = ReadBlock(source_, handle);
    if (block) return *block;
    Damaged(block.error());
    return nullptr;
  }

  void DumpProperties() {
    BlockRef block = Read(footer_.properties);
    if (block == nullptr) return;
    auto decoded = TableProperties::Decode(block->view());
    if (!decoded) return Damaged(source_.Damage(footer_.properties.offset, decoded.error().message()));
    const TableProperties& p = *decoded;
    Line("properties:");
    Line("  family {}, created at {} (Unix time)", p.family, p.creation_seconds);
    Line("  {} entries, of them {} tombstones; {} range tombstones", p.entries, p.tombstones, p.range_tombstones);
    Line("  {} bytes of keys, {} of values", p.raw_key_bytes, p.raw_value_bytes);
    Line("  {} data blocks, of them {} dense with tombstones", p.data_blocks, p.tombstone_dense_blocks);
    Line("  sequences {} to {}", p.smallest_sequence, p.largest_sequence);
    Line("  keys '{}' to '{}'{}", EscapeBytes(p.smallest), EscapeBytes(p.largest),
         p.largest_exclusive ? " (exclusive)" : "");
  }

  void DumpFilter() {
    BlockRef block = Read(footer_.filter);
    if (block == nullptr) return;
    Filter filter;
    if (!filter.Open(block->view())) return Damaged(source_.Damage(footer_.filter.offset, "malformed filter"));
    Line("filter: {} cache lines", filter.MemoryUsage() / Filter::kBlockBytes);
  }

  void DumpRangeTombstones() {
    BlockRef block = Read(footer_.range_tombstones);
    if (block == nullptr) return;
    auto list = DecodeRangeTombstones(block->view());
    if (!list) return Damaged(source_.Damage(footer_.range_tombstones.offset, "malformed range tombstones"));
    Line("range tombstones:");
    for (const RangeTombstone& t : *list) {
      Line("  '{}' to '{}' @{}", EscapeBytes(t.begin), EscapeBytes(t.end), t.sequence);
    }
  }

  void DumpIndex() {
    BlockRef top = Read(footer_.index);
    if (top == nullptr) return;
    DumpIndexBlock(footer_.index.offset, top->view(), footer_.two_level_index);
    Line("index: {} data blocks in {} partitions, {} bytes stored", data_blocks_, partitions_, data_bytes_);
  }

  // Partition by partition, so that a damaged one costs only its own blocks.
  void DumpIndexBlock(uint64_t offset, std::string_view block, bool of_partitions) {
    BlockCursor cursor(block);
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
      std::string_view value = cursor.value();
      BlockHandle handle;
      if (!GetBlockHandle(&value, &handle)) {
        Damaged(source_.Damage(offset, "malformed handle in the index"));
      } else if (of_partitions) {
        ++partitions_;
        BlockRef partition = Read(handle);
        if (partition != nullptr) DumpIndexBlock(handle.offset, partition->view(), false);
      } else {
        ++data_blocks_;
        data_bytes_ += handle.size;
        if (options_.blocks || options_.entries) DumpDataBlock(handle, cursor.key());
      }
    }
    if (cursor.malformed()) Damaged(source_.Damage(offset, "malformed index block"));
  }

  void DumpDataBlock(const BlockHandle& handle, std::string_view separator) {
    Line("block {} up to {}", Describe(handle), DescribeKey(separator));
    BlockRef block = Read(handle);
    if (block == nullptr) return;
    char type = 0;
    if (source_.ReadExactly(handle.offset + handle.size, {&type, 1}).ok()) {
      Line("  compression {}, {} bytes decompressed", CompressionName(static_cast<uint8_t>(type)), block->size());
    }
    uint64_t entries = 0;
    BlockCursor cursor(block->view());
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next(), ++entries) {
      if (options_.entries) DumpEntry(cursor.key(), cursor.value());
    }
    if (cursor.malformed()) Damaged(source_.Damage(handle.offset, "malformed data block"));
    Line("  {} entries", entries);
  }

  void DumpEntry(std::string_view key, std::string_view value) {
    std::string shown = EscapeBytes(value.substr(0, options_.max_value_bytes));
    Line("    {}: {} bytes '{}'{}", DescribeKey(key), value.size(), shown,
         value.size() > options_.max_value_bytes ? "..." : "");
  }

  const TableDumpOptions& options_;
  const std::function<void(std::string_view)>& out_;
  BlockSource source_;
  uint64_t size_ = 0;
  Footer footer_;
  Status first_damage_;
  uint64_t data_blocks_ = 0;
  uint64_t partitions_ = 0;
  uint64_t data_bytes_ = 0;
};

}  // namespace

std::string EscapeBytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (char c : bytes) {
    auto byte = static_cast<uint8_t>(c);
    if (c == '\\') {
      out.append("\\\\");
    } else if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out.append(fmt::format("\\x{:02x}", byte));
    }
  }
  return out;
}

Status DumpTable(Storage* storage, const std::string& path, const TableDumpOptions& options,
                 const std::function<void(std::string_view line)>& out) {
  auto file = storage->NewRandomAccessFile(path);
  if (!file) return file.error();
  return Dumper(options, out).Run(**file, path);
}

}  // namespace silt::lsm
