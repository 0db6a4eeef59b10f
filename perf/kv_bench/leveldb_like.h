// What LevelDB's interface and that of RocksDB, which began as LevelDB, have in common.
#pragma once

#include <memory>
#include <string_view>

#include "perf/kv_bench/kv_store.h"

namespace silt::bench {

template <class Slice>
Slice SliceOf(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
template <class Slice>
std::string_view ViewOf(const Slice& slice) {
  return {slice.data(), slice.size()};
}

template <class WriteOptions>
WriteOptions SyncIf(bool sync) {
  WriteOptions options;
  options.sync = sync;
  return options;
}

template <class Iterator, class Slice>
class LevelDbLikeCursor final : public Cursor {
 public:
  explicit LevelDbLikeCursor(Iterator* iterator) : iterator_(iterator) {}
  void Seek(std::string_view target) override { iterator_->Seek(SliceOf<Slice>(target)); }
  void SeekToFirst() override { iterator_->SeekToFirst(); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool Valid() const override { return iterator_->Valid(); }
  std::string_view key() const override { return ViewOf(iterator_->key()); }
  std::string_view value() const override { return ViewOf(iterator_->value()); }

 private:
  std::unique_ptr<Iterator> iterator_;
};

}  // namespace silt::bench
