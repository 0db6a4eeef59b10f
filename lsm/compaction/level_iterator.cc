#include "lsm/compaction/level_iterator.h"

#include <algorithm>

#include "lsm/internal_key.h"
#include "lsm/version/version.h"

namespace silt::lsm {

LevelIterator::LevelIterator(std::span<const FileRef> files, TableCache* tables, const TableReadOptions& options)
    : files_(files), tables_(tables), options_(options) {}

Status LevelIterator::status() const {
  if (!status_.ok()) return status_;
  return iterator_ != nullptr ? iterator_->status() : Status::Ok();
}

bool LevelIterator::Open(size_t at) {
  Leave();
  if (at >= files_.size()) return false;
  const FileMeta& file = *files_[at];
  at_ = at;
  if (open_number_ != file.number) {
    auto table = tables_->Get(file.number, file.size);
    if (!table) {
      status_ = table.error();
      return false;
    }
    open_ = (*table)->NewIterator(options_);
    open_number_ = file.number;
  }
  iterator_ = open_.get();
  return true;
}

void LevelIterator::SkipForward() {
  while (iterator_ != nullptr && !iterator_->Valid() && iterator_->status().ok()) {
    if (Open(at_ + 1)) iterator_->SeekToFirst();
  }
}

void LevelIterator::SkipBackward() {
  while (iterator_ != nullptr && !iterator_->Valid() && iterator_->status().ok()) {
    if (at_ == 0) {
      Leave();
    } else if (Open(at_ - 1)) {
      iterator_->SeekToLast();
    }
  }
}

void LevelIterator::SeekToFirst() {
  status_ = Status::Ok();
  if (Open(0)) iterator_->SeekToFirst();
  SkipForward();
}

void LevelIterator::SeekToLast() {
  status_ = Status::Ok();
  Leave();
  if (!files_.empty() && Open(files_.size() - 1)) iterator_->SeekToLast();
  SkipBackward();
}

void LevelIterator::Seek(std::string_view internal_key) {
  status_ = Status::Ok();
  std::string_view user_key = ExtractUserKey(internal_key);
  auto first = std::partition_point(files_.begin(), files_.end(),
                                    [&](const FileRef& file) { return EndsBefore(*file, user_key); });
  if (Open(static_cast<size_t>(first - files_.begin()))) iterator_->Seek(internal_key);
  SkipForward();
}

void LevelIterator::SeekForPrev(std::string_view internal_key) {
  status_ = Status::Ok();
  std::string_view user_key = ExtractUserKey(internal_key);
  auto behind = std::partition_point(files_.begin(), files_.end(), [&](const FileRef& file) {
    return std::string_view(file->properties.smallest) <= user_key;
  });
  Leave();
  if (behind == files_.begin()) return;
  if (Open(static_cast<size_t>(behind - files_.begin()) - 1)) iterator_->SeekForPrev(internal_key);
  SkipBackward();
}

void LevelIterator::Next() {
  iterator_->Next();
  SkipForward();
}

void LevelIterator::Prev() {
  iterator_->Prev();
  SkipBackward();
}

}  // namespace silt::lsm
