#include "lsm/table/table.h"

#include <fmt/format.h>

#include "lsm/internal_key.h"
#include "lsm/table/table_rep.h"

namespace silt::lsm {

Table::Table() = default;
Table::~Table() = default;

Result<std::shared_ptr<Table>> Table::Open(std::unique_ptr<RandomAccessFile> file, std::string name, FileNumber number,
                                           uint64_t size, BlockCache* cache) {
  if (file->Size() != size) {
    return Fail(TableCorruption(name, std::min(size, file->Size()),
                                fmt::format("file has {} bytes instead of {}", file->Size(), size)));
  }
  file->Advise(0, size, AccessPattern::kRandom);
  auto rep = std::make_unique<Rep>();
  rep->file = std::move(file);
  rep->source = {.file = rep->file.get(), .name = std::move(name), .number = number, .cache = cache};
  auto metadata = TableMetadata::Load(&rep->source, size);
  if (!metadata) return Fail(metadata.error());
  rep->metadata = std::move(*metadata);
  std::shared_ptr<Table> table(new Table);
  table->rep_ = std::move(rep);
  return table;
}

Result<Table::Lookup> Table::Get(const TableReadOptions& options, const LookupKey& key, SequenceNumber snapshot,
                                 PinnedValue* value, SequenceNumber* sequence) const {
  const Rep& rep = *rep_;
  if (rep.metadata.index == nullptr) return Lookup::kAbsent;
  if (!rep.metadata.filter.MayContain(key)) return Lookup::kFilteredOut;

  KeyBuffer target;
  target.AssignSeekKey(key.user_key, snapshot);
  const Footer& footer = rep.metadata.footer;
  IndexCursor index(&rep.source, rep.TopIndex(), footer.index.offset, footer.two_level_index, options.fill_cache);
  index.Seek(target.view());
  if (!index.status().ok()) return Fail(index.status());
  if (!index.Valid()) return Lookup::kAbsent;

  // Separators bound their blocks, so the entry is in this block or nowhere.
  auto block = FetchBlock(rep.source, index.handle(), {.fill_cache = options.fill_cache});
  if (!block) return Fail(block.error());
  BlockCursor cursor((*block)->view());
  cursor.Seek(target.view());
  if (cursor.malformed()) return Fail(rep.source.Damage(index.handle().offset, "malformed data block"));
  if (!cursor.Valid() || !SameBytes(ExtractUserKey(cursor.key()), key.user_key)) return Lookup::kAbsent;
  uint64_t trailer = ExtractTrailer(cursor.key());
  *sequence = trailer >> 8;
  switch (trailer & 0xff) {
    case static_cast<uint64_t>(EntryKind::kDelete):
      return Lookup::kDeleted;
    case static_cast<uint64_t>(EntryKind::kPut):
      value->Pin(cursor.value(), std::move(*block));
      return Lookup::kFound;
    default:
      return Fail(rep.source.Damage(index.handle().offset, "entry of an unknown kind"));
  }
}

std::unique_ptr<InternalIterator> Table::NewIterator(const TableReadOptions& options) const {
  return NewTableIterator(shared_from_this(), rep_->source, rep_->metadata, options);
}

const FragmentedRangeTombstones& Table::range_tombstones() const {
  return rep_->metadata.range_tombstones;
}
const TableProperties& Table::properties() const {
  return rep_->metadata.properties;
}
size_t Table::MemoryUsage() const {
  return sizeof(Table) + sizeof(Rep) + rep_->metadata.MemoryUsage();
}

Status Table::Verify(const std::function<void(uint64_t)>& progress) const {
  return VerifyTable(rep_->source, rep_->metadata.footer.file_size, progress);
}

uint64_t Table::ApproximateOffsetOf(std::string_view internal_key) const {
  const Footer& footer = rep_->metadata.footer;
  IndexCursor index(&rep_->source, rep_->TopIndex(), footer.index.offset, footer.two_level_index, true);
  index.Seek(internal_key);
  // Past the last block, or with an index that cannot be read: all data lies before it.
  return index.Valid() ? index.handle().offset : footer.MetadataBegin();
}

uint64_t Table::BlockBytesBetween(std::string_view begin, std::string_view end) const {
  const Footer& footer = rep_->metadata.footer;
  IndexCursor index(&rep_->source, rep_->TopIndex(), footer.index.offset, footer.two_level_index, true);
  if (begin <= properties().smallest) {
    index.SeekToFirst();
  } else {
    index.Seek(MakeSeekKey(begin, kMaxSequence));  // the block that also has keys before `begin`, maybe
    if (index.Valid()) index.Next();
  }
  if (!index.Valid()) return 0;
  const uint64_t from = index.handle().offset;
  index.Seek(MakeSeekKey(end, kMaxSequence));
  if (!index.status().ok()) return 0;
  const uint64_t to = index.Valid() ? index.handle().offset : footer.MetadataBegin();
  return to > from ? to - from : 0;
}

}  // namespace silt::lsm
