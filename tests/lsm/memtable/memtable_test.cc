#include "lsm/memtable/memtable.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "lsm/internal_key.h"

namespace silt::lsm {
namespace {

using Lookup = MemTable::Lookup;

std::string GetAt(const MemTable& table, FamilyId family, std::string_view key, SequenceNumber snapshot) {
  std::string_view value;
  SequenceNumber sequence = 0;
  switch (table.Get(family, key, snapshot, &value, &sequence)) {
    case Lookup::kAbsent:
      return "absent";
    case Lookup::kDeleted:
      return "deleted@" + std::to_string(sequence);
    case Lookup::kFound:
      return std::string(value) + "@" + std::to_string(sequence);
  }
  return "?";
}

TEST(MemTable, GetSeesTheNewestVersionThatTheSnapshotSees) {
  MemTable table;
  table.Add(5, EntryKind::kPut, 0, "k", "five");
  table.Add(7, EntryKind::kDelete, 0, "k", "");
  table.Add(9, EntryKind::kPut, 0, "k", "nine");
  EXPECT_EQ(GetAt(table, 0, "k", 4), "absent");
  EXPECT_EQ(GetAt(table, 0, "k", 5), "five@5");
  EXPECT_EQ(GetAt(table, 0, "k", 6), "five@5");
  EXPECT_EQ(GetAt(table, 0, "k", 8), "deleted@7");
  EXPECT_EQ(GetAt(table, 0, "k", kMaxSequence), "nine@9");
  EXPECT_EQ(GetAt(table, 0, "kk", kMaxSequence), "absent");
  EXPECT_EQ(GetAt(table, 0, "", kMaxSequence), "absent");
}

TEST(MemTable, FamiliesDoNotSeeEachOther) {
  MemTable table;
  table.Add(1, EntryKind::kPut, 0, "k", "zero");
  table.Add(2, EntryKind::kPut, 7, "k", "seven");
  table.Add(3, EntryKind::kRangeDelete, 3, "a", "z");
  EXPECT_EQ(GetAt(table, 0, "k", 9), "zero@1");
  EXPECT_EQ(GetAt(table, 7, "k", 9), "seven@2");
  EXPECT_EQ(GetAt(table, 3, "k", 9), "deleted@3");
  EXPECT_EQ(GetAt(table, 1, "k", 9), "absent");
  auto it = table.NewIterator(0);
  it->SeekToLast();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), MakeInternalKey("k", 1, EntryKind::kPut));
  it->Next();
  EXPECT_FALSE(it->Valid());
  auto none = table.NewIterator(1);
  none->SeekToFirst();
  EXPECT_FALSE(none->Valid());
  none->SeekToLast();
  EXPECT_FALSE(none->Valid());
}

TEST(MemTable, ARangeTombstoneHidesWhatIsOlderAndNothingElse) {
  MemTable table;
  table.Add(1, EntryKind::kPut, 0, "b", "old");
  table.Add(2, EntryKind::kRangeDelete, 0, "b", "d");
  table.Add(3, EntryKind::kPut, 0, "c", "new");
  EXPECT_EQ(GetAt(table, 0, "b", 1), "old@1");
  EXPECT_EQ(GetAt(table, 0, "b", 2), "deleted@2");
  EXPECT_EQ(GetAt(table, 0, "c", 9), "new@3");
  EXPECT_EQ(GetAt(table, 0, "c", 2), "deleted@2");
  EXPECT_EQ(GetAt(table, 0, "d", 9), "absent");
}

TEST(MemTable, CountsEntriesSequencesAndMemory) {
  MemTable table(1 << 20);
  EXPECT_TRUE(table.Empty());
  size_t empty = table.MemoryUsage();
  EXPECT_LT(empty, 1U << 14);
  table.Add(12, EntryKind::kRangeDelete, 0, "a", "b");
  EXPECT_FALSE(table.Empty());
  table.Add(10, EntryKind::kPut, 0, "k", std::string(1 << 20, 'v'));
  EXPECT_EQ(table.Entries(), 2U);
  EXPECT_EQ(table.SmallestSequence(), 10U);
  EXPECT_EQ(table.LargestSequence(), 12U);
  EXPECT_GT(table.MemoryUsage(), empty + (1 << 20));
  EXPECT_EQ(table.range_tombstones(0).Count(), 1U);
}

TEST(MemTable, AddBatchNumbersItsOperationsInOrder) {
  WriteBatch batch;
  batch.Put(0, "k", "first");
  batch.DeleteRange(0, "a", "z");
  batch.Put(1, "k", "second");
  batch.Delete(1, "k");
  batch.SetSequence(100);
  MemTable table;
  ASSERT_TRUE(table.AddBatch(batch.Data()).ok());
  EXPECT_EQ(GetAt(table, 0, "k", 100), "first@100");
  EXPECT_EQ(GetAt(table, 0, "k", 101), "deleted@101");
  EXPECT_EQ(GetAt(table, 1, "k", 102), "second@102");
  EXPECT_EQ(GetAt(table, 1, "k", 103), "deleted@103");
  EXPECT_EQ(table.Entries(), 4U);
}

TEST(MemTable, AMalformedBatchIsCorruption) {
  WriteBatch batch;
  batch.Put(0, "key", "value");
  std::string bytes(batch.Data());
  MemTable table;
  EXPECT_TRUE(table.AddBatch(std::string_view(bytes).substr(0, bytes.size() - 1)).IsCorruption());
}

// A model in the memtable's order: family, user key, sequence descending.
using ModelKey = std::tuple<FamilyId, std::string, SequenceNumber>;
struct ModelOrder {
  bool operator()(const ModelKey& a, const ModelKey& b) const {
    const auto& [fa, ka, sa] = a;
    const auto& [fb, kb, sb] = b;
    return std::tie(fa, ka, sb) < std::tie(fb, kb, sa);
  }
};
using Model = std::map<ModelKey, std::string, ModelOrder>;

// Keys come in a few ascending streams, at random, and as repeats: what the insert fingers have to cope with.
std::string NextKey(std::mt19937_64& random, std::array<int, 4>& streams) {
  char buffer[32];
  size_t stream = random() % 6;
  if (stream < 4) {
    std::snprintf(buffer, sizeof buffer, "%c%06d", "INEX"[stream], streams[stream]);
    streams[stream] += static_cast<int>(random() % 3);
    return buffer;
  }
  if (stream == 4) return std::string(random() % 4, static_cast<char>(random() % 3));
  std::snprintf(buffer, sizeof buffer, "%c%06d", "INEX"[random() % 4], static_cast<int>(random() % 2000));
  return buffer;
}

TEST(MemTable, IteratesBothWaysLikeASortedMap) {
  std::mt19937_64 random(7);
  MemTable table;
  Model model;
  std::array<int, 4> streams{};
  for (SequenceNumber sequence = 1; sequence <= 6000; ++sequence) {
    auto family = static_cast<FamilyId>(random() % 3);
    std::string key = NextKey(random, streams);
    std::string value = "v" + std::to_string(sequence);
    table.Add(sequence, EntryKind::kPut, family, key, value);
    model[{family, key, sequence}] = value;
  }
  for (FamilyId family = 0; family < 3; ++family) {
    auto it = table.NewIterator(family);
    auto expect_at = [&](Model::const_iterator at) {
      bool inside = at != model.end() && std::get<0>(at->first) == family;
      ASSERT_EQ(it->Valid(), inside);
      if (!inside) return;
      ASSERT_EQ(it->key(), MakeInternalKey(std::get<1>(at->first), std::get<2>(at->first), EntryKind::kPut));
      ASSERT_EQ(it->value(), at->second);
    };
    auto first = model.lower_bound({family, "", kMaxSequence});
    it->SeekToFirst();
    auto at = first;
    for (; it->Valid(); it->Next(), ++at) expect_at(at);
    expect_at(at);
    it->SeekToLast();
    while (it->Valid()) {
      --at;
      expect_at(at);
      it->Prev();
    }
    ASSERT_TRUE(at == first);

    for (int i = 0; i < 3000; ++i) {
      std::string key = NextKey(random, streams);
      SequenceNumber sequence = random() % 6500;
      std::string target = MakeInternalKey(key, sequence, EntryKind::kPut);
      auto lower = model.lower_bound({family, key, sequence});
      it->Seek(target);
      expect_at(lower);
      auto upper = model.upper_bound({family, key, sequence});
      it->SeekForPrev(target);
      expect_at(upper == model.begin() ? model.end() : std::prev(upper));
    }
  }
}

// Readers check that everything published before they look is there, in order, while the writer goes on.
TEST(MemTable, ReadersBesideTheWriterSeeEverythingPublished) {
  constexpr SequenceNumber kLast = 20'000;
  MemTable table;
  std::atomic<SequenceNumber> published{0};
  auto key_of = [](SequenceNumber sequence) { return std::to_string(sequence * 7919 % 5000); };

  std::vector<std::thread> readers;
  std::atomic<bool> failed{false};
  for (unsigned seed = 0; seed < 3; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      for (SequenceNumber snapshot = 0; snapshot < kLast && !failed;) {
        snapshot = published.load(std::memory_order_acquire);
        if (snapshot == 0) continue;
        SequenceNumber pick = 1 + random() % snapshot;
        std::string_view value;
        SequenceNumber sequence = 0;
        auto found = table.Get(1, key_of(pick), snapshot, &value, &sequence);
        bool right = found == Lookup::kFound ? sequence >= pick && value == std::to_string(sequence)
                                             : found == Lookup::kDeleted && sequence >= pick;
        if (!right) failed = true;
        auto it = table.NewIterator(1);
        std::string previous;
        int steps = 0;
        for (it->Seek(MakeSeekKey(key_of(pick), snapshot)); it->Valid() && steps < 50; it->Next(), ++steps) {
          if (!previous.empty() && CompareInternal(previous, it->key()) >= 0) failed = true;
          previous = it->key();
        }
      }
    });
  }
  for (SequenceNumber sequence = 1; sequence <= kLast; ++sequence) {
    if (sequence % 100 == 0) {
      table.Add(sequence, EntryKind::kRangeDelete, 1, key_of(sequence), key_of(sequence) + "1");
    } else {
      table.Add(sequence, EntryKind::kPut, 1, key_of(sequence), std::to_string(sequence));
    }
    published.store(sequence, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_FALSE(failed);
}

}  // namespace
}  // namespace silt::lsm
