// The rule by which versions go, in full for small cases.
#include "lsm/compaction/retention.h"

#include <gtest/gtest.h>

#include "lsm/compaction/entry_filter.h"

namespace silt::lsm {
namespace {

TEST(RetentionTest, OfEachStripeTheNewestVersionStays) {
  Retention retention({10, 25}, false);
  EXPECT_EQ(retention.Stripe(10), 0u);
  EXPECT_EQ(retention.Stripe(11), 1u);
  EXPECT_EQ(retention.Stripe(26), 2u);
  EXPECT_FALSE(retention.MayGo(9, EntryKind::kPut, 0, 0));
  EXPECT_TRUE(retention.MayGo(9, EntryKind::kPut, 10, 0));
  EXPECT_FALSE(retention.MayGo(9, EntryKind::kPut, 11, 0));  // snapshot 10 sees it
  EXPECT_FALSE(retention.MayGo(25, EntryKind::kPut, 26, 0));
  EXPECT_TRUE(retention.MayGo(26, EntryKind::kDelete, 27, 0));
}

TEST(RetentionTest, ARangeTombstoneHidesOnlyWithinItsStripe) {
  Retention retention({10}, false);
  EXPECT_TRUE(retention.MayGo(5, EntryKind::kPut, 0, 7));
  EXPECT_FALSE(retention.MayGo(5, EntryKind::kPut, 0, 11));
  EXPECT_FALSE(retention.MayGo(7, EntryKind::kPut, 0, 5));  // written after it
}

TEST(RetentionTest, ATombstoneGoesWhenNothingOlderCanLieBelowAndEverySnapshotSeesIt) {
  EXPECT_TRUE(Retention({}, true).MayGo(5, EntryKind::kDelete, 0, 0));
  EXPECT_FALSE(Retention({}, false).MayGo(5, EntryKind::kDelete, 0, 0));
  EXPECT_TRUE(Retention({5}, true).MayGo(5, EntryKind::kDelete, 0, 0));
  EXPECT_FALSE(Retention({4}, true).MayGo(5, EntryKind::kDelete, 0, 0));
  EXPECT_FALSE(Retention({}, true).MayGo(5, EntryKind::kPut, 0, 0));
}

TEST(RetentionTest, AFilterFollowsEachKeysVersionsAlsoBehindDroppedOnes) {
  Retention retention({10}, true);
  FragmentedRangeTombstones none;
  EntryFilter filter(retention, none);
  auto keep = [&](std::string_view key, SequenceNumber sequence, EntryKind kind) {
    return filter.Keep({key, sequence, kind});
  };
  EXPECT_TRUE(keep("a", 20, EntryKind::kPut));
  EXPECT_FALSE(keep("a", 15, EntryKind::kPut));
  EXPECT_FALSE(keep("a", 9, EntryKind::kDelete));  // spent
  EXPECT_FALSE(keep("a", 8, EntryKind::kPut));     // hidden by the one that just went
  EXPECT_TRUE(keep("b", 3, EntryKind::kPut));      // another key
  EXPECT_FALSE(keep("b", 3, EntryKind::kPut));     // the same entry from two inputs
}

TEST(RetentionTest, OfATombstonesFragmentsTheNewestOfEachStripeStays) {
  Retention retention({10}, false);
  FragmentedRangeTombstones tombstones({{"a", "m", 5}, {"c", "z", 8}, {"d", "e", 20}});
  std::string text;
  for (const RangeTombstone& t : RetainedTombstones(retention, tombstones)) {
    text += t.begin + "-" + t.end + "@" + std::to_string(t.sequence) + " ";
  }
  EXPECT_EQ(text, "a-c@5 c-d@8 d-e@20 d-e@8 e-m@8 m-z@8 ");
}

}  // namespace
}  // namespace silt::lsm
