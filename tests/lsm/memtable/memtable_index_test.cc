#include "lsm/memtable/memtable_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace silt::lsm {
namespace {

uint64_t Trailer(uint64_t sequence) { return PackTrailer(sequence, EntryKind::kPut); }

struct Shape {
  const char* name;
  std::string (*key)(std::mt19937_64& random, uint64_t i);
};

// Kinds of keys that fill, split and prefix nodes differently.
const Shape kShapes[] = {
    {"ascending", [](auto&, uint64_t i) { return std::to_string(10'000'000 + i); }},
    {"descending", [](auto&, uint64_t i) { return std::to_string(90'000'000 - i); }},
    {"random", [](auto& random, uint64_t) { return std::to_string(random() % 1'000'000'000); }},
    {"versions of few keys", [](auto& random, uint64_t) { return std::string(1 + random() % 3, 'k'); }},
    {"zero bytes", [](auto& random, uint64_t) { return std::string(random() % 20, '\0') + (random() % 2 ? "a" : ""); }},
    {"long shared prefixes",
     [](auto& random, uint64_t) { return std::string(70'000, 'p') + std::to_string(random() % 1000); }},
    {"streams",
     [](auto& random, uint64_t i) { return "INED"[random() % 4] + std::to_string(10'000'000 + i) + "/name"; }},
};

class MemTableIndexTest : public ::testing::TestWithParam<Shape> {
 protected:
  uint64_t Entries() const { return GetParam().name[0] == 'l' ? 300 : 20'000; }
};

// The order that an ordered set of the same keys has, both ways and from anywhere.
TEST_P(MemTableIndexTest, HoldsWhatWasInsertedInOrder) {
  Arena arena;
  MemTableIndex index(&arena);
  std::mt19937_64 random(7);
  std::set<std::tuple<FamilyId, std::string, uint64_t>> model;  // the sequence negated: newest first
  for (uint64_t i = 1; i <= Entries(); ++i) {
    auto family = static_cast<FamilyId>(random() % 2);
    std::string key = GetParam().key(random, i);
    index.Insert({family, key, Trailer(i)}, std::to_string(i));
    model.insert({family, key, ~i});
    ASSERT_TRUE(i % 1000 != 0 || index.IsWellFormed()) << i;
  }
  ASSERT_TRUE(index.IsWellFormed());

  auto same = [](const MemNode* node, const auto& expected) {
    return node->family() == std::get<0>(expected) && node->user_key() == std::get<1>(expected) &&
           node->trailer() >> 8 == ~std::get<2>(expected) && node->value() == std::to_string(~std::get<2>(expected));
  };
  auto position = index.FindGreaterOrEqual({0, {}, ~uint64_t{0}});
  for (const auto& expected : model) {
    ASSERT_NE(position.node(), nullptr);
    ASSERT_TRUE(same(position.node(), expected));
    index.Next(&position);
  }
  EXPECT_EQ(position.node(), nullptr);
  position = index.FindLess({2, {}, ~uint64_t{0}});
  for (auto expected = model.rbegin(); expected != model.rend(); ++expected) {
    ASSERT_NE(position.node(), nullptr);
    ASSERT_TRUE(same(position.node(), *expected));
    index.Prev(&position);
  }
  EXPECT_EQ(position.node(), nullptr);

  for (int i = 0; i < 2000; ++i) {
    auto family = static_cast<FamilyId>(random() % 3);
    std::string key = GetParam().key(random, random() % Entries());
    uint64_t sequence = random() % (2 * Entries());
    auto expected = model.lower_bound({family, key, ~sequence});
    auto found = index.FindGreaterOrEqual({family, key, Trailer(sequence)});
    ASSERT_EQ(found.node() == nullptr, expected == model.end());
    ASSERT_TRUE(expected == model.end() || same(found.node(), *expected));
    auto less = index.FindLess({family, key, Trailer(sequence)});
    ASSERT_EQ(less.node() == nullptr, expected == model.begin());
    ASSERT_TRUE(expected == model.begin() || same(less.node(), *std::prev(expected)));
  }
}

// Readers beside the writer: each finds everything that it knows to be there, in order, whichever way it walks.
TEST_P(MemTableIndexTest, ConcurrentReadersSeeWhatWasInsertedBefore) {
  Arena arena;
  MemTableIndex index(&arena);
  std::vector<std::string> keys(Entries() + 1);
  std::mt19937_64 random(8);
  for (uint64_t i = 1; i < keys.size(); ++i) keys[i] = GetParam().key(random, i);
  std::atomic<uint64_t> done = 0;
  std::thread writer([&] {
    for (uint64_t i = 1; i < keys.size(); ++i) {
      index.Insert({0, keys[i], Trailer(i)}, {});
      done.store(i, std::memory_order_release);
    }
  });
  auto read = [&](uint64_t seed) {
    std::mt19937_64 dice(seed);
    for (uint64_t known = 0; known + 1 < keys.size();) {
      known = done.load(std::memory_order_acquire);
      if (known == 0) continue;
      uint64_t i = 1 + dice() % known;
      auto position = index.FindGreaterOrEqual({0, keys[i], Trailer(i)});
      ASSERT_NE(position.node(), nullptr);
      ASSERT_EQ(position.node()->trailer(), Trailer(i));
      const MemNode* last = position.node();
      bool forward = dice() % 2 == 0;
      for (int step = 0; step < 40; ++step) {
        forward ? index.Next(&position) : index.Prev(&position);
        if (position.node() == nullptr) break;
        int order = CompareNode(*last, position.node()->key());
        ASSERT_TRUE(forward ? order < 0 : order > 0);
        last = position.node();
      }
    }
    // A whole walk misses nothing of what was there before it began.
    uint64_t known = done.load(std::memory_order_acquire);
    uint64_t found = 0;
    for (auto at = index.FindGreaterOrEqual({0, {}, ~uint64_t{0}}); at.node() != nullptr; index.Next(&at)) {
      found += at.node()->trailer() >> 8 <= known ? 1 : 0;
    }
    ASSERT_EQ(found, known);
  };
  std::thread other([&] { read(2); });
  for (int i = 0; i < 3; ++i) {
    uint64_t known = done.load(std::memory_order_acquire);
    uint64_t found = 0;
    for (auto at = index.FindLess({1, {}, ~uint64_t{0}}); at.node() != nullptr; index.Prev(&at)) {
      found += at.node()->trailer() >> 8 <= known ? 1 : 0;
    }
    EXPECT_EQ(found, known);
  }
  read(1);
  other.join();
  writer.join();
  EXPECT_TRUE(index.IsWellFormed());
}

INSTANTIATE_TEST_SUITE_P(Shapes, MemTableIndexTest, ::testing::ValuesIn(kShapes), [](const auto& shape) {
  std::string name = shape.param.name;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
});

// Runs of ascending keys fill their nodes: what bulk loads are made of must not cost twice the memory.
TEST(MemTableIndex, AscendingKeysFillTheirNodes) {
  Arena arena;
  MemTableIndex index(&arena);
  constexpr uint64_t kEntries = 100'000;
  for (uint64_t i = 1; i <= kEntries; ++i) index.Insert({0, std::to_string(10'000'000 + i), Trailer(i)}, {});
  EXPECT_LT(arena.MemoryUsage() / kEntries, 32u + 8 + 22);
  EXPECT_LE(index.Levels(), 6);
}

}  // namespace
}  // namespace silt::lsm
