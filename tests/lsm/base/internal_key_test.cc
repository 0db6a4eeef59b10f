#include "lsm/internal_key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace silt::lsm {
namespace {

TEST(InternalKeyTest, PartsComeBack) {
  std::string key = MakeInternalKey("user", 0x123456789abcd, EntryKind::kRangeDelete);
  EXPECT_EQ(key.size(), 4 + kTrailerSize);
  ParsedInternalKey parsed;
  ASSERT_TRUE(ParseInternalKey(key, &parsed));
  EXPECT_EQ(parsed.user_key, "user");
  EXPECT_EQ(parsed.sequence, 0x123456789abcdu);
  EXPECT_EQ(parsed.kind, EntryKind::kRangeDelete);
  EXPECT_EQ(ExtractUserKey(key), "user");
  EXPECT_EQ(ExtractSequence(key), 0x123456789abcdu);
}

TEST(InternalKeyTest, TheLargestSequenceFits) {
  ParsedInternalKey parsed;
  ASSERT_TRUE(ParseInternalKey(MakeInternalKey("", kMaxSequence, EntryKind::kPut), &parsed));
  EXPECT_EQ(parsed.sequence, kMaxSequence);
  EXPECT_EQ(parsed.user_key, "");
}

TEST(InternalKeyTest, WhatIsNoInternalKeyIsRefused) {
  ParsedInternalKey parsed;
  EXPECT_FALSE(ParseInternalKey("", &parsed));
  EXPECT_FALSE(ParseInternalKey("1234567", &parsed));
  std::string key = MakeInternalKey("user", 1, EntryKind::kPut);
  key[4] = 3;  // a kind kept for later
  EXPECT_FALSE(ParseInternalKey(key, &parsed));
}

TEST(InternalKeyTest, KeysSortByUserKeyThenNewestFirst) {
  std::vector<std::string> sorted;
  for (std::string user : {std::string(), std::string("\0", 1), std::string("a"), std::string("a\0", 2),
                           std::string("ab"), std::string("b"), std::string("\xff")}) {
    sorted.push_back(MakeSeekKey(user, kMaxSequence));
    for (SequenceNumber sequence : {kMaxSequence, SequenceNumber{256}, SequenceNumber{255}, SequenceNumber{1}}) {
      for (EntryKind kind : {EntryKind::kRangeDelete, EntryKind::kPut, EntryKind::kDelete}) {
        sorted.push_back(MakeInternalKey(user, sequence, kind));
      }
    }
  }
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = 0; j < sorted.size(); ++j) {
      int order = CompareInternal(sorted[i], sorted[j]);
      EXPECT_EQ(order < 0, i < j) << i << " " << j;
      EXPECT_EQ(order == 0, i == j) << i << " " << j;
    }
  }
}

TEST(InternalKeyTest, ASeekFindsTheNewestVersionThatTheSnapshotSees) {
  std::vector<std::string> versions;
  for (SequenceNumber sequence = 10; sequence > 0; sequence -= 2) {
    versions.push_back(MakeInternalKey("k", sequence, EntryKind::kPut));
  }
  auto found = [&](SequenceNumber snapshot) {
    auto at = std::lower_bound(versions.begin(), versions.end(), MakeSeekKey("k", snapshot),
                               [](const auto& a, const auto& b) { return CompareInternal(a, b) < 0; });
    return at == versions.end() ? 0 : ExtractSequence(*at);
  };
  EXPECT_EQ(found(11), 10u);
  EXPECT_EQ(found(10), 10u);
  EXPECT_EQ(found(9), 8u);
  EXPECT_EQ(found(2), 2u);
  EXPECT_EQ(found(1), 0u);
}

}  // namespace
}  // namespace silt::lsm
