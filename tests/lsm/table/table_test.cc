#include "lsm/table/table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

struct Shape {
  const char* name;
  TableBuilderOptions options;
  size_t entries;
  size_t largest_value;
};

std::vector<Shape> Shapes() {
  std::vector<Shape> shapes;
  auto add = [&](const char* name, size_t entries, size_t largest_value, auto change) {
    TableBuilderOptions options;
    options.block_bytes = 1024;
    change(options);
    shapes.push_back({name, options, entries, largest_value});
  };
  add("uncompressed", 1500, 200, [](auto& o) { o.compression = Compression::kNone; });
  add("snappy", 1500, 200, [](auto& o) { o.compression = Compression::kSnappy; });
  add("zstd", 1500, 200, [](auto& o) { o.compression = Compression::kZstd; });
  add("one entry a block", 400, 50, [](auto& o) { o.block_bytes = 1; });
  add("two-level index", 2000, 50, [](auto& o) { o.block_bytes = 100, o.index_block_bytes = 200; });
  add("tiny index blocks", 500, 50, [](auto& o) { o.block_bytes = 1, o.index_block_bytes = 1; });
  add("no filter", 500, 50, [](auto& o) { o.filter_bits_per_key = 0; });
  add("restart at each key", 500, 50, [](auto& o) { o.restart_interval = 1; });
  add("values up to 1 MiB", 12, 1 << 20, [](auto& o) { o.block_bytes = 8 << 10; });
  add("one entry", 1, 10, [](auto&) {});
  return shapes;
}

class TableShapes : public testing::TestWithParam<size_t> {
 protected:
  Shape shape_ = Shapes()[GetParam()];
  std::mt19937_64 random_{GetParam() + 100};
};

INSTANTIATE_TEST_SUITE_P(All, TableShapes, testing::Range<size_t>(0, Shapes().size()));

TEST_P(TableShapes, GetFindsTheNewestVisibleVersion) {
  SCOPED_TRACE(shape_.name);
  Entries entries = RandomEntries(random_, shape_.entries, shape_.largest_value);
  BuiltTable built = Build(shape_.options, entries);
  BlockCache cache(1 << 20);
  for (BlockCache* used : {static_cast<BlockCache*>(nullptr), &cache}) {
    auto table = OpenTable(built.file, used);
    ASSERT_TRUE(table) << table.error().ToString();
    for (const auto& [key, value] : entries) {
      std::string_view user_key = ExtractUserKey(key);
      for (SequenceNumber snapshot : {ExtractSequence(key), ExtractSequence(key) - 1, kMaxSequence}) {
        ASSERT_EQ(DescribeGet(**table, user_key, snapshot), ExpectedGet(entries, user_key, snapshot));
      }
    }
    for (int i = 0; i < 500; ++i) {
      std::string user_key = RandomUserKey(random_);
      SequenceNumber snapshot = random_() % (shape_.entries + 2);
      ASSERT_EQ(DescribeGet(**table, user_key, snapshot), ExpectedGet(entries, user_key, snapshot));
    }
  }
}

TEST_P(TableShapes, IteratesBothWaysLikeASortedMap) {
  SCOPED_TRACE(shape_.name);
  Entries entries = RandomEntries(random_, shape_.entries, shape_.largest_value);
  BuiltTable built = Build(shape_.options, entries);
  BlockCache cache(1 << 20);
  auto table = OpenTable(built.file, &cache);
  ASSERT_TRUE(table) << table.error().ToString();
  for (size_t readahead : {0, 1, 5000}) {
    auto it = (*table)->NewIterator({.readahead_bytes = readahead});
    EXPECT_FALSE(it->Valid());
    auto expect_at = [&](Entries::const_iterator at) {
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      ASSERT_EQ(it->Valid(), at != entries.end());
      if (at == entries.end()) return;
      ASSERT_EQ(it->key(), at->first);
      ASSERT_EQ(it->value(), at->second);
    };
    auto at = entries.cbegin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++at) expect_at(at);
    ASSERT_TRUE(at == entries.cend());
    for (it->SeekToLast(); it->Valid(); it->Prev()) expect_at(--at);
    ASSERT_TRUE(at == entries.cbegin());
    for (int i = 0; i < 1000; ++i) {
      std::string target = MakeInternalKey(RandomUserKey(random_), random_() % (shape_.entries + 2), EntryKind::kPut);
      if (random_() % 2 == 0) {
        it->Seek(target);
        at = entries.lower_bound(target);
      } else {
        it->SeekForPrev(target);
        at = entries.upper_bound(target);
        at = at == entries.begin() ? entries.end() : std::prev(at);
      }
      expect_at(at);
      // A walk that turns round now and then.
      for (int step = 0; step < 6 && at != entries.cend(); ++step) {
        if (random_() % 2 == 0) {
          it->Next();
          ++at;
        } else {
          it->Prev();
          at = at == entries.cbegin() ? entries.cend() : std::prev(at);
        }
        expect_at(at);
      }
    }
  }
}

TEST_P(TableShapes, VerifyPassesAndPropertiesTellTheContents) {
  SCOPED_TRACE(shape_.name);
  Entries entries = RandomEntries(random_, shape_.entries, shape_.largest_value);
  BuiltTable built = Build(shape_.options, entries, {{"m", "n", 3}, {"m", "o", 5000}});
  auto table = OpenTable(built.file);
  ASSERT_TRUE(table) << table.error().ToString();
  uint64_t last_progress = 0;
  Status status = (*table)->Verify([&](uint64_t bytes) {
    EXPECT_GE(bytes, last_progress);
    last_progress = bytes;
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(last_progress, built.file->bytes.size());
  const TableProperties& p = (*table)->properties();
  EXPECT_EQ(p.Encode(), built.properties.Encode());
  EXPECT_EQ(p.entries, entries.size());
  EXPECT_EQ(p.range_tombstones, 3U);
  EXPECT_EQ(p.largest_sequence, 5000U);
  EXPECT_EQ(p.smallest_sequence, 1U);
  EXPECT_EQ((*table)->range_tombstones().CoveringSequence("m", 100), 3U);
  EXPECT_EQ((*table)->range_tombstones().CoveringSequence("n", kMaxSequence), 5000U);
  EXPECT_GT((*table)->MemoryUsage(), 0U);
}

TEST(Table, BoundsCoverRangeTombstones) {
  TableBuilderOptions options;
  std::string b = MakeInternalKey("b", 5, EntryKind::kPut);
  std::string d = MakeInternalKey("d", 6, EntryKind::kPut);
  struct Case {
    Entries entries;
    std::vector<RangeTombstone> tombstones;
    const char* smallest;
    const char* largest;
    bool exclusive;
  };
  for (const Case& c : std::vector<Case>{{{{b, "v"}, {d, "v"}}, {}, "b", "d", false},
                                         {{{b, "v"}}, {{"a", "c", 1}}, "a", "c", true},
                                         {{{b, "v"}, {d, "v"}}, {{"a", "d", 1}}, "a", "d", false},
                                         {{{b, "v"}, {d, "v"}}, {{"c", "da", 1}}, "b", "da", true},
                                         {{}, {{"c", "e", 1}, {"a", "b", 9}}, "a", "e", true}}) {
    BuiltTable built = Build(options, c.entries, c.tombstones);
    EXPECT_EQ(built.properties.smallest, c.smallest);
    EXPECT_EQ(built.properties.largest, c.largest);
    EXPECT_EQ(built.properties.largest_exclusive, c.exclusive);
    auto table = OpenTable(built.file);
    ASSERT_TRUE(table) << table.error().ToString();
    EXPECT_TRUE((*table)->Verify({}).ok());
  }
}

TEST(Table, WithRangeTombstonesOnlyHasNoEntries) {
  BuiltTable built = Build({}, {}, {{"a", "c", 4}});
  auto table = OpenTable(built.file);
  ASSERT_TRUE(table) << table.error().ToString();
  EXPECT_EQ(DescribeGet(**table, "b", kMaxSequence), "absent");
  auto it = (*table)->NewIterator({});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->SeekForPrev(MakeSeekKey("b", 1));
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
  EXPECT_EQ((*table)->range_tombstones().CoveringSequence("b", 9), 4U);
  EXPECT_EQ((*table)->ApproximateOffsetOf(MakeSeekKey("b", 1)), 0U);
}

TEST(Table, CountsBlocksDenseWithTombstones) {
  TableBuilderOptions options;
  options.block_bytes = 256;
  Entries entries;
  for (int i = 0; i < 100; ++i) {
    entries[MakeInternalKey("a" + std::to_string(1000 + i), 1, EntryKind::kPut)] = "some value";
    entries[MakeInternalKey("b" + std::to_string(1000 + i), 1, EntryKind::kDelete)] = "";
  }
  TableProperties p = Build(options, entries).properties;
  EXPECT_EQ(p.tombstones, 100U);
  EXPECT_GT(p.tombstone_dense_blocks, p.data_blocks / 4);
  EXPECT_LT(p.tombstone_dense_blocks, p.data_blocks * 3 / 4);
}

Entries Numbered(int count, size_t value_size) {
  std::mt19937_64 random(1);
  Entries entries;
  for (int i = 0; i < count; ++i) {
    char key[16];
    std::snprintf(key, sizeof key, "key%06d", i);
    entries[MakeInternalKey(key, 1, EntryKind::kPut)] = RandomBytes(random, value_size);
  }
  return entries;
}

TEST(Table, OpensInOneReadWhereTheMetadataIsSmallElseInTwo) {
  BuiltTable small = Build({}, Numbered(2000, 100));
  ASSERT_TRUE(OpenTable(small.file));
  EXPECT_EQ(small.file->reads, 1U);
  BuiltTable large = Build({}, Numbered(100'000, 10));
  ASSERT_TRUE(OpenTable(large.file));
  EXPECT_EQ(large.file->reads, 2U);
}

TEST(Table, AMissThatTheFilterKnowsReadsNothing) {
  BuiltTable built = Build({}, Numbered(2000, 100));
  auto table = OpenTable(built.file);
  ASSERT_TRUE(table);
  built.file->reads = 0;
  int filtered = 0;
  for (int i = 0; i < 1000; ++i) {
    PinnedValue value;
    SequenceNumber sequence = 0;
    auto found = (*table)->Get({}, "key" + std::to_string(i) + "x", kMaxSequence, &value, &sequence);
    ASSERT_TRUE(found);
    filtered += *found == Table::Lookup::kFilteredOut ? 1 : 0;
  }
  EXPECT_GT(filtered, 970);
  EXPECT_LE(built.file->reads, 1000U - static_cast<uint64_t>(filtered));
}

TEST(Table, ScansReadAheadAndPointReadsDoNot) {
  BuiltTable built = Build({}, Numbered(2000, 1000));  // some 250 blocks of 8 KiB
  auto table = OpenTable(built.file);
  ASSERT_TRUE(table);
  auto scan = [&](size_t readahead, bool backwards) {
    built.file->reads = 0;
    built.file->bytes_read = 0;
    auto it = (*table)->NewIterator({.readahead_bytes = readahead});
    int entries = 0;
    if (backwards) {
      for (it->SeekToLast(); it->Valid(); it->Prev()) ++entries;
    } else {
      for (it->SeekToFirst(); it->Valid(); it->Next()) ++entries;
    }
    EXPECT_EQ(entries, 2000);
    EXPECT_LE(built.file->bytes_read, built.file->bytes.size());
    return built.file->reads.load();
  };
  EXPECT_LT(scan(0, false), 15U);
  EXPECT_LT(scan(0, true), 15U);
  EXPECT_LE(scan(1 << 20, false), 3U);
  built.file->bytes_read = 0;
  EXPECT_NE(DescribeGet(**table, "key001000", kMaxSequence), "absent");
  EXPECT_LT(built.file->bytes_read, 10'000U);
}

TEST(Table, FillCacheFalseLeavesTheCacheAlone) {
  BuiltTable built = Build({}, Numbered(1000, 100));
  BlockCache cache(8 << 20);
  auto table = OpenTable(built.file, &cache);
  ASSERT_TRUE(table);
  size_t before = cache.UsedBytes();
  auto it = (*table)->NewIterator({.fill_cache = false});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  DescribeGet(**table, "key000500", kMaxSequence, nullptr, {.fill_cache = false});
  EXPECT_EQ(cache.UsedBytes(), before);
  DescribeGet(**table, "key000500", kMaxSequence);
  EXPECT_GT(cache.UsedBytes(), before);
  built.file->reads = 0;
  DescribeGet(**table, "key000500", kMaxSequence);
  EXPECT_EQ(built.file->reads, 0U);
}

TEST(Table, AScanPushesNothingOutOfTheCacheAndReadsRightWhileItReusesMemory) {
  Entries entries = Numbered(2000, 1000);
  BuiltTable built = Build({}, entries);
  BlockCache cache(512 << 10);  // a quarter of the table
  auto table = OpenTable(built.file, &cache);
  ASSERT_TRUE(table);
  for (int i = 0; i < 2000; i += 7) DescribeGet(**table, fmt::format("key{:06}", i), kMaxSequence);
  DescribeGet(**table, "key001234", kMaxSequence);
  auto it = (*table)->NewIterator({});
  auto expected = entries.begin();
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++expected) ASSERT_EQ(it->value(), expected->second);
  EXPECT_EQ(expected, entries.end());
  for (it->SeekToLast(); it->Valid(); it->Prev()) ASSERT_EQ(it->value(), (--expected)->second);
  EXPECT_EQ(expected, entries.begin());
  built.file->reads = 0;
  DescribeGet(**table, "key001234", kMaxSequence);
  EXPECT_EQ(built.file->reads, 0U);
}

TEST(Table, ValuesStayPinnedWhenTableAndCacheAreGone) {
  BuiltTable built = Build({}, Numbered(1000, 100));
  PinnedValue value;
  {
    BlockCache cache(1 << 20);
    auto table = OpenTable(built.file, &cache);
    ASSERT_TRUE(table);
    SequenceNumber sequence = 0;
    ASSERT_EQ((*table)->Get({}, "key000123", kMaxSequence, &value, &sequence), Table::Lookup::kFound);
  }
  EXPECT_EQ(value.view(), Numbered(1000, 100)[MakeInternalKey("key000123", 1, EntryKind::kPut)]);
}

TEST(Table, ApproximateOffsetsGrowWithTheKeys) {
  TableBuilderOptions options;
  options.index_block_bytes = 500;
  BuiltTable built = Build(options, Numbered(2000, 1000));
  auto table = OpenTable(built.file);
  ASSERT_TRUE(table);
  auto offset = [&](const char* key) { return (*table)->ApproximateOffsetOf(MakeSeekKey(key, kMaxSequence)); };
  EXPECT_EQ(offset("a"), 0U);
  EXPECT_NEAR(static_cast<double>(offset("key001000")), 1e6, 5e4);
  EXPECT_GT(offset("z"), 1'990'000U);
  EXPECT_LT(offset("z"), built.file->bytes.size());
}

TEST(Table, BlocksBetweenAreThoseWhollyBetween) {
  TableBuilderOptions options;
  options.index_block_bytes = 500;
  options.block_bytes = 10'000;
  BuiltTable built = Build(options, Numbered(2000, 1000));
  auto table = OpenTable(built.file);
  ASSERT_TRUE(table);
  auto between = [&](const char* begin, const char* end) { return (*table)->BlockBytesBetween(begin, end); };
  EXPECT_GT(between("a", "z"), 1'990'000U);
  EXPECT_EQ(between("a", "b"), 0U);
  EXPECT_EQ(between("y", "z"), 0U);
  EXPECT_EQ(between("key000501", "key000504"), 0U);
  EXPECT_NEAR(static_cast<double>(between("key000500", "key001000")), 5e5, 2e4);
  EXPECT_LE(between("key000500", "key001000"), 501'000U + 5'000U);
}

TEST(Table, ManyThreadsReadOneTable) {
  Entries entries = Numbered(2000, 100);
  TableBuilderOptions options;
  options.index_block_bytes = 500;
  BuiltTable built = Build(options, entries);
  BlockCache cache(64 << 10);  // small: blocks come and go
  auto table = OpenTable(built.file, &cache);
  ASSERT_TRUE(table);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 3; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      auto it = (*table)->NewIterator({});
      for (int i = 0; i < 1000; ++i) {
        auto expected = std::next(entries.begin(), static_cast<long>(random() % entries.size()));
        PinnedValue value;
        SequenceNumber sequence = 0;
        auto found = (*table)->Get({}, ExtractUserKey(expected->first), kMaxSequence, &value, &sequence);
        if (!found || *found != Table::Lookup::kFound || value.view() != expected->second) ++wrong;
        it->Seek(expected->first);
        if (!it->Valid() || it->value() != expected->second) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace silt::lsm
