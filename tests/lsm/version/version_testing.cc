#include "version_testing.h"

#include <fmt/format.h>

#include <algorithm>

namespace silt::lsm::testing {
namespace {

constexpr int kSlots = 12;

// "sequence, WAL, then files in order".
std::string Text(SequenceNumber sequence, FileNumber wal, std::vector<std::string> files) {
  std::sort(files.begin(), files.end());
  std::string text = fmt::format("sequence {} wal {}", sequence, wal);
  for (const std::string& file : files) text += "; " + file;
  return text;
}

std::string FileText(FamilyId family, int level, const FileMeta& file) {
  const TableProperties& p = file.properties;
  return fmt::format("{}/L{}#{:04}[{}..{}{}]{}..{} {}", family, level, file.number, p.smallest, p.largest,
                     p.largest_exclusive ? ")" : "", p.smallest_sequence, p.largest_sequence, file.size);
}

std::string SlotKey(int slot, char end) {
  return fmt::format("k{:02}{}", slot, end);
}

}  // namespace

Options TwoFamilies() {
  Options options;
  options.families = {FamilyOptions{.name = "meta"}, FamilyOptions{.name = "data"}};
  return options;
}

FileRef MakeFile(FileNumber number, FamilyId family, const std::string& smallest, const std::string& largest,
                 SequenceNumber smallest_sequence, SequenceNumber largest_sequence) {
  auto file = std::make_shared<FileMeta>();
  file->number = number;
  file->size = 1000 + number;
  file->properties.family = family;
  file->properties.entries = 7;
  file->properties.smallest = smallest;
  file->properties.largest = largest;
  file->properties.smallest_sequence = smallest_sequence;
  file->properties.largest_sequence = largest_sequence;
  return file;
}

std::string Describe(const VersionSet& versions) {
  VersionRef version = versions.current();
  std::vector<std::string> files;
  for (size_t family = 0; family < version->families.size(); ++family) {
    for (int level = 0; level < kNumLevels; ++level) {
      for (const FileRef& file : version->families[family].levels[static_cast<size_t>(level)]) {
        files.push_back(FileText(static_cast<FamilyId>(family), level, *file));
      }
    }
  }
  return Text(versions.last_sequence(), versions.wal_number(), std::move(files));
}

bool EditMaker::Free(FamilyId family, int level, int slot) const {
  return std::none_of(live_.begin(), live_.end(), [&](const Live& live) {
    return live.family == family && live.level == level && live.slot == slot;
  });
}

VersionEdit EditMaker::Next(VersionSet* versions) {
  VersionEdit edit;
  auto add = [&](FamilyId family, int level, int slot) {
    SequenceNumber from = sequence_ + 1;
    sequence_ += 1 + Random(50);
    edit.new_files.push_back(
        {family, level,
         MakeFile(versions->NewFileNumber(), family, SlotKey(slot, 'a'), SlotKey(slot, 'z'), from, sequence_)});
  };
  uint32_t what = live_.size() > 20 ? 3 : Random(4);
  if (live_.empty() || what == 0) {  // a flush of both families
    add(0, 0, static_cast<int>(Random(kSlots)));
    if (Random(2) == 0) add(1, 0, static_cast<int>(Random(kSlots)));
    wal_ = edit.wal_number.emplace(versions->NewFileNumber());
    edit.last_sequence = sequence_;
    return edit;
  }
  const Live& victim = live_[Random(static_cast<uint32_t>(live_.size()))];
  edit.deleted_files.push_back({victim.family, victim.level, victim.file->number});
  int level = 1 + static_cast<int>(Random(kNumLevels - 1));
  if (what == 3 || !Free(victim.family, level, victim.slot)) return edit;  // dropped whole
  if (what == 1) {
    edit.new_files.push_back({victim.family, level, victim.file});  // moved
  } else {
    add(victim.family, level, victim.slot);
  }
  return edit;
}

void EditMaker::Applied(const VersionEdit& edit) {
  for (const VersionEdit::DeletedFile& deleted : edit.deleted_files) {
    std::erase_if(live_, [&](const Live& live) { return live.file->number == deleted.number; });
  }
  for (const VersionEdit::NewFile& added : edit.new_files) {
    int slot = std::stoi(added.file->properties.smallest.substr(1, 2));
    live_.push_back({added.family, added.level, slot, added.file});
    applied_sequence_ = std::max(applied_sequence_, added.file->properties.largest_sequence);
  }
  applied_wal_ = std::max(applied_wal_, edit.wal_number.value_or(0));
}

std::string EditMaker::Expected() const {
  std::vector<std::string> files;
  for (const Live& live : live_) files.push_back(FileText(live.family, live.level, *live.file));
  return Text(applied_sequence_, applied_wal_, std::move(files));
}

}  // namespace silt::lsm::testing
