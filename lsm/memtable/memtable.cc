#include "lsm/memtable/memtable.h"

#include <cassert>
#include <limits>

#include "lsm/batch_reader.h"
#include "lsm/memtable/arena.h"
#include "lsm/memtable/memtable_index.h"

namespace silt::lsm {
namespace {

constexpr uint64_t kFirstTrailer = std::numeric_limits<uint64_t>::max();  // sorts before every entry of a user key

class MemTableIterator final : public InternalIterator {
 public:
  MemTableIterator(const MemTableIndex* index, FamilyId family) : index_(index), family_(family) {}

  bool Valid() const override { return position_.node() != nullptr; }
  void SeekToFirst() override { Land(index_->FindGreaterOrEqual({family_, {}, kFirstTrailer})); }
  void SeekToLast() override { Land(index_->FindLess({static_cast<FamilyId>(family_ + 1), {}, kFirstTrailer})); }
  void Seek(std::string_view internal_key) override { Land(index_->FindGreaterOrEqual(KeyOf(internal_key))); }
  void SeekForPrev(std::string_view internal_key) override {
    MemKey key = KeyOf(internal_key);
    MemTableIndex::Position position = index_->FindGreaterOrEqual(key);
    bool exact = position.node() != nullptr && CompareNode(*position.node(), key) == 0;
    Land(exact ? position : index_->FindLess(key));
  }
  void Next() override {
    index_->Next(&position_);
    StayInFamily();
  }
  void Prev() override {
    index_->Prev(&position_);
    StayInFamily();
  }
  std::string_view key() const override { return position_.node()->internal_key(); }
  std::string_view value() const override { return position_.node()->value(); }
  Status status() const override { return Status::Ok(); }

 private:
  MemKey KeyOf(std::string_view internal_key) const {
    return {family_, ExtractUserKey(internal_key), ExtractTrailer(internal_key)};
  }
  void Land(const MemTableIndex::Position& position) {
    position_ = position;
    StayInFamily();
    if (Valid()) MemTableIndex::PrefetchBehind(position_);
  }
  void StayInFamily() {
    if (Valid() && position_.node()->family() != family_) position_ = {};
  }

  const MemTableIndex* index_;
  FamilyId family_;
  MemTableIndex::Position position_;
};

}  // namespace

MemTable::MemTable(size_t capacity)
    : arena_(std::make_unique<Arena>()), index_(std::make_unique<MemTableIndex>(arena_.get())), filter_(capacity) {}
MemTable::~MemTable() = default;

void MemTable::Add(SequenceNumber sequence, EntryKind kind, FamilyId family, std::string_view key,
                   std::string_view value) {
  assert(family < kMaxFamilies);
  if (kind == EntryKind::kRangeDelete) {
    GrowingRangeTombstones& tombstones = range_tombstones_[family];
    size_t before = tombstones.MemoryUsage();
    tombstones.Add(key, value, sequence);
    tombstone_bytes_.store(tombstone_bytes_.load(std::memory_order_relaxed) + tombstones.MemoryUsage() - before,
                           std::memory_order_relaxed);
  } else {
    filter_.Add(family, key);
    index_->Insert({family, key, PackTrailer(sequence, kind)}, value);
  }
  // One writer, so that plain load-and-store is enough.
  uint64_t entries = entries_.load(std::memory_order_relaxed);
  if (entries == 0 || sequence < smallest_sequence_.load(std::memory_order_relaxed)) {
    smallest_sequence_.store(sequence, std::memory_order_release);
  }
  if (sequence > largest_sequence_.load(std::memory_order_relaxed)) {
    largest_sequence_.store(sequence, std::memory_order_release);
  }
  entries_.store(entries + 1, std::memory_order_release);
}

Status MemTable::AddBatch(std::string_view batch) {
  return AddBatch(batch, batch.size() < sizeof(SequenceNumber) ? 0 : DecodeFixed<SequenceNumber>(batch.data()));
}

Status MemTable::AddBatch(std::string_view batch, SequenceNumber first) {
  if (batch.size() > std::numeric_limits<uint32_t>::max()) {
    return Status::InvalidArgument("batch: larger than 4 GiB");  // an entry's sizes have 32 bits
  }
  return ForEachInBatch(batch, first,
                        [this](SequenceNumber sequence, EntryKind kind, FamilyId family, std::string_view key,
                               std::string_view value) { Add(sequence, kind, family, key, value); });
}

MemTable::Lookup MemTable::Get(FamilyId family, const LookupKey& lookup, SequenceNumber snapshot,
                               std::string_view* value, SequenceNumber* sequence) const {
  std::string_view key = lookup.user_key;
  const MemNode* node = nullptr;
  if (filter_.MayContain(family, lookup)) node = index_->FindGreaterOrEqual({family, key, SeekTrailer(snapshot)}).node();
  bool found = node != nullptr && node->family() == family && SameBytes(node->user_key(), key);
  SequenceNumber entry = found ? node->trailer() >> 8 : 0;
  SequenceNumber covering = range_tombstones_[family].CoveringSequence(key, snapshot);
  if (covering > entry) {
    *sequence = covering;
    return Lookup::kDeleted;
  }
  if (!found) return Lookup::kAbsent;
  *sequence = entry;
  if (static_cast<EntryKind>(node->trailer() & 0xff) == EntryKind::kDelete) return Lookup::kDeleted;
  *value = node->value();
  return Lookup::kFound;
}

std::unique_ptr<InternalIterator> MemTable::NewIterator(FamilyId family) const {
  return std::make_unique<MemTableIterator>(index_.get(), family);
}

size_t MemTable::MemoryUsage() const {
  return arena_->MemoryUsage() + filter_.MemoryUsage() + tombstone_bytes_.load(std::memory_order_relaxed);
}

}  // namespace silt::lsm
