#include "lsm/memtable/skiplist.h"

#include <new>

namespace silt::lsm {

MemTableIndex::MemTableIndex(Arena* arena) : arena_(arena), head_(NewNode({}, {}, kMaxHeight)) {
  for (Finger& finger : fingers_) {
    finger.before.fill(head_);
    finger.behind.fill(nullptr);
  }
}

MemNode* MemTableIndex::NewNode(const MemKey& key, std::string_view value, int height) {
  size_t links = static_cast<size_t>(height) * sizeof(MemNode::Link);
  size_t payload = 1 + key.user_key.size() + kTrailerSize + value.size();
  char* memory = arena_->Allocate(links + sizeof(MemNode) + payload);
  for (int level = 0; level < height; ++level) {
    new (memory + static_cast<size_t>(level) * sizeof(MemNode::Link)) MemNode::Link(nullptr);
  }
  auto* node =
      new (memory + links) MemNode(static_cast<uint32_t>(key.user_key.size()), static_cast<uint32_t>(value.size()));
  char* out = node->bytes();
  *out++ = static_cast<char>(key.family);
  if (!key.user_key.empty()) std::memcpy(out, key.user_key.data(), key.user_key.size());
  EncodeFixed<uint64_t>(out + key.user_key.size(), key.trailer);
  if (!value.empty()) std::memcpy(out + key.user_key.size() + kTrailerSize, value.data(), value.size());
  return node;
}

int MemTableIndex::RandomHeight() {
  random_ ^= random_ << 13;  // xorshift64 (Marsaglia 2003)
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  int height = 1;
  for (uint64_t bits = random_ >> 16; height < kMaxHeight && (bits & 3) == 0; bits >>= 2) ++height;
  return height;
}

MemTableIndex::Finger& MemTableIndex::FingerFor(const MemKey& key) {
  // The first byte of a user key tells a stream from its neighbours where keys have type prefixes.
  unsigned stream = key.user_key.empty() ? 0 : static_cast<uint8_t>(key.user_key[0]);
  return fingers_[(stream * 7 + key.family * 5) % kFingers];
}

bool MemTableIndex::IsTightAround(const Finger& finger, const MemKey& key, int level) const {
  MemNode* before = finger.before[static_cast<size_t>(level)];
  MemNode* behind = finger.behind[static_cast<size_t>(level)];
  if (before->WriterNext(level) != behind) return false;
  if (before != head_ && CompareNode(*before, key) >= 0) return false;
  return behind == nullptr || CompareNode(*behind, key) > 0;
}

void MemTableIndex::MoveFinger(Finger* finger, const MemKey& key, int height) {
  // Climb to the lowest level from which everything above, as far as the new node reaches, is right already.
  int wrong = 0;
  for (int level = 0; level < kMaxHeight; ++level) {
    if (!IsTightAround(*finger, key, level)) {
      wrong = level + 1;
    } else if (level + 1 >= height) {
      break;
    }
  }
  MemNode* at = wrong == kMaxHeight ? head_ : finger->before[static_cast<size_t>(wrong)];
  for (int level = wrong - 1; level >= 0; --level) {
    MemNode* next = at->WriterNext(level);
    while (next != nullptr && CompareNode(*next, key) < 0) {
      at = next;
      next = at->WriterNext(level);
    }
    finger->before[static_cast<size_t>(level)] = at;
    finger->behind[static_cast<size_t>(level)] = next;
  }
}

void MemTableIndex::Insert(const MemKey& key, std::string_view value) {
  int height = RandomHeight();
  Finger& finger = FingerFor(key);
  MoveFinger(&finger, key, height);
  if (height > height_.load(std::memory_order_relaxed)) height_.store(height, std::memory_order_relaxed);

  MemNode* node = NewNode(key, value, height);
  for (int level = 0; level < height; ++level) {
    auto at = static_cast<size_t>(level);
    node->link(level)->store(finger.behind[at], std::memory_order_relaxed);
    // Release: whoever finds the node finds its bytes and its lower links.
    finger.before[at]->link(level)->store(node, std::memory_order_release);
    finger.before[at] = node;
  }
}

const MemNode* MemTableIndex::FindGreaterOrEqual(const MemKey& key) const {
  const MemNode* at = head_;
  const MemNode* known_behind = nullptr;  // what the level above compared already
  for (int level = height_.load(std::memory_order_relaxed) - 1;; --level) {
    const MemNode* next = at->Next(level);
    while (next != nullptr && next != known_behind && CompareNode(*next, key) < 0) {
      at = next;
      next = at->Next(level);
    }
    if (level == 0) return next;
    known_behind = next;
  }
}

const MemNode* MemTableIndex::FindLess(const MemKey& key) const {
  const MemNode* at = head_;
  const MemNode* known_behind = nullptr;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    const MemNode* next = at->Next(level);
    while (next != nullptr && next != known_behind && CompareNode(*next, key) < 0) {
      at = next;
      next = at->Next(level);
    }
    known_behind = next;
  }
  return at == head_ ? nullptr : at;
}

}  // namespace silt::lsm
