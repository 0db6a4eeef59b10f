// Point reads: memtables, then L0 from new to old, then one table in each level below.
#include <optional>

#include "lsm/db/db_impl.h"
#include "lsm/filenames.h"

namespace silt::lsm {

// What the reads of one call share.
struct DbImpl::PointRead {
  PointRead(const ReadOptions& options, FamilyId f) : family(f), table_options{options.fill_cache, 0} {}

  const FamilyId family;
  const TableReadOptions table_options;
  ReadViewRef view;
  SequenceNumber sequence = 0;
  // The tables opened last, by level: neighbouring keys of a MultiGet mostly need the same ones.
  std::array<std::shared_ptr<Table>, kNumLevels> last_table;
  std::array<FileNumber, kNumLevels> last_number{};
};

namespace {

// What one table says of a key.
enum class Answer : uint8_t { kNothing, kFound, kDeleted };

struct Probe {
  Answer answer = Answer::kNothing;
  bool read_blocks = false;  // not saved by the filter
};

// A tombstone's sequence and an entry's are compared here, within one source; between sources age decides.
Result<Probe> ProbeTable(const Table& table, const TableReadOptions& options, const LookupKey& key,
                         SequenceNumber sequence, PinnedValue* value) {
  SequenceNumber entry = 0;
  auto lookup = table.Get(options, key, sequence, value, &entry);
  if (!lookup) return Fail(lookup.error());
  Probe probe;
  probe.read_blocks = *lookup != Table::Lookup::kFilteredOut;
  bool there = *lookup == Table::Lookup::kFound || *lookup == Table::Lookup::kDeleted;
  const FragmentedRangeTombstones& ranges = table.range_tombstones();
  SequenceNumber covering = ranges.Empty() ? 0 : ranges.CoveringSequence(key.user_key, sequence);
  if (covering > (there ? entry : 0)) {
    probe.answer = Answer::kDeleted;
  } else if (there) {
    probe.answer = *lookup == Table::Lookup::kFound ? Answer::kFound : Answer::kDeleted;
  }
  return probe;
}

}  // namespace

SequenceNumber DbImpl::ReadSequence(const ReadOptions& options) const {
  return options.snapshot != nullptr ? options.snapshot->sequence() : LastSequence();
}

void DbImpl::ChargeSeek(const FileMeta& file) {
  if (file.allowed_seeks.fetch_sub(1, std::memory_order_relaxed) != 1) return;
  std::lock_guard lock(mutex_);
  compaction_check_ = true;
  compaction_wake_.notify_all();
}

Status DbImpl::GetFromView(PointRead* read, const LookupKey& key, PinnedValue* value) {
  auto in_memtable = [&](const std::shared_ptr<MemTable>& memtable) {
    std::string_view bytes;
    SequenceNumber found = 0;
    MemTable::Lookup lookup = memtable->Get(read->family, key, read->sequence, &bytes, &found);
    if (lookup == MemTable::Lookup::kFound) value->Pin(bytes, memtable);
    return lookup;
  };
  auto verdict = [&](bool found) {
    if (found) return Status::Ok();
    value->Reset();
    return Status::NotFound();
  };

  MemTable::Lookup lookup = in_memtable(read->view->memtable);
  for (size_t i = 0; lookup == MemTable::Lookup::kAbsent && i < read->view->immutables.size(); ++i) {
    lookup = in_memtable(read->view->immutables[i]);
  }
  if (lookup != MemTable::Lookup::kAbsent) return verdict(lookup == MemTable::Lookup::kFound);

  const FileMeta* first_read = nullptr;  // pays when a second table had to be read
  bool charged = false;
  auto in_table = [&](int level, const FileRef& file) -> Result<Answer> {
    if (read->last_number[level] != file->number) {
      auto table = table_cache_.Get(file->number, file->size);
      if (!table) return Fail(table.error());
      read->last_table[level] = std::move(*table);
      read->last_number[level] = file->number;
    }
    auto probe = ProbeTable(*read->last_table[level], read->table_options, key, read->sequence, value);
    if (!probe) return Fail(probe.error());
    if (!probe->read_blocks) {
      counters_.filter_negatives.Add();
    } else if (first_read == nullptr) {
      first_read = file.get();
    } else if (!charged) {
      charged = true;
      ChargeSeek(*first_read);
    }
    return probe->answer;
  };

  const FamilyVersion& family = read->view->version->families[read->family];
  for (const FileRef& file : family.levels[0]) {
    if (!FileContains(*file, key.user_key)) continue;
    auto answer = in_table(0, file);
    if (!answer) return answer.error();
    if (*answer != Answer::kNothing) return verdict(*answer == Answer::kFound);
  }
  for (int level = 1; level < kNumLevels; ++level) {
    const FileRef* file = family.FileFor(level, key.user_key);
    if (file == nullptr) continue;
    auto answer = in_table(level, *file);
    if (!answer) return answer.error();
    if (*answer != Answer::kNothing) return verdict(*answer == Answer::kFound);
  }
  return verdict(false);
}

Status DbImpl::Get(const ReadOptions& options, FamilyId family, std::string_view key, PinnedValue* value) {
  if (family >= options_.families.size()) return Status::InvalidArgument(fmt::format("no family {}", family));
  SILT_RETURN_IF_ERROR(CheckOpen());
  counters_.gets.Add();
  PointRead read(options, family);
  read.view = view_.Load();  // before the sequence number: see ReadViewHolder
  read.sequence = ReadSequence(options);
  Status status = GetFromView(&read, key, value);
  CountDamage(status);
  return status;
}

void DbImpl::MultiGet(const ReadOptions& options, FamilyId family, std::span<const std::string_view> keys,
                      std::span<PinnedValue> values, std::span<Status> statuses) {
  Status usable = CheckOpen();
  if (family >= options_.families.size()) usable = Status::InvalidArgument(fmt::format("no family {}", family));
  if (!usable.ok()) {
    for (Status& status : statuses) status = usable;
    return;
  }
  counters_.gets.Add(keys.size());
  PointRead read(options, family);
  read.view = view_.Load();
  read.sequence = ReadSequence(options);
  for (size_t i = 0; i < keys.size(); ++i) {
    statuses[i] = GetFromView(&read, keys[i], &values[i]);
    CountDamage(statuses[i]);
  }
}

}  // namespace silt::lsm
