#include "lsm/db/repair_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "lsm/compaction/compaction_job.h"
#include "lsm/compaction/shape.h"
#include "lsm/db/salvage.h"
#include "lsm/filenames.h"
#include "lsm/table/table.h"

namespace silt::lsm {
namespace {

constexpr int kLastLevel = kNumLevels - 1;
constexpr int kOpenTables = 64;

}  // namespace

TableRepair::TableRepair(const Options& options, Storage* storage, std::string dir, Known known)
    : options_(options), storage_(storage), dir_(std::move(dir)), known_(std::move(known)) {}

Status TableRepair::Read() {
  std::set<FileNumber> wanted = known_.present;
  if (known_.trusted) {
    wanted.clear();
    for (const auto& [number, place] : known_.listed->places()) wanted.insert(number);
  }
  for (FileNumber number : wanted) SILT_RETURN_IF_ERROR(Examine(number));
  for (const Found& found : found_) {
    largest_sequence_ = std::max(largest_sequence_, found.file->properties.largest_sequence);
  }
  for (const auto& [number, place] : known_.listed->places()) {
    if (known_.present.contains(number)) continue;
    notes_.push_back(fmt::format("{}: missing; it was live as far as the MANIFEST can be read", TableName(number)));
  }
  return Status::Ok();
}

// --- each table on its own ---

// The table, if every byte of it is good.
Result<FileRef> TableRepair::Check(FileNumber number) const {
  auto size = storage_->FileSize(JoinPath(dir_, TableName(number)));
  if (!size) return Fail(size.error());
  uint64_t read = 0;
  auto file = ReadWhole(number, *size, [&](uint64_t position) {
    if (position > read) known_.meter->Add(position - std::exchange(read, position));
  });
  if (*size > read) known_.meter->Add(*size - read);  // what damage kept from being read
  return file;
}

Result<FileRef> TableRepair::ReadWhole(FileNumber number, uint64_t size,
                                       const std::function<void(uint64_t)>& progress) const {
  std::string name = TableName(number);
  auto file = storage_->NewRandomAccessFile(JoinPath(dir_, name));
  if (!file) return Fail(file.error());
  auto table = Table::Open(*std::move(file), name, number, size, nullptr);
  if (!table) return Fail(table.error());
  if (Status status = (*table)->Verify(progress); !status.ok()) return Fail(std::move(status));
  auto meta = std::make_shared<FileMeta>();
  meta->number = number;
  meta->size = size;
  meta->properties = (*table)->properties();
  return meta;
}

Status TableRepair::Examine(FileNumber number) {
  const LiveFiles::Place* place = known_.listed->Find(number);
  int level = place != nullptr ? place->level : -1;
  if (place != nullptr) {
    largest_sequence_ = std::max(largest_sequence_, place->file->properties.largest_sequence);
  }
  auto good = Check(number);
  if (good && (*good)->properties.family < options_.families.size()) {
    kept_.push_back(TableName(number));
    found_.push_back({(*good)->properties.family, level, *good});
    return Status::Ok();
  }
  if (!good && good.error().code() == StatusCode::kNotSupported) return good.error();
  damaged_.push_back(TableName(number));
  std::optional<FamilyId> family;
  if (place != nullptr) family = place->family;
  SalvageContext context{options_, storage_, dir_, known_.new_number};
  auto salvaged = SalvageTable(context, number, family);
  if (!salvaged) return salvaged.error();
  if (!good) notes_.push_back(good.error().message());
  notes_.insert(notes_.end(), salvaged->notes.begin(), salvaged->notes.end());
  if (salvaged->file == nullptr) return Status::Ok();
  wrote_ = true;
  notes_.push_back(fmt::format("{}: {} entries are kept, in {}", TableName(number), salvaged->file->properties.entries,
                               TableName(salvaged->file->number)));
  found_.push_back({salvaged->file->properties.family, level, salvaged->file});
  return Status::Ok();
}

// --- where they belong ---

Status TableRepair::Place(const std::vector<FileRef>& further) {
  for (const FileRef& file : further) found_.push_back({file->properties.family, -1, file});
  wrote_ = wrote_ || !further.empty();
  std::vector<const Found*> by_key;
  for (const Found& found : found_) by_key.push_back(&found);
  std::sort(by_key.begin(), by_key.end(), [](const Found* a, const Found* b) {
    return std::pair(a->family, a->file->properties.smallest) < std::pair(b->family, b->file->properties.smallest);
  });
  for (size_t begin = 0; begin < by_key.size();) {
    Hull hull(*by_key[begin]->file);
    size_t end = begin + 1;
    while (end < by_key.size() && by_key[end]->family == by_key[begin]->family &&
           hull.Overlaps(Hull(*by_key[end]->file))) {
      hull.Extend(*by_key[end++]->file);
    }
    SILT_RETURN_IF_ERROR(PlaceTogether(by_key[begin]->family, {by_key.begin() + static_cast<std::ptrdiff_t>(begin),
                                                               by_key.begin() + static_cast<std::ptrdiff_t>(end)}));
    begin = end;
  }
  return wrote_ ? storage_->SyncDir(dir_) : Status::Ok();
}

// Tables that hang together by overlaps, and overlap no others.
Status TableRepair::PlaceTogether(FamilyId family, const std::vector<const Found*>& group) {
  bool known = std::all_of(group.begin(), group.end(), [](const Found* found) { return found->level >= 0; });
  if (!known && group.size() > 1) return Merge(family, group);
  for (const Found* found : group) {
    tables_.push_back({family, known ? found->level : kLastLevel, found->file});
    if (!known_.trusted) known_.meter->Add(found->file->size);
  }
  return Status::Ok();
}

Status TableRepair::Merge(FamilyId family, const std::vector<const Found*>& group) {
  Compaction compaction;
  compaction.family = family;
  compaction.level = 0;  // each input is a source of its own
  compaction.output_level = kLastLevel;
  compaction.reason = CompactionReason::kManual;
  compaction.bottommost = true;
  uint64_t stored = 0, raw = 0;
  for (const Found* found : group) {
    compaction.inputs.push_back(found->file);
    stored += found->file->size;
    raw += found->file->properties.raw_key_bytes + found->file->properties.raw_value_bytes;
  }
  // The job counts keys and values; the meter, bytes on disk.
  uint64_t merged = 0, told = 0;
  auto tell = [&](uint64_t bytes) {
    merged += bytes;
    const double share = raw == 0 ? 1 : std::min(1.0, static_cast<double>(merged) / static_cast<double>(raw));
    const auto now = std::max(told, static_cast<uint64_t>(share * static_cast<double>(stored)));
    known_.meter->Add(now - std::exchange(told, now));
  };
  TableCache tables(storage_, dir_, nullptr, kOpenTables);
  std::atomic<bool> stop{false};
  CompactionJob job({.options = options_,
                     .storage = storage_,
                     .dir = dir_,
                     .tables = &tables,
                     .snapshots = {},
                     .new_number = known_.new_number,
                     .stop = &stop,
                     .merged = tell},
                    compaction);
  SILT_RETURN_IF_ERROR(job.Run());
  for (const FileRef& file : job.outputs()) tables_.push_back({family, kLastLevel, file});
  notes_.push_back(fmt::format("{} tables of family {} that overlap were merged into {}", group.size(),
                               options_.families[family].name, job.outputs().size()));
  return Status::Ok();
}

}  // namespace silt::lsm
