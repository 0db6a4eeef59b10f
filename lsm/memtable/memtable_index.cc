#include "lsm/memtable/memtable_index.h"

#include <algorithm>
#include <bit>
#include <new>
#include <thread>

namespace silt::lsm {
namespace {

constexpr int kWidth = 14;
constexpr int kSlotBits = 4;
constexpr int kCountShift = 60;

// The order word: the slot of rank r in bits [4r, 4r + 4), the number of entries in the topmost four.
int CountOf(uint64_t order) { return static_cast<int>(order >> kCountShift); }
size_t SlotAt(uint64_t order, int rank) { return order >> (kSlotBits * rank) & 0xf; }

uint64_t WithSlotAt(uint64_t order, int rank, size_t slot) {
  uint64_t slots = order & ((uint64_t{1} << kCountShift) - 1);
  uint64_t below = slots & ((uint64_t{1} << (kSlotBits * rank)) - 1);
  uint64_t above = slots >> (kSlotBits * rank) << (kSlotBits * (rank + 1));
  uint64_t count = static_cast<uint64_t>(CountOf(order)) + 1;
  return count << kCountShift | above | slot << (kSlotBits * rank) | below;
}

// Slots 0, 1, ... in this order.
uint64_t OrderAsTheyStand(int count) {
  uint64_t order = 0;
  for (int i = 0; i < count; ++i) order |= static_cast<uint64_t>(i) << (kSlotBits * i);
  return order | static_cast<uint64_t>(count) << kCountShift;
}

// Up to eight bytes as a number that sorts as they do; what is missing counts as zeros.
uint64_t LoadHead(const char* bytes, size_t size) {
  if (size == 0) return 0;  // an empty view may point nowhere, which memcpy must not be given
  uint64_t head = 0;
  std::memcpy(&head, bytes, std::min<size_t>(size, sizeof head));
  return __builtin_bswap64(head);
}

// Of what sorts first: the family's byte, then the user key. All keys of a node share their first `skip` bytes.
uint64_t HeadOf(const MemKey& key, size_t skip) {
  if (skip == 0) return static_cast<uint64_t>(key.family) << 56 | LoadHead(key.user_key.data(), key.user_key.size()) >> 8;
  size_t from = std::min(skip - 1, key.user_key.size());
  return LoadHead(key.user_key.data() + from, key.user_key.size() - from);
}

size_t SharedBytes(const MemNode* low, const MemNode* high) {
  if (low == nullptr || high == nullptr || low->family() != high->family()) return 0;
  std::string_view a = low->user_key();
  std::string_view b = high->user_key();
  auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return 1 + static_cast<size_t>(end - a.begin());
}

// A head must be worth this many bytes; with fewer the node's are taken anew when it splits.
constexpr size_t kWastedHeadBytes = 4;

constexpr int kPrefetchAhead = 4;  // entries

constexpr int kFingerMisses = 8;  // after as many in a row a finger is asked only now and then
constexpr int kFingerRetry = 64;

}  // namespace

struct MemTableIndex::Node {
  std::atomic<uint32_t> version{0};  // odd while it is being split
  std::atomic<uint16_t> skip{0};     // changes in splits only
  uint8_t level = 0;                 // 0: a leaf
  std::atomic<uint64_t> order{0};
  const MemNode* low = nullptr;  // no key is below; null in the leftmost node. The writer's
  std::atomic<Node*> next{nullptr};
  // Slots below the count are taken, those above free.
  std::array<std::atomic<uint64_t>, kWidth> heads;
  std::array<std::atomic<const MemNode*>, kWidth> entries;  // in inner nodes: separators

  // Acquire and release: a reader that a split overtakes may meet a node in a slot that its order did not mean, and looks
  // at it before it learns of the split.
  const MemNode* entry(size_t slot) const { return entries[slot].load(std::memory_order_acquire); }
  const MemNode* high() const {  // every key is below; null in the rightmost node. The writer's
    const Node* right = next.load(std::memory_order_relaxed);
    return right != nullptr ? right->low : nullptr;
  }

  // How many of the entries in `ord` are < key, or <= key. May be nonsense if the version has changed meanwhile.
  template <bool kOrEqual>
  int Rank(uint64_t ord, const MemKey& key) const {
    uint64_t head = HeadOf(key, skip.load(std::memory_order_relaxed));
    int less = 0;
    int same = 0;
    for (int slot = 0, count = CountOf(ord); slot < count; ++slot) {
      uint64_t other = heads[static_cast<size_t>(slot)].load(std::memory_order_relaxed);
      less += other < head ? 1 : 0;
      same += other == head ? 1 : 0;
    }
    int low_rank = less;
    int high_rank = less + same;
    while (low_rank < high_rank) {
      int middle = (low_rank + high_rank) / 2;
      int compared = CompareNode(*entry(SlotAt(ord, middle)), key);
      if (compared < 0 || (kOrEqual && compared == 0)) {
        low_rank = middle + 1;
      } else {
        high_rank = middle;
      }
    }
    return low_rank;
  }

  // The version, once no split is under way.
  uint32_t StableVersion() const {
    uint32_t seen = version.load(std::memory_order_acquire);
    while ((seen & 1) != 0) {
      std::this_thread::yield();  // the writer may have lost its processor
      seen = version.load(std::memory_order_acquire);
    }
    return seen;
  }
  // Whether everything that was read since then belongs to that version.
  bool IsStill(uint32_t seen) const {
    std::atomic_thread_fence(std::memory_order_acquire);
    return version.load(std::memory_order_relaxed) == seen;
  }

  void BeginSplit() {
    version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
  }
  void EndSplit() { version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  void Set(size_t slot, const MemNode* node, uint64_t head) {
    heads[slot].store(head, std::memory_order_relaxed);
    entries[slot].store(node, std::memory_order_release);
  }
  void Set(size_t slot, const MemNode* node) { Set(slot, node, HeadOf(node->key(), skip.load(std::memory_order_relaxed))); }
  void Publish(uint64_t ord) { order.store(ord, std::memory_order_release); }
  void Insert(int rank, const MemNode* node) {
    uint64_t ord = order.load(std::memory_order_relaxed);
    auto slot = static_cast<size_t>(CountOf(ord));
    Set(slot, node);
    Publish(WithSlotAt(ord, rank, slot));
  }
  bool Full() const { return CountOf(order.load(std::memory_order_relaxed)) == kWidth; }

  void LinkRight(Node* right) {
    right->next.store(next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    next.store(right, std::memory_order_release);
  }
  // Whether heads have become poor: since they were taken, the node's bounds have come nearer to each other.
  bool WantsNewHeads(size_t shared) const { return shared >= skip.load(std::memory_order_relaxed) + kWastedHeadBytes; }
  void SetSkip(size_t bytes) { skip.store(static_cast<uint16_t>(std::min<size_t>(bytes, UINT16_MAX)), std::memory_order_relaxed); }
};

struct MemTableIndex::Inner : Node {
  // child[0] has what is below every separator, child[slot + 1] what is at or above the separator of that slot.
  std::array<std::atomic<Node*>, kWidth + 1> children;

  Node* Child(uint64_t ord, int rank) const {  // behind `rank` separators
    size_t at = rank == 0 ? 0 : SlotAt(ord, rank - 1) + 1;
    return children[at].load(std::memory_order_relaxed);
  }
  void InsertChild(int rank, const MemNode* separator, Node* child) {
    uint64_t ord = order.load(std::memory_order_relaxed);
    children[static_cast<size_t>(CountOf(ord)) + 1].store(child, std::memory_order_relaxed);
    Insert(rank, separator);
  }
};

MemTableIndex::MemTableIndex(Arena* arena) : arena_(arena), root_(NewNode<Node>(0)) {}

template <class T>
T* MemTableIndex::NewNode(int level) {
  T* node = new (arena_->Allocate(sizeof(T))) T;
  node->level = static_cast<uint8_t>(level);
  return node;
}

// ---- Writing

MemTableIndex::Finger& MemTableIndex::FingerFor(const MemKey& key) {
  // The first byte of a user key tells a stream from its neighbours where keys have type prefixes.
  unsigned stream = key.user_key.empty() ? 0 : static_cast<uint8_t>(key.user_key[0]);
  return fingers_[(stream * 7 + key.family * 5) % kFingers];
}

MemTableIndex::Node* MemTableIndex::FingerLeaf(const Finger& finger, const MemKey& key) const {
  Node* leaf = finger.leaf;
  if (leaf == nullptr || (finger.misses > kFingerMisses && finger.misses % kFingerRetry != 0)) return nullptr;
  const MemNode* high = leaf->high();
  if (high != nullptr && CompareNode(*high, key) <= 0) return nullptr;
  return leaf->low == nullptr || CompareNode(*leaf->low, key) <= 0 ? leaf : nullptr;
}

MemTableIndex::Path MemTableIndex::PathTo(const MemKey& key) const {
  Path path;
  Node* node = root_.load(std::memory_order_relaxed);
  for (; node->level > 0; ) {
    path.nodes[node->level] = node;
    uint64_t order = node->order.load(std::memory_order_relaxed);
    node = static_cast<Inner*>(node)->Child(order, node->Rank<true>(order, key));
  }
  path.nodes[0] = node;
  return path;
}

void MemTableIndex::Insert(const MemKey& key, std::string_view value) {
  const MemNode* entry = MemNode::Create(arena_->Allocate(MemNode::Bytes(key, value)), key, value);
  Finger& finger = FingerFor(key);
  Node* leaf = FingerLeaf(finger, key);
  finger.misses = leaf != nullptr ? 0 : finger.misses + 1;
  Path path;
  bool has_path = leaf == nullptr || leaf->Full();
  if (has_path) {
    path = PathTo(key);
    leaf = path.nodes[0];
  }
  int rank = leaf->Rank<false>(leaf->order.load(std::memory_order_relaxed), key);
  if (leaf->Full()) {
    leaf = SplitLeaf(path, entry, rank);
  } else {
    leaf->Insert(rank, entry);
  }
  finger.leaf = leaf;
}

// Keys that ascend leave full leaves behind: then only the new entry goes to the right.
MemTableIndex::Node* MemTableIndex::SplitLeaf(const Path& path, const MemNode* entry, int rank) {
  Node* left = path.nodes[0];
  Node* right = NewNode<Node>(0);
  uint64_t order = left->order.load(std::memory_order_relaxed);
  int keep = rank == kWidth ? kWidth : kWidth / 2;
  const MemNode* separator = keep == kWidth ? entry : left->entry(SlotAt(order, keep));
  size_t skip = left->skip.load(std::memory_order_relaxed);
  right->low = separator;

  left->BeginSplit();
  size_t shared = SharedBytes(separator, left->high());
  right->SetSkip(left->WantsNewHeads(shared) ? shared : skip);
  left->LinkRight(right);
  // Taken out first, since the slots are filled anew.
  std::array<const MemNode*, kWidth> entries;
  std::array<uint64_t, kWidth> heads;
  for (int i = 0; i < kWidth; ++i) {
    size_t slot = SlotAt(order, i);
    entries[static_cast<size_t>(i)] = left->entry(slot);
    heads[static_cast<size_t>(i)] = left->heads[slot].load(std::memory_order_relaxed);
  }
  auto fill = [&](Node* node, int from, int to) {
    bool same_heads = node->skip.load(std::memory_order_relaxed) == skip;
    for (int i = from; i < to; ++i) {
      auto at = static_cast<size_t>(i);
      auto slot = static_cast<size_t>(i - from);
      same_heads ? node->Set(slot, entries[at], heads[at]) : node->Set(slot, entries[at]);
    }
    node->Publish(OrderAsTheyStand(to - from));
  };
  fill(right, keep, kWidth);
  size_t left_shared = SharedBytes(left->low, separator);
  if (left->WantsNewHeads(left_shared)) left->SetSkip(left_shared);
  fill(left, 0, keep);

  Node* home = rank < keep || (rank == keep && keep < kWidth) ? left : right;
  home->Insert(home == left ? rank : rank - keep, entry);
  AddSeparator(path, 1, separator, right);
  left->EndSplit();
  return home;
}

void MemTableIndex::AddSeparator(const Path& path, int level, const MemNode* separator, Node* right) {
  Node* left = path.nodes[static_cast<size_t>(level) - 1];
  if (left == root_.load(std::memory_order_relaxed)) {
    auto* root = NewNode<Inner>(level);
    root->children[0].store(left, std::memory_order_relaxed);
    root->InsertChild(0, separator, right);
    root_.store(root, std::memory_order_release);
    return;
  }
  auto* parent = static_cast<Inner*>(path.nodes[static_cast<size_t>(level)]);
  Inner* home = parent;
  bool split = parent->Full();
  if (split) home = SplitInner(path, level, separator);
  home->InsertChild(home->Rank<true>(home->order.load(std::memory_order_relaxed), separator->key()), separator, right);
  if (split) parent->EndSplit();
}

// Returns the half that the separator belongs to. The left half's split goes on: the caller ends it.
MemTableIndex::Inner* MemTableIndex::SplitInner(const Path& path, int level, const MemNode* separator) {
  auto* left = static_cast<Inner*>(path.nodes[static_cast<size_t>(level)]);
  auto* right = NewNode<Inner>(level);
  uint64_t order = left->order.load(std::memory_order_relaxed);
  bool ascending = CompareNode(*left->entry(SlotAt(order, kWidth - 1)), separator->key()) < 0;
  int keep = ascending ? kWidth - 1 : kWidth / 2;  // the separator behind them goes up
  const MemNode* middle = left->entry(SlotAt(order, keep));
  right->low = middle;

  left->BeginSplit();
  right->SetSkip(SharedBytes(middle, left->high()));
  left->LinkRight(right);
  std::array<const MemNode*, kWidth> separators;
  std::array<Node*, kWidth + 1> children;
  for (int i = 0; i <= kWidth; ++i) {
    if (i < kWidth) separators[static_cast<size_t>(i)] = left->entry(SlotAt(order, i));
    children[static_cast<size_t>(i)] = left->Child(order, i);
  }
  auto fill = [&](Inner* node, int from, int to) {
    node->children[0].store(children[static_cast<size_t>(from)], std::memory_order_relaxed);
    for (int i = from; i < to; ++i) {
      auto slot = static_cast<size_t>(i - from);
      node->Set(slot, separators[static_cast<size_t>(i)]);
      node->children[slot + 1].store(children[static_cast<size_t>(i) + 1], std::memory_order_relaxed);
    }
    node->Publish(OrderAsTheyStand(to - from));
  };
  fill(right, keep + 1, kWidth);
  left->SetSkip(SharedBytes(left->low, middle));
  fill(left, 0, keep);
  AddSeparator(path, level + 1, middle, right);
  return CompareNode(*middle, separator->key()) < 0 ? right : left;
}

// ---- Reading

// Hand over hand: the parent is looked at once more after the child's version has been read. A split changes the parent
// before it lets go of the child, so the child's bounds at that version are those that the parent said.
template <bool kStrict>
MemTableIndex::Position MemTableIndex::Descend(const MemKey& key, const Node** right) const {
  for (;;) {
    const Node* node = root_.load(std::memory_order_acquire);
    uint32_t version = node->StableVersion();
    if (root_.load(std::memory_order_acquire) != node) continue;
    bool lost = false;
    while (!lost && node->level > 0) {
      uint64_t order = node->order.load(std::memory_order_acquire);
      const Node* child = static_cast<const Inner*>(node)->Child(order, node->Rank<!kStrict>(order, key));
      if (!node->IsStill(version)) {
        lost = true;
        break;
      }
      uint32_t child_version = child->StableVersion();
      if (!node->IsStill(version)) {
        lost = true;
      } else if (node->order.load(std::memory_order_acquire) == order) {
        node = child;
        version = child_version;
      }
    }
    if (lost) continue;
    Position position;
    position.leaf_ = node;
    position.version_ = version;
    position.order_ = node->order.load(std::memory_order_acquire);
    position.rank_ = node->Rank<false>(position.order_, key);
    *right = node->next.load(std::memory_order_acquire);
    int at = position.rank_ - (kStrict ? 1 : 0);
    bool inside = at >= 0 && at < CountOf(position.order_);
    const MemNode* entry = inside ? node->entry(SlotAt(position.order_, at)) : nullptr;
    if (!node->IsStill(version)) continue;
    position.node_ = entry;
    position.rank_ = at;
    return position;
  }
}

// The first entry of a leaf that is not the first is its lower bound, and stays where it is for ever.
void MemTableIndex::LandOnFirst(const Node* leaf, Position* position) const {
  do {
    position->leaf_ = leaf;
    position->version_ = leaf->StableVersion();
    position->order_ = leaf->order.load(std::memory_order_acquire);
    position->rank_ = 0;
    position->node_ = leaf->entry(SlotAt(position->order_, 0));
  } while (!leaf->IsStill(position->version_));
  PrefetchBehind(*position);
}

void MemTableIndex::PrefetchBehind(const Position& position) {
  int end = std::min(CountOf(position.order_), position.rank_ + 1 + kPrefetchAhead);
  for (int rank = position.rank_ + 1; rank < end; ++rank) {
    __builtin_prefetch(position.leaf_->entry(SlotAt(position.order_, rank)));
  }
  if (end == CountOf(position.order_)) __builtin_prefetch(position.leaf_->next.load(std::memory_order_relaxed));
}

MemTableIndex::Position MemTableIndex::FindGreaterOrEqual(const MemKey& key) const {
  const Node* right = nullptr;
  Position position = Descend<false>(key, &right);
  if (position.node_ == nullptr && right != nullptr) LandOnFirst(right, &position);
  return position;
}

MemTableIndex::Position MemTableIndex::FindLess(const MemKey& key) const {
  const Node* right = nullptr;
  return Descend<true>(key, &right);
}

void MemTableIndex::Next(Position* position) const {
  const Node* leaf = position->leaf_;
  int rank = position->rank_ + 1;
  bool inside = rank < CountOf(position->order_);
  const MemNode* entry = inside ? leaf->entry(SlotAt(position->order_, rank)) : nullptr;
  const Node* right = inside ? nullptr : leaf->next.load(std::memory_order_acquire);
  if (!leaf->IsStill(position->version_)) {
    *position = FindGreaterOrEqual(position->node_->key());  // the same entry, where it is now
    return Next(position);
  }
  if (inside) {
    position->node_ = entry;
    position->rank_ = rank;
    int soon = rank + kPrefetchAhead;  // entries lie where they came, so that each is a cache miss
    if (soon < CountOf(position->order_)) __builtin_prefetch(leaf->entry(SlotAt(position->order_, soon)));
    if (soon == kWidth / 2) __builtin_prefetch(leaf->next.load(std::memory_order_relaxed));
  } else if (right != nullptr) {
    LandOnFirst(right, position);
  } else {
    position->node_ = nullptr;
  }
}

void MemTableIndex::Prev(Position* position) const {
  if (position->rank_ > 0) {
    const MemNode* entry = position->leaf_->entry(SlotAt(position->order_, position->rank_ - 1));
    if (position->leaf_->IsStill(position->version_)) {
      position->node_ = entry;
      --position->rank_;
      return;
    }
  }
  *position = FindLess(position->node_->key());
}

// ---- Looking at the whole

bool MemTableIndex::IsWellFormed(const Node* node, const MemNode* low, const MemNode* high) const {
  uint64_t order = node->order.load();
  if (node->low != low || node->high() != high || node->version.load() % 2 != 0) return false;
  auto* inner = static_cast<const Inner*>(node);
  const MemNode* last = nullptr;
  for (int i = 0; i < CountOf(order); ++i) {
    size_t slot = SlotAt(order, i);
    const MemNode* entry = node->entry(slot);
    bool ascends = last == nullptr || CompareNode(*last, entry->key()) < 0;
    bool inside = (low == nullptr || CompareNode(*low, entry->key()) <= 0) &&
                  (high == nullptr || CompareNode(*high, entry->key()) > 0);
    if (!ascends || !inside || node->heads[slot].load() != HeadOf(entry->key(), node->skip.load())) return false;
    last = entry;
  }
  if (node->level == 0) return low == nullptr || node->entry(SlotAt(order, 0)) == low;
  for (int i = 0; i <= CountOf(order); ++i) {
    const Node* child = inner->Child(order, i);
    const MemNode* from = i == 0 ? low : node->entry(SlotAt(order, i - 1));
    const MemNode* to = i == CountOf(order) ? high : node->entry(SlotAt(order, i));
    if (child->level + 1 != node->level || !IsWellFormed(child, from, to)) return false;
  }
  return true;
}

bool MemTableIndex::IsWellFormed() const { return IsWellFormed(root_.load(), nullptr, nullptr); }
int MemTableIndex::Levels() const { return root_.load()->level + 1; }

}  // namespace silt::lsm
