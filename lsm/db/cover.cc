#include "lsm/db/cover.h"

#include <algorithm>

namespace silt::lsm {

void CoverTracker::AddMemTable(size_t source, const RangeTombstoneSource* tombstones) {
  Source added;
  added.index = source;
  added.tombstones = tombstones;
  sources_.push_back(std::move(added));
}

void CoverTracker::AddFiles(size_t source, std::span<const FileRef> files) {
  Source added;
  added.index = source;
  added.files = files;
  sources_.push_back(std::move(added));
}

Result<CoverTracker::Cover> CoverTracker::Find(std::string_view user_key, SequenceNumber sequence) {
  for (Source& source : sources_) {
    if (!source.has_span || !source.span.Contains(user_key)) {
      if (Status status = Locate(&source, user_key); !status.ok()) return Fail(status);
    }
    if (source.span.sequence > sequence) return Cover{source.index, &source.span};
  }
  return Cover{};
}

Status CoverTracker::Locate(Source* source, std::string_view user_key) {
  source->has_span = true;
  if (source->tombstones == nullptr) return LocateInFiles(source, user_key);
  source->span = source->tombstones->Cover(user_key, snapshot_);
  return Status::Ok();
}

// In a gap between two files, or in a file without tombstones, nothing is covered; in others their table knows.
Status CoverTracker::LocateInFiles(Source* source, std::string_view user_key) {
  source->has_span = false;
  source->span = {};
  CoverSpan& span = source->span;
  auto next = std::partition_point(source->files.begin(), source->files.end(), [&](const FileRef& file) {
    return std::string_view(file->properties.smallest) <= user_key;
  });
  if (next != source->files.end()) span.end = (*next)->properties.smallest;
  if (next != source->files.begin()) {
    const FileMeta& file = **std::prev(next);
    const TableProperties& properties = file.properties;
    std::string behind = properties.largest;  // the least key that the file cannot cover
    if (!properties.largest_exclusive) behind.push_back('\0');
    if (user_key >= behind) {
      span.begin = std::move(behind);
    } else if (properties.range_tombstones == 0) {
      span.begin = properties.smallest;
      span.end = std::move(behind);
    } else {
      auto table = tables_->Get(file.number, file.size);
      if (!table) return table.error();
      span = (*table)->range_tombstones().Cover(user_key, snapshot_);
      if (!span.begin || *span.begin < properties.smallest) span.begin = properties.smallest;
      if (!span.end || *span.end > behind) span.end = std::move(behind);
    }
  }
  source->has_span = true;
  return Status::Ok();
}

}  // namespace silt::lsm
