// The tables of one level, one behind the other, each opened when it is reached. A single L0 table is a level of one.
#pragma once

#include <memory>
#include <span>

#include "lsm/internal_iterator.h"
#include "lsm/table/table_cache.h"
#include "lsm/version/version_edit.h"

namespace silt::lsm {

class LevelIterator final : public InternalIterator {
 public:
  // `files`: ranges in key order, disjoint. They and `tables` must outlive it.
  LevelIterator(std::span<const FileRef> files, TableCache* tables, const TableReadOptions& options);

  bool Valid() const override { return iterator_ != nullptr && iterator_->Valid() && status_.ok(); }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view internal_key) override;
  void SeekForPrev(std::string_view internal_key) override;
  void Next() override;
  void Prev() override;
  std::string_view key() const override { return iterator_->key(); }
  std::string_view value() const override { return iterator_->value(); }
  Status status() const override;

 private:
  bool Open(size_t at);  // makes files_[at] current; false: there is none, or it failed
  void Leave() { iterator_ = nullptr; }
  void SkipForward();  // while the current table has no more entries
  void SkipBackward();

  const std::span<const FileRef> files_;
  TableCache* const tables_;
  const TableReadOptions options_;
  size_t at_ = 0;
  FileNumber open_number_ = 0;
  std::unique_ptr<InternalIterator> open_;  // of open_number_, kept for the next seek
  InternalIterator* iterator_ = nullptr;    // open_, or null: at an end
  Status status_;
};

}  // namespace silt::lsm
