#include "lsm/table/block.h"

#include <gtest/gtest.h>

#include "lsm/table/block_builder.h"
#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

std::string BuildBlock(const Entries& entries, int restart_interval) {
  BlockBuilder builder(restart_interval);
  for (const auto& [key, value] : entries) builder.Add(key, value);
  return std::string(builder.Finish());
}

TEST(Block, GoesBothWaysAndSeeksLikeASortedMap) {
  std::mt19937_64 random(5);
  for (int restart_interval : {1, 2, 16, 1000}) {
    for (size_t count : {1UL, 2UL, 17UL, 300UL}) {
      Entries entries = RandomEntries(random, count, 300);
      std::string block = BuildBlock(entries, restart_interval);
      BlockCursor cursor(block);
      auto expect_at = [&](Entries::const_iterator at) {
        ASSERT_EQ(cursor.Valid(), at != entries.end());
        if (at == entries.end()) return;
        ASSERT_EQ(cursor.key(), at->first);
        ASSERT_EQ(cursor.value(), at->second);
      };
      auto at = entries.cbegin();
      for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next(), ++at) expect_at(at);
      ASSERT_TRUE(at == entries.cend());
      for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) expect_at(--at);
      ASSERT_TRUE(at == entries.cbegin());
      for (int i = 0; i < 200; ++i) {
        std::string target = MakeInternalKey(RandomUserKey(random), random() % (count + 2), EntryKind::kPut);
        cursor.Seek(target);
        expect_at(entries.lower_bound(target));
        auto upper = entries.upper_bound(target);
        cursor.SeekForPrev(target);
        expect_at(upper == entries.begin() ? entries.end() : std::prev(upper));
      }
      ASSERT_FALSE(cursor.malformed());
    }
  }
}

// Walks over the block in every way; the sanitizers say whether something was read that is not the block's.
void Exercise(const std::string& bytes, const std::vector<std::string>& targets) {
  auto block = std::make_unique<char[]>(bytes.size());  // exactly as long, so that reading past it is noticed
  std::copy(bytes.begin(), bytes.end(), block.get());
  BlockCursor cursor(std::string_view(block.get(), bytes.size()));
  size_t steps = 0;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) ASSERT_LE(++steps, bytes.size());
  cursor.Open(std::string_view(block.get(), bytes.size()));
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) ASSERT_LE(++steps, 2 * bytes.size());
  for (const std::string& target : targets) {
    cursor.Open(std::string_view(block.get(), bytes.size()));
    cursor.Seek(target);
    if (cursor.Valid()) cursor.Prev();
    cursor.Open(std::string_view(block.get(), bytes.size()));
    cursor.SeekForPrev(target);
    if (cursor.Valid()) cursor.Next();
  }
}

TEST(Block, DamagedBytesAreNeverReadPastAndNeverLoop) {
  std::mt19937_64 random(6);
  Entries entries = RandomEntries(random, 30, 20);
  std::string block = BuildBlock(entries, 4);
  std::vector<std::string> targets;
  for (int i = 0; i < 5; ++i) targets.push_back(MakeSeekKey(RandomUserKey(random), 15));
  for (size_t length = 0; length <= block.size(); ++length) Exercise(block.substr(0, length), targets);
  for (size_t at = 0; at < block.size(); ++at) {
    for (unsigned change : {0x01U, 0x80U, 0xffU, 0x7fU}) {
      std::string damaged = block;
      damaged[at] = static_cast<char>(static_cast<uint8_t>(damaged[at]) ^ change);
      Exercise(damaged, targets);
    }
  }
  for (int i = 0; i < 5000; ++i) Exercise(RandomBytes(random, random() % 64), targets);
}

TEST(Block, AnEntryThatClaimsTooMuchIsMalformed) {
  Entries entries{{MakeInternalKey("key", 1, EntryKind::kPut), "value"}};
  std::string block = BuildBlock(entries, 16);
  block[2] = 100;  // value size
  BlockCursor cursor(block);
  cursor.SeekToFirst();
  EXPECT_FALSE(cursor.Valid());
  EXPECT_TRUE(cursor.malformed());
}

}  // namespace
}  // namespace silt::lsm
