#include "lsm/range_tombstone.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>

namespace silt::lsm {
namespace {

// What a node of std::map costs beside its strings and vectors, roughly.
constexpr size_t kFragmentOverhead = 160;

// The greatest element <= snapshot of a list in the given order; 0 if none.
SequenceNumber NewestVisibleDescending(const std::vector<SequenceNumber>& sequences, SequenceNumber snapshot) {
  auto it = std::lower_bound(sequences.begin(), sequences.end(), snapshot, std::greater<>());
  return it == sequences.end() ? 0 : *it;
}
SequenceNumber NewestVisibleAscending(const std::vector<SequenceNumber>& sequences, SequenceNumber snapshot) {
  auto it = std::upper_bound(sequences.begin(), sequences.end(), snapshot);
  return it == sequences.begin() ? 0 : *std::prev(it);
}

}  // namespace

// ---- FragmentedRangeTombstones

// Sweeps over all begins and ends in key order with the set of tombstones open at that point. Neighbouring stretches
// with the same set are one fragment, so that rewriting a list again and again does not splinter it.
FragmentedRangeTombstones::FragmentedRangeTombstones(std::vector<RangeTombstone> tombstones) {
  std::erase_if(tombstones, [](const RangeTombstone& t) { return t.begin >= t.end; });
  struct Edge {
    const std::string* key;
    SequenceNumber sequence;
    bool opens;
  };
  std::vector<Edge> edges;
  edges.reserve(tombstones.size() * 2);
  for (const RangeTombstone& t : tombstones) {
    edges.push_back({&t.begin, t.sequence, true});
    edges.push_back({&t.end, t.sequence, false});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return *a.key < *b.key; });

  std::multiset<SequenceNumber, std::greater<>> open;
  for (size_t i = 0; i < edges.size();) {
    const std::string& here = *edges[i].key;
    for (; i < edges.size() && *edges[i].key == here; ++i) {
      if (edges[i].opens) {
        open.insert(edges[i].sequence);
      } else {
        // A tombstone's begin is before its end, so it is open by now.
        open.erase(open.find(edges[i].sequence));
      }
    }
    if (open.empty()) continue;
    std::vector<SequenceNumber> sequences;
    std::unique_copy(open.begin(), open.end(), std::back_inserter(sequences));
    const std::string& next = *edges[i].key;  // something is open, so an end is still to come
    if (!fragments_.empty() && fragments_.back().end == here && fragments_.back().sequences == sequences) {
      fragments_.back().end = next;
    } else {
      fragments_.push_back({here, next, std::move(sequences)});
    }
  }
}

namespace {

// The first fragment that begins behind the key.
template <class Fragments>
auto FirstBehind(const Fragments& fragments, std::string_view key) {
  return std::upper_bound(fragments.begin(), fragments.end(), key,
                          [](std::string_view k, const auto& fragment) { return k < fragment.begin; });
}

}  // namespace

SequenceNumber FragmentedRangeTombstones::CoveringSequence(std::string_view key, SequenceNumber snapshot) const {
  auto behind = FirstBehind(fragments_, key);
  if (behind == fragments_.begin()) return 0;
  const Fragment& fragment = *std::prev(behind);
  return key < fragment.end ? NewestVisibleDescending(fragment.sequences, snapshot) : 0;
}

CoverSpan FragmentedRangeTombstones::Cover(std::string_view key, SequenceNumber snapshot) const {
  CoverSpan span;
  auto behind = FirstBehind(fragments_, key);
  if (behind != fragments_.end()) span.end = behind->begin;
  if (behind == fragments_.begin()) return span;
  const Fragment& fragment = *std::prev(behind);
  if (key < fragment.end) {
    span.begin = fragment.begin;
    span.end = fragment.end;
    span.sequence = NewestVisibleDescending(fragment.sequences, snapshot);
  } else {
    span.begin = fragment.end;
  }
  return span;
}

// ---- GrowingRangeTombstones

void GrowingRangeTombstones::Add(std::string_view begin, std::string_view end, SequenceNumber sequence) {
  if (begin >= end) return;
  std::unique_lock lock(mutex_);
  size_t grown = 0;
  auto insert = [&](std::string_view from, std::string_view to, std::vector<SequenceNumber> sequences) {
    grown += kFragmentOverhead + from.size() + to.size() + sequences.size() * sizeof(SequenceNumber);
    fragments_.emplace(std::string(from), Fragment{std::string(to), std::move(sequences)});
  };
  auto split_at = [&](std::string_view key) {
    auto it = fragments_.upper_bound(key);
    if (it == fragments_.begin()) return;
    --it;
    if (it->first == key || it->second.end <= key) return;
    insert(key, it->second.end, it->second.sequences);
    it->second.end = std::string(key);
  };
  split_at(begin);
  split_at(end);

  // Now every fragment is inside [begin, end) or apart from it: stack on those inside, fill the gaps between them.
  std::string cursor(begin);
  for (auto it = fragments_.lower_bound(begin); it != fragments_.end() && it->first < end; ++it) {
    if (cursor < it->first) insert(cursor, it->first, {sequence});
    std::vector<SequenceNumber>& sequences = it->second.sequences;
    auto place = std::lower_bound(sequences.begin(), sequences.end(), sequence);
    if (place == sequences.end() || *place != sequence) {
      sequences.insert(place, sequence);
      grown += sizeof(SequenceNumber);
    }
    cursor = it->second.end;
  }
  if (cursor < end) insert(cursor, end, {sequence});
  memory_.fetch_add(grown, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_release);
}

bool GrowingRangeTombstones::Empty() const {
  return Count() == 0;
}
uint64_t GrowingRangeTombstones::Count() const {
  return count_.load(std::memory_order_acquire);
}
size_t GrowingRangeTombstones::MemoryUsage() const {
  return memory_.load(std::memory_order_relaxed);
}

SequenceNumber GrowingRangeTombstones::CoveringSequence(std::string_view key, SequenceNumber snapshot) const {
  if (Empty()) return 0;
  std::shared_lock lock(mutex_);
  auto behind = fragments_.upper_bound(key);
  if (behind == fragments_.begin()) return 0;
  const Fragment& fragment = std::prev(behind)->second;
  return key < fragment.end ? NewestVisibleAscending(fragment.sequences, snapshot) : 0;
}

CoverSpan GrowingRangeTombstones::Cover(std::string_view key, SequenceNumber snapshot) const {
  CoverSpan span;
  if (Empty()) return span;
  std::shared_lock lock(mutex_);
  auto behind = fragments_.upper_bound(key);
  if (behind != fragments_.end()) span.end = behind->first;
  if (behind == fragments_.begin()) return span;
  auto at = std::prev(behind);
  if (key < at->second.end) {
    span.begin = at->first;
    span.end = at->second.end;
    span.sequence = NewestVisibleAscending(at->second.sequences, snapshot);
  } else {
    span.begin = at->second.end;
  }
  return span;
}

std::vector<KeyRange> CoveredRanges(std::vector<RangeTombstone> tombstones) {
  std::sort(tombstones.begin(), tombstones.end(),
            [](const RangeTombstone& a, const RangeTombstone& b) { return a.begin < b.begin; });
  std::vector<KeyRange> ranges;
  for (RangeTombstone& tombstone : tombstones) {
    if (ranges.empty() || ranges.back().end < tombstone.begin) {
      ranges.push_back({std::move(tombstone.begin), std::move(tombstone.end)});
    } else if (ranges.back().end < tombstone.end) {
      ranges.back().end = std::move(tombstone.end);
    }
  }
  return ranges;
}

std::vector<RangeTombstone> GrowingRangeTombstones::All() const {
  std::shared_lock lock(mutex_);
  std::vector<RangeTombstone> all;
  for (const auto& [begin, fragment] : fragments_) {
    for (SequenceNumber sequence : fragment.sequences) all.push_back({begin, fragment.end, sequence});
  }
  return all;
}

}  // namespace silt::lsm
