#include "lsm/memtable/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace silt::lsm {
namespace {

TEST(Arena, AllocationsAreAlignedApartAndKeepTheirBytes) {
  Arena arena;
  std::mt19937_64 random(1);
  struct Piece {
    char* at;
    size_t size;
    char fill;
  };
  std::vector<Piece> pieces;
  for (int i = 0; i < 3000; ++i) {
    size_t size = random() % 20 == 0 ? random() % 400'000 : random() % 5000;
    char* at = arena.Allocate(size);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % Arena::kAlignment, 0U);
    pieces.push_back({at, size, static_cast<char>(i)});
    std::memset(at, pieces.back().fill, size);
  }
  for (const Piece& piece : pieces) {
    for (size_t i = 0; i < piece.size; ++i) ASSERT_EQ(piece.at[i], piece.fill);
  }
}

TEST(Arena, ManyBlockSizedValuesWasteLittle) {
  Arena arena;
  size_t asked = 0;
  for (int i = 0; i < 8000; ++i) {
    arena.Allocate(4096 + 48);
    asked += 4096 + 48;
  }
  EXPECT_GE(arena.MemoryUsage(), asked);
  EXPECT_LT(arena.MemoryUsage(), asked + asked / 100);
}

TEST(Arena, AFewSmallAllocationsCountAsFew) {
  Arena arena;
  EXPECT_EQ(arena.MemoryUsage(), 0U);
  arena.Allocate(10);
  EXPECT_EQ(arena.MemoryUsage(), 16U);
}

}  // namespace
}  // namespace silt::lsm
