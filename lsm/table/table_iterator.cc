// Iterating over a table: an index cursor, the block under it, a cursor in that block.
#include "lsm/table/compression.h"
#include "lsm/table/table_rep.h"

namespace silt::lsm {
namespace {

class TableIterator final : public InternalIterator {
 public:
  TableIterator(std::shared_ptr<const Table> table, const BlockSource& source, const TableMetadata& metadata,
                const TableReadOptions& options)
      : table_(std::move(table)),
        source_(source),
        options_(options),
        index_(&source, metadata.index == nullptr ? std::string_view() : metadata.index->view(),
               metadata.footer.index.offset, metadata.footer.two_level_index, options.fill_cache),
        read_ahead_(options.readahead_bytes) {}

  bool Valid() const override { return cursor_.Valid(); }
  std::string_view key() const override { return cursor_.key(); }
  std::string_view value() const override { return cursor_.value(); }
  Status status() const override { return status_; }

  void SeekToFirst() override {
    index_.SeekToFirst();
    if (OpenBlock()) cursor_.SeekToFirst();
    CheckBlock();
  }
  void SeekToLast() override {
    index_.SeekToLast();
    if (OpenBlock()) cursor_.SeekToLast();
    CheckBlock();
  }
  void Seek(std::string_view internal_key) override {
    index_.Seek(internal_key);
    if (OpenBlock()) cursor_.Seek(internal_key);
    CheckBlock();
    // The separator may be greater than the block's last key: then the entry is the next block's first.
    if (!cursor_.Valid() && block_ != nullptr && status_.ok()) NextBlock();
  }
  void SeekForPrev(std::string_view internal_key) override {
    index_.Seek(internal_key);
    if (!index_.Valid() && index_.status().ok()) return SeekToLast();
    if (OpenBlock()) cursor_.SeekForPrev(internal_key);
    CheckBlock();
    if (!cursor_.Valid() && block_ != nullptr && status_.ok()) PrevBlock();
  }
  void Next() override {
    cursor_.Next();
    if (!cursor_.Valid()) [[unlikely]] {
      CheckBlock();
      if (status_.ok()) NextBlock();
    }
  }
  void Prev() override {
    cursor_.Prev();
    if (!cursor_.Valid()) [[unlikely]] {
      CheckBlock();
      if (status_.ok()) PrevBlock();
    }
  }

 private:
  void NextBlock() {
    index_.Next();
    if (OpenBlock()) cursor_.SeekToFirst();
    CheckBlock();
  }
  void PrevBlock() {
    index_.Prev();
    if (OpenBlock()) cursor_.SeekToLast();
    CheckBlock();
  }

  // Opens the block under the index cursor. False at the end and on errors; the iterator is invalid then.
  bool OpenBlock() {
    status_ = index_.status();
    if (!index_.Valid()) {
      CloseBlock();
      return false;
    }
    if (block_ != nullptr && handle_ == index_.handle() && !cursor_.malformed()) return true;
    CloseBlock();
    auto block = FetchBlock(source_, index_.handle(),
                            {.fill_cache = options_.fill_cache,
                             .read_ahead = &read_ahead_,
                             .shared = &block_is_shared_});
    if (!block) {
      status_ = block.error();
      return false;
    }
    handle_ = index_.handle();
    cursor_.Open((*block)->view());
    block_ = std::move(*block);
    return true;
  }
  void CloseBlock() {
    cursor_.Close();
    if (block_ != nullptr && !block_is_shared_) RecycleBlock(block_);
    block_.reset();
  }
  void CheckBlock() {
    if (cursor_.malformed() && status_.ok()) status_ = source_.Damage(handle_.offset, "malformed data block");
  }

  std::shared_ptr<const Table> table_;  // owns what source_ and index_ refer to
  const BlockSource& source_;
  TableReadOptions options_;
  IndexCursor index_;
  ReadAhead read_ahead_;
  BlockHandle handle_;  // of block_
  BlockRef block_;
  bool block_is_shared_ = false;
  BlockCursor cursor_;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewTableIterator(std::shared_ptr<const Table> table, const BlockSource& source,
                                                   const TableMetadata& metadata, const TableReadOptions& options) {
  return std::make_unique<TableIterator>(std::move(table), source, metadata, options);
}

}  // namespace silt::lsm
