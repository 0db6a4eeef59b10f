// What fsck remembers of each inode while it walks a store: 16 bytes, and 56 more for a directory.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "fs/filesystem.h"

namespace silt::fs::check {

// Bits of Node::flags.
inline constexpr uint8_t kHasOrphanRecord = 1u << 0;   // an O record names it
inline constexpr uint8_t kRecordedUnlinked = 1u << 1;  // its record's nlink is 0
inline constexpr uint8_t kTouched = 1u << 2;  // a repair changed what its counts depend on: they are set without a word
inline constexpr uint8_t kRebuilt = 1u << 3;  // its record was lost and is made anew
inline constexpr uint8_t kReattached = 1u << 4;  // goes to lost+found

struct Node {
  InodeNumber ino = 0;
  uint32_t links = 0;  // entries found; not counted for directories
  uint16_t type = 0;   // S_IFMT bits
  uint8_t flags = 0;

  bool Has(uint8_t flag) const { return (flags & flag) != 0; }
  // A removed inode that waits for its last user, as it should be.
  bool IsOrphan() const { return Has(kHasOrphanRecord) && Has(kRecordedUnlinked) && !Has(kReattached); }
};
static_assert(sizeof(Node) == 16);

struct DirectoryNode {
  InodeNumber ino = 0;
  InodeNumber recorded_parent = 0;
  InodeNumber found_parent = 0;  // directory whose entry leads here; 0: none
  uint64_t found_entry = 0;      // that entry's id; 0: not given yet
  uint64_t entries = 0;
  uint32_t subdirectories = 0;
  uint8_t mark = 0;  // of the search for cycles
};

// Every inode of the store, sorted by number. Not thread-safe.
class NodeTable {
 public:
  // REQUIRES: numbers ascend.
  void Add(const Node& node) { nodes_.push_back(node); }
  void AddDirectory(const DirectoryNode& node) { directories_.push_back(node); }
  // In any order; visible to Find at once, to the loops below after Settle. Pointers stay valid until Settle.
  Node* AddLate(const Node& node) { return &(late_[node.ino] = node); }
  DirectoryNode* AddLateDirectory(const DirectoryNode& node) { return &(late_directories_[node.ino] = node); }
  void Settle();

  // nullptr: no such inode (directory).
  Node* Find(InodeNumber ino);
  DirectoryNode* FindDirectory(InodeNumber ino);

  std::vector<Node>& nodes() { return nodes_; }
  std::vector<DirectoryNode>& directories() { return directories_; }

 private:
  std::vector<Node> nodes_;
  std::vector<DirectoryNode> directories_;
  std::map<InodeNumber, Node> late_;
  std::map<InodeNumber, DirectoryNode> late_directories_;
};

}  // namespace silt::fs::check
