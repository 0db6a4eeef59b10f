// The order of a memtable's entries: a B+-tree in the arena with one writer and readers that take no lock.
//
// A node holds up to kWidth entries in the slots in which they came, and a word that says in which order they sort: an
// insert becomes visible with one store of that word (idea: Masstree, Mao, Kohler and Morris 2012). Beside each entry
// stands its head, eight bytes of its key behind what all keys between the node's bounds have in common (LeanStore), so
// that a search looks at one whole key or two. Only a split moves entries; it runs under the node's version, and readers
// that met it start over (optimistic lock coupling, Leis et al. 2016).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "lsm/memtable/arena.h"
#include "lsm/memtable/mem_node.h"

namespace silt::lsm {

// Insert: one thread at a time. Everything else: any thread, beside it. A reader sees every entry whose Insert happened
// before (in the memory model's sense), and perhaps later ones, which it tells by their sequence. Nothing is removed.
class MemTableIndex {
  struct Node;
  struct Inner;

 public:
  explicit MemTableIndex(Arena* arena);  // must outlive the index

  // REQUIRES: no entry with the same key is there; key and value are shorter than 4 GiB.
  void Insert(const MemKey& key, std::string_view value);

  // An entry, and where it stands. Entries that are inserted right behind it later may be passed over.
  class Position {
   public:
    const MemNode* node() const { return node_; }  // null: none

   private:
    friend class MemTableIndex;
    const MemNode* node_ = nullptr;
    const Node* leaf_ = nullptr;
    uint64_t order_ = 0;  // the leaf's when it was looked at
    uint32_t version_ = 0;
    int rank_ = 0;
  };
  Position FindGreaterOrEqual(const MemKey& key) const;
  Position FindLess(const MemKey& key) const;
  // REQUIRES: position.node() is not null.
  void Next(Position* position) const;
  void Prev(Position* position) const;
  // Begins to load what the next few calls of Next will come to.
  static void PrefetchBehind(const Position& position);

  // For tests: whether every node is in order, within its bounds and linked to its right neighbour. No writer beside.
  bool IsWellFormed() const;
  int Levels() const;

 private:
  static constexpr size_t kFingers = 16;
  static constexpr int kMostLevels = 24;

  // Where the writer inserted last among keys of some kind. Of no use where keys come at random, which it notices.
  struct Finger {
    Node* leaf = nullptr;
    int misses = 0;
  };
  struct Path {
    std::array<Node*, kMostLevels> nodes;  // by level; 0 is the leaf
  };

  template <class T>
  T* NewNode(int level);
  Finger& FingerFor(const MemKey& key);
  Node* FingerLeaf(const Finger& finger, const MemKey& key) const;
  Path PathTo(const MemKey& key) const;
  // Splits the leaf at the end of `path`, inserts the entry, whose rank there was `rank`, and returns the leaf it came to.
  Node* SplitLeaf(const Path& path, const MemNode* entry, int rank);
  void AddSeparator(const Path& path, int level, const MemNode* separator, Node* right);
  Inner* SplitInner(const Path& path, int level, const MemNode* separator);

  // The first entry >= key in the leaf where it would be, or strictly the last one < key; *right: that leaf's neighbour,
  // where to go on when there is none.
  template <bool kStrict>
  Position Descend(const MemKey& key, const Node** right) const;
  void LandOnFirst(const Node* leaf, Position* position) const;
  bool IsWellFormed(const Node* node, const MemNode* low, const MemNode* high) const;

  Arena* arena_;
  std::atomic<Node*> root_;
  std::array<Finger, kFingers> fingers_;
};

}  // namespace silt::lsm
