// Several sources read as one: against a sorted list, both ways, with turns, skips and failing sources.
#include "lsm/compaction/merging_iterator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "lsm/internal_key.h"

namespace silt::lsm {
namespace {

struct Entry {
  std::string key;
  size_t source;
};

// A sorted list as a source, which can be told to fail at a place.
class ListIterator final : public InternalIterator {
 public:
  static constexpr size_t kNowhere = SIZE_MAX / 2;

  ListIterator(std::vector<std::string> keys, size_t fails_at)
      : keys_(std::move(keys)), at_(keys_.size()), fails_at_(fails_at) {}
  bool Valid() const override { return at_ < keys_.size() && at_ != fails_at_; }
  void SeekToFirst() override { at_ = 0; }
  void SeekToLast() override { at_ = keys_.size() - 1; }  // past the end when there is none
  void Seek(std::string_view key) override {
    at_ = static_cast<size_t>(std::lower_bound(keys_.begin(), keys_.end(), key, Less) - keys_.begin());
    ++seeks;
  }
  void SeekForPrev(std::string_view key) override {
    auto after = std::upper_bound(keys_.begin(), keys_.end(), key, Less);
    at_ = static_cast<size_t>(after - keys_.begin()) - 1;
    ++seeks;
  }
  void Next() override { ++at_; }
  void Prev() override { --at_; }  // before the first: far past the end
  std::string_view key() const override { return keys_[at_]; }
  std::string_view value() const override { return keys_[at_]; }
  Status status() const override { return at_ == fails_at_ ? Status::Corruption("000001.sst") : Status::Ok(); }

  int seeks = 0;

 private:
  static bool Less(std::string_view a, std::string_view b) { return CompareInternal(a, b) < 0; }
  std::vector<std::string> keys_;
  size_t at_;
  size_t fails_at_;
};

class MergingIteratorTest : public ::testing::Test {
 protected:
  static std::string Key(std::string_view user_key, SequenceNumber sequence = 1) {
    return MakeInternalKey(user_key, sequence, EntryKind::kPut);
  }
  void Add(std::vector<std::string> keys, size_t fails_at = ListIterator::kNowhere) {
    for (const std::string& key : keys) all_.push_back({key, lists_.size()});
    auto list = std::make_unique<ListIterator>(std::move(keys), fails_at);
    lists_.push_back(list.get());
    sources_.push_back(std::move(list));
  }
  void Merge() {
    merged_ = std::make_unique<MergingIterator>(std::move(sources_));
    SortAll();
  }
  // Entries that two sources have come from the one with the smaller index first.
  void SortAll() {
    std::sort(all_.begin(), all_.end(), [](const Entry& a, const Entry& b) {
      int order = CompareInternal(a.key, b.key);
      return order == 0 ? a.source < b.source : order < 0;
    });
  }
  std::string Here() const {
    if (!merged_->Valid()) return merged_->status().ok() ? "end" : merged_->status().ToString();
    return std::string(ExtractUserKey(merged_->key())) + std::to_string(merged_->source());
  }
  std::string Forward() {
    std::string text;
    for (merged_->SeekToFirst(); merged_->Valid(); merged_->Next()) text += Here() + " ";
    return text + Here();
  }

  std::vector<Entry> all_;
  std::vector<ListIterator*> lists_;
  std::vector<std::unique_ptr<InternalIterator>> sources_;
  std::unique_ptr<MergingIterator> merged_;
};

TEST_F(MergingIteratorTest, OfNothingIsEmpty) {
  Merge();
  EXPECT_EQ(Forward(), "end");
  merged_->SeekToLast();
  EXPECT_FALSE(merged_->Valid());
}

TEST_F(MergingIteratorTest, SortsSourcesAndGivesEqualEntriesNewestSourceFirst) {
  Add({Key("b"), Key("d")});
  Add({});
  Add({Key("a"), Key("b"), Key("c")});
  Merge();
  EXPECT_EQ(Forward(), "a2 b0 b2 c2 d0 end");
}

TEST_F(MergingIteratorTest, VersionsOfAKeyComeNewestFirst) {
  Add({Key("k", 5), Key("k", 2)});
  Add({Key("k", 9), Key("k", 3)});
  Merge();
  EXPECT_EQ(Forward(), "k1 k0 k1 k0 end");
}

TEST_F(MergingIteratorTest, TurnsRoundAtAnyEntry) {
  Add({Key("a"), Key("d")});
  Add({Key("b"), Key("e")});
  Add({Key("c")});
  Merge();
  merged_->Seek(Key("c"));
  EXPECT_EQ(Here(), "c2");
  merged_->Prev();
  EXPECT_EQ(Here(), "b1");
  merged_->Next();
  EXPECT_EQ(Here(), "c2");
  merged_->Next();
  EXPECT_EQ(Here(), "d0");
  merged_->Prev();
  merged_->Prev();
  merged_->Prev();
  EXPECT_EQ(Here(), "a0");
  merged_->Prev();
  EXPECT_EQ(Here(), "end");
}

// What two sources have is behind it in both of them once it turns.
TEST_F(MergingIteratorTest, EqualEntriesAreNotMetAgainWhenItTurns) {
  Add({Key("a"), Key("b")});
  Add({Key("b"), Key("c")});
  Merge();
  merged_->Seek(Key("b"));
  EXPECT_EQ(Here(), "b0");
  merged_->Prev();
  EXPECT_EQ(Here(), "a0");
  merged_->SeekForPrev(Key("b"));
  EXPECT_EQ(Here(), "b0");
  merged_->Next();
  EXPECT_EQ(Here(), "c1");
}

TEST_F(MergingIteratorTest, AFailingSourceEndsItWithItsError) {
  Add({Key("a"), Key("c")});
  Add({Key("b"), Key("d")}, /*fails_at=*/1);
  Merge();
  EXPECT_EQ(Forward(), "a0 b1 corruption: 000001.sst");
  // Not for ever: the error belongs to the place.
  merged_->Seek(Key("a"));
  EXPECT_EQ(Here(), "a0");
  merged_->SeekToLast();
  EXPECT_EQ(Here(), "corruption: 000001.sst");
}

TEST_F(MergingIteratorTest, SkippingMovesOlderSourcesOnlyAndOnlyForwards) {
  Add({Key("a"), Key("b"), Key("z")});
  Add({Key("a"), Key("c"), Key("m")});
  Add({Key("b"), Key("x")});
  Merge();
  merged_->SeekToFirst();
  merged_->SkipOlderTo(0, Key("m"));
  EXPECT_EQ(Here(), "a0");
  EXPECT_EQ(lists_[0]->seeks, 0);
  std::string rest;
  for (; merged_->Valid(); merged_->Next()) rest += Here() + " ";
  EXPECT_EQ(rest, "a0 b0 m1 x2 z0 ");
  merged_->Seek(Key("x"));
  int seeks = lists_[2]->seeks;
  merged_->SkipOlderTo(0, Key("b"));  // behind already
  EXPECT_EQ(lists_[2]->seeks, seeks);
  EXPECT_EQ(Here(), "x2");
}

TEST_F(MergingIteratorTest, SkippingBackwardsIsTheMirrorImage) {
  Add({Key("a"), Key("y")});
  Add({Key("c"), Key("m"), Key("x")});
  Merge();
  merged_->SeekToLast();
  merged_->SkipOlderBackTo(0, Key("d"));
  EXPECT_EQ(Here(), "y0");
  merged_->Prev();
  EXPECT_EQ(Here(), "c1");
  merged_->Prev();
  EXPECT_EQ(Here(), "a0");
}

// Any walk over any sources is a walk over the sorted list of all entries.
TEST_F(MergingIteratorTest, WalksLikeOneSortedList) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    all_.clear();
    lists_.clear();
    std::set<std::string> used;
    for (uint64_t n = random() % 6; n > 0; --n) {
      std::set<std::string> keys;
      // No two sources have the same entry: sequence numbers are given once.
      for (uint64_t i = random() % 30; i > 0; --i) {
        std::string key = Key(std::string(1, static_cast<char>('a' + random() % 20)), random() % 50);
        if (used.insert(key).second) keys.insert(key);
      }
      std::vector<std::string> sorted(keys.begin(), keys.end());
      std::sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return CompareInternal(a, b) < 0; });
      Add(std::move(sorted));
    }
    Merge();
    auto size = static_cast<std::ptrdiff_t>(all_.size());
    std::ptrdiff_t at = -1;
    for (int step = 0; step < 200; ++step) {
      std::string target = Key(std::string(1, static_cast<char>('a' + random() % 20)), random() % 50);
      bool valid = at >= 0 && at < size;
      switch (random() % 8) {
        case 0:
          merged_->SeekToFirst();
          at = 0;
          break;
        case 1:
          merged_->SeekToLast();
          at = size - 1;
          break;
        case 2:
          merged_->Seek(target);
          for (at = 0; at < size && CompareInternal(all_[at].key, target) < 0;) ++at;
          break;
        case 3:
          merged_->SeekForPrev(target);
          for (at = size - 1; at >= 0 && CompareInternal(all_[at].key, target) > 0;) --at;
          break;
        case 4:
        case 5:
          if (valid) merged_->Next();
          at += valid ? 1 : 0;
          break;
        default:
          if (valid) merged_->Prev();
          at -= valid ? 1 : 0;
      }
      valid = at >= 0 && at < size;
      ASSERT_EQ(merged_->Valid(), valid) << "seed " << seed << " step " << step;
      if (!valid) continue;
      ASSERT_EQ(merged_->key(), all_[at].key) << "seed " << seed << " step " << step;
      ASSERT_EQ(merged_->source(), all_[at].source) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace silt::lsm
