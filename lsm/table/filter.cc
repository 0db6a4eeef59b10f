#include "lsm/table/filter.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

constexpr uint8_t kFilterVersion = 1;
constexpr size_t kTailSize = 8;  // version, probes, 2 zero bytes, number of blocks
constexpr uint64_t kBlockBits = Filter::kBlockBytes * 8;
constexpr int kMaxProbes = 14;
constexpr int kProbesPerWord = 7;  // of 9 bits each

// Maps the hash to [0, blocks) by its top 32 bits (Lemire's fast range).
uint64_t BlockOf(uint64_t hash, uint32_t blocks) {
  return (hash >> 32) * blocks >> 32;
}

// The bits of a key in its block: 9 bits each from a word that does not depend on the hash's top bits alone, which
// chose the block.
template <class Visit>
bool ForEachProbe(uint64_t hash, int probes, const Visit& visit) {
  uint64_t word = hash * 0x9fb21c651e98df25ULL;
  word ^= word >> 32;
  for (int i = 0; i < probes; ++i) {
    if (i == kProbesPerWord) word = (hash ^ word) * 0xc2b2ae3d27d4eb4fULL;
    if (!visit(static_cast<uint32_t>(word >> (9 * (i % kProbesPerWord))) & (kBlockBits - 1))) return false;
  }
  return true;
}

}  // namespace

void FilterBuilder::Add(std::string_view user_key) {
  uint64_t hash = FilterHash(user_key);
  if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
}

std::string FilterBuilder::Finish() const {
  uint64_t bits = std::max<uint64_t>(hashes_.size(), 1) * static_cast<uint64_t>(std::max(bits_per_key_, 1));
  uint64_t wanted = (bits + kBlockBits - 1) / kBlockBits;
  auto blocks = static_cast<uint32_t>(std::min<uint64_t>(wanted, std::numeric_limits<uint32_t>::max()));
  // ln 2 * bits a key is best for a plain Bloom filter; blocks fill unevenly, for which a little less is better.
  int probes = std::clamp(bits_per_key_ * 6 / 10, 1, kMaxProbes);

  std::string out(size_t{blocks} * Filter::kBlockBytes, '\0');
  for (uint64_t hash : hashes_) {
    char* block = out.data() + BlockOf(hash, blocks) * Filter::kBlockBytes;
    ForEachProbe(hash, probes, [block](uint32_t bit) {
      block[bit / 8] = static_cast<char>(static_cast<uint8_t>(block[bit / 8]) | 1U << (bit % 8));
      return true;
    });
  }
  out.push_back(static_cast<char>(kFilterVersion));
  out.push_back(static_cast<char>(probes));
  PutFixed<uint16_t>(&out, 0);
  PutFixed<uint32_t>(&out, blocks);
  return out;
}

bool Filter::Open(std::string_view bytes) {
  if (bytes.size() < kTailSize) return false;
  std::string_view tail = bytes.substr(bytes.size() - kTailSize);
  auto probes = static_cast<uint8_t>(tail[1]);
  auto blocks = DecodeFixed<uint32_t>(tail.data() + 4);
  if (static_cast<uint8_t>(tail[0]) != kFilterVersion || probes < 1 || probes > kMaxProbes) return false;
  if (DecodeFixed<uint16_t>(tail.data() + 2) != 0 || blocks == 0) return false;
  size_t size = bytes.size() - kTailSize;
  if (size != size_t{blocks} * kBlockBytes) return false;
  bits_.reset(static_cast<uint8_t*>(::operator new[](size, std::align_val_t{kBlockBytes})));
  std::memcpy(bits_.get(), bytes.data(), size);
  blocks_ = blocks;
  probes_ = probes;
  return true;
}

bool Filter::MayContain(const LookupKey& key) const {
  if (blocks_ == 0) return true;
  const uint8_t* block = bits_.get() + BlockOf(key.hash, blocks_) * kBlockBytes;
  return ForEachProbe(key.hash, probes_, [block](uint32_t bit) { return (block[bit / 8] >> (bit % 8) & 1) != 0; });
}

}  // namespace silt::lsm
