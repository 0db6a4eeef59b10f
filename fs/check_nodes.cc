#include "fs/check_nodes.h"

#include <algorithm>

namespace silt::fs::check {
namespace {

template <class T>
T* FindIn(std::vector<T>& sorted, std::map<InodeNumber, T>& late, InodeNumber ino) {
  auto at =
      std::lower_bound(sorted.begin(), sorted.end(), ino, [](const T& node, InodeNumber n) { return node.ino < n; });
  if (at != sorted.end() && at->ino == ino) return &*at;
  auto found = late.find(ino);
  return found == late.end() ? nullptr : &found->second;
}

template <class T>
void Merge(std::vector<T>& sorted, std::map<InodeNumber, T>& late) {
  auto middle = static_cast<std::ptrdiff_t>(sorted.size());
  for (const auto& [ino, node] : late) sorted.push_back(node);
  std::inplace_merge(sorted.begin(), sorted.begin() + middle, sorted.end(),
                     [](const T& a, const T& b) { return a.ino < b.ino; });
  late.clear();
}

}  // namespace

void NodeTable::Settle() {
  Merge(nodes_, late_);
  Merge(directories_, late_directories_);
}

Node* NodeTable::Find(InodeNumber ino) {
  return FindIn(nodes_, late_, ino);
}

DirectoryNode* NodeTable::FindDirectory(InodeNumber ino) {
  return FindIn(directories_, late_directories_, ino);
}

}  // namespace silt::fs::check
