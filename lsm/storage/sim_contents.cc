#include "lsm/storage/sim_contents.h"

#include <algorithm>

namespace silt::lsm {
namespace {

uint64_t BlocksOf(uint64_t size) {
  return (size + kSimBlockSize - 1) / kSimBlockSize;
}

bool Chance(std::mt19937_64& random, double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random) < probability;
}

// How many of `count` changes became durable: all with probability `keep`, else half the time none, else a part.
size_t DrawKept(std::mt19937_64& random, size_t count, double keep) {
  if (keep >= 1 || Chance(random, keep)) return count;
  if (keep <= 0 || Chance(random, 0.5)) return 0;
  return std::uniform_int_distribution<size_t>(0, count)(random);
}

// The part of [offset, offset + length) that lies in [begin, end), as (first, last); empty when first >= last.
std::pair<uint64_t, uint64_t> Intersect(uint64_t offset, uint64_t length, uint64_t begin, uint64_t end) {
  return {std::max(offset, begin), std::min(offset + length, end)};
}

}  // namespace

double DrawKeepProbability(std::mt19937_64& random, SimCrashOptions::Keep keep) {
  if (keep == SimCrashOptions::Keep::kAll) return 1;
  if (keep == SimCrashOptions::Keep::kNone) return 0;
  constexpr std::array<double, 5> kMoods = {0.02, 0.2, 0.5, 0.8, 0.98};
  return kMoods[random() % kMoods.size()];
}

bool SimImage::IsAllocated(uint64_t block) const {
  return block < slots_.size() && slots_[block].IsAllocated();
}

size_t SimImage::Read(uint64_t offset, std::span<char> out) const {
  if (offset >= size_) return 0;
  size_t length = std::min<uint64_t>(out.size(), size_ - offset);
  for (size_t done = 0; done < length;) {
    uint64_t within = (offset + done) % kSimBlockSize;
    size_t n = std::min<uint64_t>(length - done, kSimBlockSize - within);
    const Slot& slot = slots_[(offset + done) / kSimBlockSize];
    if (slot.block) {
      std::copy_n(slot.block->data() + within, n, out.data() + done);
    } else {
      std::fill_n(out.data() + done, n, '\0');
    }
    done += n;
  }
  return length;
}

void SimImage::Grow(uint64_t blocks) {
  if (blocks > slots_.size()) slots_.resize(blocks);
}

SimImage::Block& SimImage::Writable(uint64_t block) {
  Slot& slot = slots_[block];
  if (!slot.IsAllocated()) ++allocated_;
  if (!slot.own) {
    slot.block = slot.block ? std::make_shared<Block>(*slot.block) : std::make_shared<Block>();
    slot.own = true;
  }
  return *slot.block;
}

void SimImage::Write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  size_ = std::max(size_, offset + data.size());
  Grow(BlocksOf(size_));
  while (!data.empty()) {
    uint64_t within = offset % kSimBlockSize;
    size_t n = std::min<uint64_t>(data.size(), kSimBlockSize - within);
    std::copy_n(data.data(), n, Writable(offset / kSimBlockSize).data() + within);
    data.remove_prefix(n);
    offset += n;
  }
}

void SimImage::Truncate(uint64_t size) {
  uint64_t blocks = BlocksOf(size);
  for (uint64_t i = blocks; i < slots_.size(); ++i) allocated_ -= slots_[i].IsAllocated() ? 1 : 0;
  slots_.resize(blocks);
  uint64_t within = size % kSimBlockSize;
  if (size < size_ && within != 0 && slots_[size / kSimBlockSize].block) {
    Block& block = Writable(size / kSimBlockSize);
    std::fill(block.begin() + static_cast<std::ptrdiff_t>(within), block.end(), '\0');
  }
  size_ = size;
}

void SimImage::Reserve(uint64_t size) {
  size_ = std::max(size_, size);
  Grow(BlocksOf(size_));
  for (uint64_t i = 0; i < BlocksOf(size); ++i) {
    allocated_ += slots_[i].IsAllocated() ? 0 : 1;
    slots_[i].reserved = true;
  }
}

void SimImage::ShareBlock(uint64_t block, SimImage* other) {
  if (block >= other->slots_.size()) return;
  Grow(block + 1);
  other->slots_[block].own = false;
  allocated_ -= slots_[block].IsAllocated() ? 1 : 0;
  slots_[block] = other->slots_[block];
  allocated_ += slots_[block].IsAllocated() ? 1 : 0;
  size_ = std::max(size_, std::min(other->size_, (block + 1) * kSimBlockSize));
}

void SimImage::ShareAll(SimImage* other) {
  for (Slot& slot : other->slots_) slot.own = false;
  *this = *other;
}

uint64_t SimContents::BytesThatFit(uint64_t offset, uint64_t length, uint64_t free_blocks) const {
  uint64_t end = offset + length;
  for (uint64_t block = offset / kSimBlockSize; block < BlocksOf(end); ++block) {
    if (live_.IsAllocated(block)) continue;
    if (free_blocks == 0) return std::max(offset, block * kSimBlockSize) - offset;
    --free_blocks;
  }
  return length;
}

uint64_t SimContents::BlocksToReserve(uint64_t size) const {
  uint64_t count = 0;
  for (uint64_t block = 0; block < BlocksOf(size); ++block) count += live_.IsAllocated(block) ? 0 : 1;
  return count;
}

void SimContents::Write(uint64_t offset, std::string_view data) {
  live_.Write(offset, data);
  changes_.push_back({Change::Kind::kWrite, offset, std::string(data)});
}

void SimContents::Truncate(uint64_t size) {
  live_.Truncate(size);
  changes_.push_back({Change::Kind::kTruncate, size, {}});
}

void SimContents::Reserve(uint64_t size) {
  live_.Reserve(size);
  changes_.push_back({Change::Kind::kReserve, size, {}});
}

void SimContents::Sync() {
  bool writes_only = true;
  for (const Change& change : changes_) writes_only = writes_only && change.kind == Change::Kind::kWrite;
  if (writes_only && durable_.size() <= live_.size()) {
    // Most syncs: not a pass over the whole file.
    for (const auto& [block, history] : HistoryByBlock()) durable_.ShareBlock(block, &live_);
  } else {
    durable_.ShareAll(&live_);
  }
  changes_.clear();
}

void SimContents::Damage(uint64_t offset, std::string_view data) {
  live_.Write(offset, data);
  if (!changes_.empty()) changes_.push_back({Change::Kind::kWrite, offset, std::string(data)});
  if (offset >= durable_.size()) return;
  durable_.Write(offset, data.substr(0, durable_.size() - offset));
}

void SimContents::Cut(uint64_t size) {
  live_.Truncate(size);
  if (size < durable_.size()) durable_.Truncate(size);
  changes_.push_back({Change::Kind::kTruncate, size, {}});
}

// For each block that was written, the writes to it and all truncations before its end, in order.
std::map<uint64_t, SimContents::History> SimContents::HistoryByBlock() const {
  std::map<uint64_t, History> by_block;
  History truncations;
  auto history_of = [&](uint64_t block) -> History& {
    auto [at, fresh] = by_block.try_emplace(block);
    if (fresh) {
      for (size_t i : truncations) {
        if (changes_[i].offset < (block + 1) * kSimBlockSize) at->second.push_back(i);
      }
    }
    return at->second;
  };
  for (size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    if (change.kind == Change::Kind::kWrite) {
      uint64_t end = BlocksOf(change.offset + change.data.size());
      for (uint64_t block = change.offset / kSimBlockSize; block < end; ++block) history_of(block).push_back(i);
    } else if (change.kind == Change::Kind::kTruncate) {
      truncations.push_back(i);
      for (auto at = by_block.lower_bound(change.offset / kSimBlockSize); at != by_block.end(); ++at) {
        at->second.push_back(i);
      }
    }
  }
  return by_block;
}

// One block after a power cut: each `unit` of it as after some prefix of its history. Truncations are the size's
// business: they count if the size has seen them.
std::string SimContents::ReplayBlock(uint64_t block, const History& history, size_t sizes_kept, uint64_t unit,
                                     double keep, std::mt19937_64& random) const {
  std::string bytes(kSimBlockSize, '\0');
  const uint64_t base = block * kSimBlockSize;
  durable_.Read(base, bytes);
  for (uint64_t begin = base; begin < base + kSimBlockSize; begin += unit) {
    size_t kept = DrawKept(random, history.size(), keep);
    for (size_t i = 0; i < history.size(); ++i) {
      const Change& change = changes_[history[i]];
      if (change.kind == Change::Kind::kTruncate && history[i] < sizes_kept) {
        uint64_t from = std::max(change.offset, begin);
        if (from < begin + unit) std::fill_n(bytes.data() + (from - base), begin + unit - from, '\0');
      } else if (change.kind == Change::Kind::kWrite && i < kept) {
        auto [from, to] = Intersect(change.offset, change.data.size(), begin, begin + unit);
        if (from < to)
          std::copy_n(change.data.data() + (from - change.offset), to - from, bytes.data() + (from - base));
      }
    }
  }
  return bytes;
}

void SimContents::ReplaySizes(size_t kept, SimImage* image) const {
  for (size_t i = 0; i < kept; ++i) {
    const Change& change = changes_[i];
    switch (change.kind) {
      case Change::Kind::kTruncate:
        image->Truncate(change.offset);
        break;
      case Change::Kind::kReserve:
        image->Reserve(change.offset);
        break;
      case Change::Kind::kWrite:
        image->Truncate(std::max(image->size(), change.offset + change.data.size()));
        break;
    }
  }
}

SimContents SimContents::AfterCrash(std::mt19937_64& random, const SimCrashOptions& options) {
  SimContents after;
  after.durable_.ShareAll(&durable_);
  if (!changes_.empty()) {
    double keep = DrawKeepProbability(random, options.data);
    size_t sizes_kept = DrawKept(random, changes_.size(), keep);
    ReplaySizes(sizes_kept, &after.durable_);
    const uint64_t size = after.durable_.size();
    const uint64_t unit = options.tear_sectors ? kSimSectorSize : kSimBlockSize;
    for (const auto& [block, history] : HistoryByBlock()) {
      std::string bytes = ReplayBlock(block, history, sizes_kept, unit, keep, random);
      uint64_t offset = block * kSimBlockSize;
      if (offset < size) after.durable_.Write(offset, std::string_view(bytes).substr(0, size - offset));
    }
  }
  after.live_.ShareAll(&after.durable_);
  return after;
}

}  // namespace silt::lsm
