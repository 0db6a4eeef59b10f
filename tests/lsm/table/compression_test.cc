#include "lsm/table/compression.h"

#include <gtest/gtest.h>

#include "tests/lsm/table/table_fixture.h"

namespace silt::lsm {
namespace {

constexpr Compression kAll[] = {Compression::kNone, Compression::kSnappy, Compression::kZstd};

TEST(Compression, WhatIsStoredComesBack) {
  std::mt19937_64 random(8);
  for (Compression compression : kAll) {
    BlockCompressor compressor(compression);
    for (int i = 0; i < 200; ++i) {
      std::string block = RandomValue(random, 20'000) + "x";
      auto stored = compressor.Compress(block);
      BlockRef back = DecompressBlock(stored.bytes, static_cast<uint8_t>(stored.compression));
      ASSERT_NE(back, nullptr);
      ASSERT_EQ(back->view(), block);
    }
  }
}

TEST(Compression, ABlockThatSavesLessThanAnEighthIsStoredRaw) {
  std::mt19937_64 random(9);
  for (Compression compression : {Compression::kSnappy, Compression::kZstd}) {
    BlockCompressor compressor(compression);
    std::string barely = RandomBytes(random, 9500) + std::string(500, 'a');
    EXPECT_EQ(compressor.Compress(barely).compression, Compression::kNone);
    std::string well = RandomBytes(random, 5000) + std::string(5000, 'a');
    auto stored = compressor.Compress(well);
    EXPECT_EQ(stored.compression, compression);
    EXPECT_LT(stored.bytes.size(), 6000U);
  }
}

TEST(Compression, IncompressibleRunsAreHardlyTriedAndTheirEndIsNoticed) {
  std::mt19937_64 random(10);
  BlockCompressor compressor(Compression::kSnappy);
  for (int i = 0; i < 1000; ++i) compressor.Compress(RandomBytes(random, 4096));
  EXPECT_LT(compressor.blocks_tried(), 100U);
  int raw = 0;
  while (compressor.Compress(std::string(4096, 'a')).compression == Compression::kNone) ++raw;
  EXPECT_LT(raw, 16);
  EXPECT_EQ(compressor.Compress(std::string(4096, 'a')).compression, Compression::kSnappy);
}

TEST(Compression, MalformedStreamsAreRefused) {
  std::mt19937_64 random(11);
  for (Compression compression : {Compression::kSnappy, Compression::kZstd}) {
    for (int i = 0; i < 2000; ++i)
      DecompressBlock(RandomBytes(random, random() % 40), static_cast<uint8_t>(compression));
    BlockCompressor compressor(compression);
    std::string stored(compressor.Compress(std::string(4000, 'a')).bytes);
    EXPECT_EQ(DecompressBlock(stored.substr(0, stored.size() - 1), static_cast<uint8_t>(compression)), nullptr);
  }
  EXPECT_EQ(DecompressBlock("abc", 77), nullptr);
  // Snappy's length prefix saying 2 GiB is not believed.
  EXPECT_EQ(DecompressBlock(std::string("\xff\xff\xff\xff\x07zzz"), 1), nullptr);
}

}  // namespace
}  // namespace silt::lsm
