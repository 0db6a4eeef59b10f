#include "tree_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace silt::lsm::testing {
namespace {

void SortEntries(std::vector<ModelEntry>* entries) {
  std::sort(entries->begin(), entries->end(), [](const ModelEntry& a, const ModelEntry& b) {
    return a.key != b.key ? a.key < b.key : a.sequence > b.sequence;
  });
}

// The newest range up to `snapshot` that covers the key; 0 if none.
SequenceNumber Cover(const std::vector<ModelRange>& ranges, const std::string& key, SequenceNumber snapshot) {
  SequenceNumber newest = 0;
  for (const ModelRange& range : ranges) {
    if (range.begin <= key && key < range.end && range.sequence <= snapshot) newest = std::max(newest, range.sequence);
  }
  return newest;
}

void SetBounds(const ModelTable& table, TableProperties* p) {
  auto extend = [p](const std::string& low, const std::string& high, bool exclusive, bool first) {
    if (first || low < p->smallest) p->smallest = low;
    if (first || high > p->largest) {
      p->largest = high;
      p->largest_exclusive = exclusive;
    } else if (high == p->largest) {
      p->largest_exclusive = p->largest_exclusive && exclusive;
    }
  };
  bool first = true;
  p->smallest_sequence = kMaxSequence;
  auto sequence = [p](SequenceNumber s) {
    p->smallest_sequence = std::min(p->smallest_sequence, s);
    p->largest_sequence = std::max(p->largest_sequence, s);
  };
  for (const ModelEntry& entry : table.entries) {
    extend(entry.key, entry.key, false, first);
    sequence(entry.sequence);
    first = false;
  }
  for (const ModelRange& range : table.ranges) {
    extend(range.begin, range.end, true, first);
    sequence(range.sequence);
    first = false;
  }
}

}  // namespace

TreeModel::TreeModel(const Options& options, uint32_t seed)
    : options_(options), random_(seed), version_(*LiveFiles(1).Build()) {}

void TreeModel::Add(VersionEdit* edit, int level, ModelTable table) {
  auto file = std::make_shared<FileMeta>();
  file->number = next_number_++;
  file->size = table.entries.size() + table.ranges.size();
  file->allowed_seeks = 100;
  TableProperties& p = file->properties;
  p.entries = table.entries.size();
  p.tombstones = static_cast<uint64_t>(
      std::count_if(table.entries.begin(), table.entries.end(), [](const ModelEntry& e) { return e.tombstone; }));
  p.range_tombstones = table.ranges.size();
  SetBounds(table, &p);
  tables_[file->number] = std::move(table);
  edit->new_files.push_back({0, level, std::move(file)});
}

void TreeModel::Apply(const VersionEdit& edit) {
  Status fits = live_.Check(edit);
  ASSERT_TRUE(fits.ok()) << fits.ToString();
  auto version = ApplyToVersion(*version_, edit);
  ASSERT_TRUE(version.has_value()) << version.error().ToString();
  live_.Apply(edit);
  version_ = *version;
}

void TreeModel::Flush(const std::vector<std::string>& puts, const std::vector<std::string>& deletes,
                      const std::vector<std::pair<std::string, std::string>>& ranges) {
  ModelTable table;
  auto write = [&](const std::string& key, bool tombstone) {
    ModelEntry entry{key, ++last_sequence_, tombstone};
    table.entries.push_back(entry);
    history_[key].push_back(entry);
  };
  for (const std::string& key : puts) write(key, false);
  for (const std::string& key : deletes) write(key, true);
  for (const auto& [begin, end] : ranges) {
    table.ranges.push_back({begin, end, ++last_sequence_});
    all_ranges_.push_back(table.ranges.back());
  }
  SortEntries(&table.entries);
  VersionEdit edit;
  Add(&edit, 0, std::move(table));
  Apply(edit);
}

// What has to survive: what a reader at the oldest snapshot or later could see, and what hides something below.
ModelTable TreeModel::Merge(const Compaction& compaction) const {
  ModelTable all;
  for (const auto* files : {&compaction.inputs, &compaction.output_inputs}) {
    for (const FileRef& file : *files) {
      const ModelTable& table = tables_.at(file->number);
      all.entries.insert(all.entries.end(), table.entries.begin(), table.entries.end());
      all.ranges.insert(all.ranges.end(), table.ranges.begin(), table.ranges.end());
    }
  }
  SortEntries(&all.entries);
  ModelTable kept;
  for (size_t i = 0; i < all.entries.size(); ++i) {
    const ModelEntry& entry = all.entries[i];
    bool newer_seen_by_all =
        i > 0 && all.entries[i - 1].key == entry.key && all.entries[i - 1].sequence <= oldest_snapshot_;
    bool covered = Cover(all.ranges, entry.key, oldest_snapshot_) > entry.sequence;
    bool hides_nothing = entry.tombstone && compaction.bottommost && entry.sequence <= oldest_snapshot_;
    if (!newer_seen_by_all && !covered && !hides_nothing) kept.entries.push_back(entry);
  }
  for (const ModelRange& range : all.ranges) {
    if (!compaction.bottommost || range.sequence > oldest_snapshot_) kept.ranges.push_back(range);
  }
  return kept;
}

// Into tables of random size; one key's versions stay together, ranges are cut at the bounds.
std::vector<ModelTable> TreeModel::Cut(ModelTable merged) {
  std::vector<std::string> cuts;
  std::uniform_int_distribution<uint64_t> one_in(0, options_.families[0].target_file_bytes);
  for (size_t i = 1; i < merged.entries.size(); ++i) {
    if (merged.entries[i].key != merged.entries[i - 1].key && one_in(random_) == 0)
      cuts.push_back(merged.entries[i].key);
  }
  std::vector<ModelTable> tables(cuts.size() + 1);
  auto table_of = [&cuts](const std::string& key) {
    return static_cast<size_t>(std::upper_bound(cuts.begin(), cuts.end(), key) - cuts.begin());
  };
  for (ModelEntry& entry : merged.entries) tables[table_of(entry.key)].entries.push_back(std::move(entry));
  for (const ModelRange& range : merged.ranges) {
    for (size_t i = 0; i < tables.size(); ++i) {
      ModelRange piece = range;
      if (i > 0) piece.begin = std::max(piece.begin, cuts[i - 1]);
      if (i < cuts.size()) piece.end = std::min(piece.end, cuts[i]);
      if (piece.begin < piece.end) tables[i].ranges.push_back(piece);
    }
  }
  std::erase_if(tables, [](const ModelTable& table) { return table.entries.empty() && table.ranges.empty(); });
  return tables;
}

void TreeModel::Finish(const Compaction& compaction) {
  VersionEdit edit;
  for (const FileRef& file : compaction.inputs) edit.deleted_files.push_back({0, compaction.level, file->number});
  for (const FileRef& file : compaction.output_inputs) {
    edit.deleted_files.push_back({0, compaction.output_level, file->number});
  }
  if (compaction.trivial_move) {
    for (const FileRef& file : compaction.inputs) {
      edit.new_files.push_back({0, compaction.output_level, file});
      file->allowed_seeks = 100;
    }
  } else if (!compaction.drop_whole) {
    for (ModelTable& table : Cut(Merge(compaction))) Add(&edit, compaction.output_level, std::move(table));
  }
  Apply(edit);
}

CoveredWhole TreeModel::covered_whole() const {
  return [this](const FileMeta& file) {
    const TableProperties& p = file.properties;
    for (const std::vector<FileRef>& source : Sources()) {
      for (const FileRef& above : source) {
        if (above->number == file.number) return false;
        for (const ModelRange& range : tables_.at(above->number).ranges) {
          bool reaches = p.largest_exclusive ? p.largest <= range.end : p.largest < range.end;
          if (range.begin <= p.smallest && reaches && range.sequence > p.largest_sequence &&
              range.sequence <= oldest_snapshot_) {
            return true;
          }
        }
      }
    }
    return false;
  };
}

std::vector<std::vector<FileRef>> TreeModel::Sources() const {
  std::vector<std::vector<FileRef>> sources;
  for (const FileRef& file : family().levels[0]) sources.push_back({file});
  for (size_t level = 1; level < kNumLevels; ++level) sources.push_back(family().levels[level]);
  return sources;
}

// As the engine reads: the first source that knows the key decides.
bool TreeModel::Read(const std::vector<std::vector<FileRef>>& sources, const std::string& key, SequenceNumber snapshot,
                     SequenceNumber* sequence) const {
  for (const std::vector<FileRef>& source : sources) {
    for (const FileRef& file : source) {
      if (!FileContains(*file, key)) continue;
      const ModelTable& table = tables_.at(file->number);
      SequenceNumber cover = Cover(table.ranges, key, snapshot);
      auto entry = std::find_if(table.entries.begin(), table.entries.end(),
                                [&](const ModelEntry& e) { return e.key == key && e.sequence <= snapshot; });
      bool found = entry != table.entries.end() && entry->sequence > cover;
      if (!found && cover == 0) continue;
      *sequence = found ? entry->sequence : cover;
      return found && !entry->tombstone;
    }
  }
  return false;
}

bool TreeModel::Expected(const std::string& key, SequenceNumber snapshot, SequenceNumber* sequence) const {
  const std::vector<ModelEntry>& versions = history_.at(key);
  for (auto entry = versions.rbegin(); entry != versions.rend(); ++entry) {
    if (entry->sequence > snapshot) continue;
    *sequence = entry->sequence;
    return !entry->tombstone && Cover(all_ranges_, key, snapshot) < entry->sequence;
  }
  return false;
}

void TreeModel::CheckContents() const {
  const std::vector<std::vector<FileRef>> sources = Sources();
  for (const auto& [key, versions] : history_) {
    for (SequenceNumber snapshot : {oldest_snapshot_, last_sequence_}) {
      SequenceNumber got = 0;
      SequenceNumber want = 0;
      bool found = Read(sources, key, snapshot, &got);
      ASSERT_EQ(found, Expected(key, snapshot, &want)) << key << " at " << snapshot;
      if (!found) continue;
      ASSERT_EQ(got, want) << key << " at " << snapshot;
    }
  }
  CheckOrder(sources);
}

// Of each key, every source holds only older versions than all sources above it.
void TreeModel::CheckOrder(const std::vector<std::vector<FileRef>>& sources) const {
  std::unordered_map<std::string_view, SequenceNumber> oldest_above;
  for (const std::vector<FileRef>& source : sources) {
    std::unordered_map<std::string_view, SequenceNumber> oldest;
    for (const FileRef& file : source) {
      for (const ModelEntry& entry : tables_.at(file->number).entries) {
        auto above = oldest_above.find(entry.key);
        ASSERT_TRUE(above == oldest_above.end() || entry.sequence < above->second)
            << entry.key << " is newer below than above";
        SequenceNumber& least = oldest.try_emplace(entry.key, entry.sequence).first->second;
        least = std::min(least, entry.sequence);
      }
    }
    for (const auto& [key, sequence] : oldest) oldest_above[key] = sequence;
  }
}

uint64_t TreeModel::TombstonesLeft() const {
  uint64_t left = 0;
  for (const auto& level : family().levels) {
    for (const FileRef& file : level) left += file->properties.tombstones + file->properties.range_tombstones;
  }
  return left;
}

}  // namespace silt::lsm::testing
