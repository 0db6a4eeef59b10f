// Several sorted sources as one.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "lsm/internal_iterator.h"

namespace silt::lsm {

// A binary heap over the sources' current keys (cached), the smallest on top, or the largest when it walks backwards.
// An entry that two sources have comes twice, from the source with the smaller index first. The first error of a
// source makes it invalid.
class MergingIterator final : public InternalIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<InternalIterator>> sources);

  bool Valid() const override { return !heap_.empty() && status_.ok(); }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view internal_key) override;
  void SeekForPrev(std::string_view internal_key) override;
  void Next() override;
  void Prev() override;
  std::string_view key() const override { return heap_.front()->key; }
  std::string_view value() const override { return heap_.front()->iterator->value(); }
  Status status() const override { return status_; }

  // The index of the source that the current entry comes from. REQUIRES: Valid().
  size_t source() const { return heap_.front()->index; }
  // Moves every source with an index > `newer` that stands before `internal_key` to its first entry at or behind it.
  // REQUIRES: walking forwards (the last move was Seek, SeekToFirst or Next).
  void SkipOlderTo(size_t newer, std::string_view internal_key);
  // The same backwards: to its last entry at or before it. REQUIRES: walking backwards.
  void SkipOlderBackTo(size_t newer, std::string_view internal_key);

 private:
  struct Source {
    std::unique_ptr<InternalIterator> iterator;
    size_t index = 0;
    std::string_view key;  // of the iterator, while it is valid
  };

  bool Before(const Source* a, const Source* b) const;
  bool Refresh(Source* source);  // false: it is at its end
  void BuildHeap();
  void SiftDown(size_t at);
  void AdvancedTop();
  void Turn(bool backwards);

  std::vector<Source> sources_;
  std::vector<Source*> heap_;
  bool backwards_ = false;
  Status status_;
};

}  // namespace silt::lsm
