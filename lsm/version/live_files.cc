#include "lsm/version/live_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

namespace silt::lsm {
namespace {

bool WellFormed(const VersionEdit::NewFile& added) {
  const TableProperties& p = added.file->properties;
  bool range = p.largest_exclusive ? p.smallest < p.largest : p.smallest <= p.largest;
  return range && p.smallest_sequence <= p.largest_sequence && p.largest_sequence <= kMaxSequence &&
         added.file->number != 0 && p.family == added.family;
}

bool NewestFirst(const FileRef& a, const FileRef& b) {
  SequenceNumber sa = a->properties.largest_sequence;
  SequenceNumber sb = b->properties.largest_sequence;
  return sa != sb ? sa > sb : a->number > b->number;
}

bool ByKey(const FileRef& a, const FileRef& b) {
  int order = a->properties.smallest.compare(b->properties.smallest);
  return order != 0 ? order < 0 : a->number < b->number;
}

// Sorts one level, checks it, and fills in what the family says of it.
Status LayOut(FamilyVersion* family, size_t level) {
  std::vector<FileRef>& files = family->levels[level];
  std::sort(files.begin(), files.end(), level == 0 ? NewestFirst : ByKey);
  family->has_range_tombstones[level] =
      std::any_of(files.begin(), files.end(), [](const FileRef& f) { return f->properties.range_tombstones > 0; });
  if (level == 0) return Status::Ok();
  for (size_t i = 1; i < files.size(); ++i) {
    if (FilesOverlap(*files[i - 1], *files[i])) {
      return Status::Corruption(
          fmt::format("tables {} and {} of level {} overlap", files[i - 1]->number, files[i]->number, level));
    }
  }
  return Status::Ok();
}

}  // namespace

Status LiveFiles::Check(const VersionEdit& edit) const {
  std::unordered_set<FileNumber> gone;
  for (const VersionEdit::DeletedFile& deleted : edit.deleted_files) {
    const Place* place = Find(deleted.number);
    if (place == nullptr || place->family != deleted.family || place->level != deleted.level ||
        !gone.insert(deleted.number).second) {
      return Status::Corruption(fmt::format("a version edit deletes table {} from family {} level {}, where it is not",
                                            deleted.number, deleted.family, deleted.level));
    }
  }
  std::unordered_set<FileNumber> come;
  for (const VersionEdit::NewFile& added : edit.new_files) {
    FileNumber number = added.file->number;
    if (added.family >= families_ || added.level < 0 || added.level >= kNumLevels || !WellFormed(added)) {
      return Status::Corruption(fmt::format("a version edit adds table {} with impossible properties", number));
    }
    if ((places_.contains(number) && !gone.contains(number)) || !come.insert(number).second) {
      return Status::Corruption(fmt::format("a version edit adds table {}, which is live already", number));
    }
  }
  return Status::Ok();
}

void LiveFiles::Apply(const VersionEdit& edit) {
  for (const VersionEdit::DeletedFile& deleted : edit.deleted_files) places_.erase(deleted.number);
  for (const VersionEdit::NewFile& added : edit.new_files) {
    places_[added.file->number] = {added.family, added.level, added.file};
  }
}

const LiveFiles::Place* LiveFiles::Find(FileNumber number) const {
  auto it = places_.find(number);
  return it == places_.end() ? nullptr : &it->second;
}

Result<std::shared_ptr<Version>> LiveFiles::Build() const {
  auto version = std::make_shared<Version>();
  version->families.resize(families_);
  for (const auto& [number, place] : places_) {
    version->families[place.family].levels[static_cast<size_t>(place.level)].push_back(place.file);
  }
  for (FamilyVersion& family : version->families) {
    for (size_t level = 0; level < kNumLevels; ++level) {
      if (Status status = LayOut(&family, level); !status.ok()) return Fail(std::move(status));
    }
  }
  return version;
}

Result<std::shared_ptr<Version>> ApplyToVersion(const Version& base, const VersionEdit& edit) {
  auto version = std::make_shared<Version>(base);
  std::unordered_set<FileNumber> gone;
  std::vector<std::array<bool, kNumLevels>> touched(version->families.size());
  for (const VersionEdit::DeletedFile& deleted : edit.deleted_files) {
    gone.insert(deleted.number);
    touched[deleted.family][static_cast<size_t>(deleted.level)] = true;
  }
  for (size_t family = 0; family < touched.size(); ++family) {
    for (size_t level = 0; level < kNumLevels; ++level) {
      if (!touched[family][level]) continue;
      std::erase_if(version->families[family].levels[level],
                    [&](const FileRef& f) { return gone.contains(f->number); });
    }
  }
  for (const VersionEdit::NewFile& added : edit.new_files) {
    version->families[added.family].levels[static_cast<size_t>(added.level)].push_back(added.file);
    touched[added.family][static_cast<size_t>(added.level)] = true;
  }
  for (size_t family = 0; family < touched.size(); ++family) {
    for (size_t level = 0; level < kNumLevels; ++level) {
      if (!touched[family][level]) continue;
      if (Status status = LayOut(&version->families[family], level); !status.ok()) return Fail(std::move(status));
    }
  }
  return version;
}

}  // namespace silt::lsm
