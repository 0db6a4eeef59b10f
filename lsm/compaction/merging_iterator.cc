#include "lsm/compaction/merging_iterator.h"

#include <string>

#include "lsm/internal_key.h"

namespace silt::lsm {

MergingIterator::MergingIterator(std::vector<std::unique_ptr<InternalIterator>> sources) {
  sources_.resize(sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    sources_[i].iterator = std::move(sources[i]);
    sources_[i].index = i;
  }
  heap_.reserve(sources_.size());
}

bool MergingIterator::Before(const Source* a, const Source* b) const {
  int order = CompareInternal(a->key, b->key);
  if (order == 0) return a->index < b->index;
  return backwards_ ? order > 0 : order < 0;
}

bool MergingIterator::Refresh(Source* source) {
  if (source->iterator->Valid()) {
    source->key = source->iterator->key();
    return true;
  }
  if (status_.ok()) status_ = source->iterator->status();
  return false;
}

void MergingIterator::BuildHeap() {
  heap_.clear();
  status_ = Status::Ok();
  for (Source& source : sources_) {
    if (Refresh(&source)) heap_.push_back(&source);
  }
  for (size_t i = heap_.size() / 2; i-- > 0;) SiftDown(i);
}

void MergingIterator::SiftDown(size_t at) {
  Source* moving = heap_[at];
  while (true) {
    size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && Before(heap_[child + 1], heap_[child])) ++child;
    if (!Before(heap_[child], moving)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  heap_[at] = moving;
}

void MergingIterator::SeekToFirst() {
  backwards_ = false;
  for (Source& source : sources_) source.iterator->SeekToFirst();
  BuildHeap();
}

void MergingIterator::SeekToLast() {
  backwards_ = true;
  for (Source& source : sources_) source.iterator->SeekToLast();
  BuildHeap();
}

void MergingIterator::Seek(std::string_view internal_key) {
  backwards_ = false;
  for (Source& source : sources_) source.iterator->Seek(internal_key);
  BuildHeap();
}

void MergingIterator::SeekForPrev(std::string_view internal_key) {
  backwards_ = true;
  for (Source& source : sources_) source.iterator->SeekForPrev(internal_key);
  BuildHeap();
}

// The top's iterator has moved.
void MergingIterator::AdvancedTop() {
  if (!Refresh(heap_.front())) {
    heap_.front() = heap_.back();
    heap_.pop_back();
    if (heap_.empty()) return;
  }
  SiftDown(0);
}

// Brings every other source to the far side of the current key, which the current source keeps.
void MergingIterator::Turn(bool backwards) {
  Source* current = heap_.front();
  std::string key(current->key);
  backwards_ = backwards;
  for (Source& source : sources_) {
    if (&source == current) continue;
    InternalIterator* it = source.iterator.get();
    if (backwards) {
      it->SeekForPrev(key);
    } else {
      it->Seek(key);
    }
    if (!it->Valid() || CompareInternal(it->key(), key) != 0) continue;
    if (backwards) {
      it->Prev();
    } else {
      it->Next();
    }
  }
  BuildHeap();
}

void MergingIterator::Next() {
  if (backwards_) Turn(false);
  if (!Valid()) return;
  heap_.front()->iterator->Next();
  AdvancedTop();
}

void MergingIterator::Prev() {
  if (!backwards_) Turn(true);
  if (!Valid()) return;
  heap_.front()->iterator->Prev();
  AdvancedTop();
}

void MergingIterator::SkipOlderTo(size_t newer, std::string_view internal_key) {
  for (Source& source : sources_) {
    InternalIterator* it = source.iterator.get();
    if (source.index <= newer || !it->Valid() || CompareInternal(it->key(), internal_key) >= 0) continue;
    it->Seek(internal_key);
  }
  BuildHeap();
}

void MergingIterator::SkipOlderBackTo(size_t newer, std::string_view internal_key) {
  for (Source& source : sources_) {
    InternalIterator* it = source.iterator.get();
    if (source.index <= newer || !it->Valid() || CompareInternal(it->key(), internal_key) <= 0) continue;
    it->SeekForPrev(internal_key);
  }
  BuildHeap();
}

}  // namespace silt::lsm
