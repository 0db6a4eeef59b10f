#include "lsm/range_tombstone.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace silt::lsm {
namespace {

SequenceNumber NaiveCover(const std::vector<RangeTombstone>& all, std::string_view key, SequenceNumber snapshot) {
  SequenceNumber newest = 0;
  for (const RangeTombstone& t : all) {
    if (t.begin <= key && key < t.end && t.sequence <= snapshot) newest = std::max(newest, t.sequence);
  }
  return newest;
}

std::string RandomKey(std::mt19937_64& random) {
  std::string key(random() % 4, 'a');
  for (char& c : key) c = static_cast<char>('a' + random() % 4);
  return key;
}

TEST(RangeTombstones, FragmentsDoNotOverlapAndJoinWhereTheySayTheSame) {
  FragmentedRangeTombstones list(
      {{"b", "f", 5}, {"d", "h", 9}, {"h", "k", 9}, {"p", "q", 9}, {"m", "m", 3}, {"z", "a", 3}});
  ASSERT_EQ(list.fragments().size(), 4U);
  EXPECT_EQ(list.fragments()[0].begin, "b");
  EXPECT_EQ(list.fragments()[0].end, "d");
  EXPECT_EQ(list.fragments()[1].sequences, (std::vector<SequenceNumber>{9, 5}));
  EXPECT_EQ(list.fragments()[2].begin, "f");
  EXPECT_EQ(list.fragments()[2].end, "k");  // two tombstones of one sequence that touch

  CoverSpan gap = list.Cover("k", 100);
  EXPECT_EQ(gap.sequence, 0U);
  EXPECT_EQ(gap.begin, "k");
  EXPECT_EQ(gap.end, "p");
  EXPECT_FALSE(list.Cover("q", 100).end.has_value());
  CoverSpan before = list.Cover("", 100);
  EXPECT_FALSE(before.begin.has_value());
  EXPECT_EQ(before.end, "b");
  EXPECT_EQ(list.Cover("e", 8).sequence, 5U);
  EXPECT_EQ(list.Cover("e", 4).sequence, 0U);
}

TEST(RangeTombstones, AnEmptyListCoversNothing) {
  FragmentedRangeTombstones fixed;
  GrowingRangeTombstones growing;
  growing.Add("b", "b", 4);
  growing.Add("c", "b", 5);
  for (const RangeTombstoneSource* list :
       {static_cast<const RangeTombstoneSource*>(&fixed), static_cast<const RangeTombstoneSource*>(&growing)}) {
    EXPECT_TRUE(list->Empty());
    EXPECT_EQ(list->CoveringSequence("b", 9), 0U);
    CoverSpan span = list->Cover("b", 9);
    EXPECT_FALSE(span.begin || span.end);
  }
}

TEST(RangeTombstones, BothListsAgreeWithTheNaiveModel) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 150; ++round) {
    std::vector<RangeTombstone> all;
    GrowingRangeTombstones growing;
    size_t count = random() % 25;
    for (SequenceNumber sequence = 1; all.size() < count; ++sequence) {
      RangeTombstone t{RandomKey(random), RandomKey(random), sequence};
      growing.Add(t.begin, t.end, t.sequence);
      if (t.begin < t.end) all.push_back(t);
    }
    FragmentedRangeTombstones fixed(all);
    FragmentedRangeTombstones from_copy(growing.All());
    ASSERT_EQ(growing.Count(), all.size());
    ASSERT_EQ(fixed.fragments().size(), from_copy.fragments().size());
    for (int probe = 0; probe < 200; ++probe) {
      std::string key = RandomKey(random);
      SequenceNumber snapshot = random() % 60;
      SequenceNumber expected = NaiveCover(all, key, snapshot);
      for (const RangeTombstoneSource* list :
           {static_cast<const RangeTombstoneSource*>(&fixed), static_cast<const RangeTombstoneSource*>(&growing),
            static_cast<const RangeTombstoneSource*>(&from_copy)}) {
        ASSERT_EQ(list->CoveringSequence(key, snapshot), expected);
        CoverSpan span = list->Cover(key, snapshot);
        ASSERT_EQ(span.sequence, expected);
        ASSERT_TRUE(span.Contains(key));
        // The answer holds over the whole stretch.
        for (int i = 0; i < 5; ++i) {
          std::string other = RandomKey(random);
          if (!span.Contains(other)) continue;
          ASSERT_EQ(NaiveCover(all, other, snapshot), expected);
        }
      }
    }
  }
}

TEST(RangeTombstones, RepeatingOneRangeKeepsOneFragment) {
  GrowingRangeTombstones growing;
  for (SequenceNumber sequence = 1; sequence <= 50'000; ++sequence) growing.Add("a", "b", sequence);
  EXPECT_EQ(growing.CoveringSequence("a", 777), 777U);
  EXPECT_LT(growing.MemoryUsage(), 50'000U * 9);
}

// The writer only ever covers more; a reader that knows a published sequence must see at least that cover, whatever
// splitting goes on.
TEST(RangeTombstones, ReadersBesideTheWriterNeverMissAPublishedTombstone) {
  constexpr SequenceNumber kLast = 3000;
  GrowingRangeTombstones growing;
  std::vector<RangeTombstone> all;
  std::mt19937_64 random(11);
  for (SequenceNumber sequence = 1; sequence <= kLast; ++sequence) {
    std::string a = RandomKey(random);
    std::string b = RandomKey(random);
    if (a == b) b += "x";
    all.push_back({std::min(a, b), std::max(a, b), sequence});
  }
  std::atomic<SequenceNumber> published{0};
  std::atomic<bool> failed{false};
  std::vector<std::thread> readers;
  for (unsigned seed = 0; seed < 3; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937_64 mine(seed);
      for (SequenceNumber snapshot = 0; snapshot < kLast && !failed;) {
        snapshot = published.load(std::memory_order_acquire);
        if (snapshot == 0) continue;
        const RangeTombstone& pick = all[mine() % snapshot];
        SequenceNumber covering = growing.CoveringSequence(pick.begin, snapshot);
        CoverSpan span = growing.Cover(pick.begin, snapshot);
        if (covering < pick.sequence || covering > snapshot || span.sequence != covering ||
            !span.Contains(pick.begin)) {
          failed = true;
        }
      }
    });
  }
  for (const RangeTombstone& t : all) {
    growing.Add(t.begin, t.end, t.sequence);
    published.store(t.sequence, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_FALSE(failed);
  EXPECT_EQ(growing.Count(), kLast);
}

}  // namespace
}  // namespace silt::lsm
