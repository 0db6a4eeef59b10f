// Random operations on a tree, each compared (result, errno) with a simple model, and now and then the whole tree.
#include <sys/xattr.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

struct Node {
  InodeNumber ino = 0;
  uint32_t type = S_IFREG;
  uint32_t nlink = 1;
  Node* parent = nullptr;                 // directories
  std::map<std::string, Node*> children;  // directories
  std::string content;                    // files: bytes; symlinks: target
  std::map<std::string, std::string> xattrs;
  bool IsDirectory() const { return type == S_IFDIR; }
};

// The rules of POSIX, as plainly as can be.
class Model {
 public:
  Model() {
    root_ = New(S_IFDIR, kRootInode);
    root_->parent = root_;
  }

  Node* root() { return root_; }
  Node* New(uint32_t type, InodeNumber ino) {
    nodes_.push_back(std::make_unique<Node>());
    Node* node = nodes_.back().get();
    node->type = type;
    node->ino = ino;
    node->nlink = type == S_IFDIR ? 2 : 1;
    return node;
  }
  Node* Any(uint32_t random) { return nodes_[random % nodes_.size()].get(); }

  int CanAdd(Node* dir, const std::string& name) {
    if (!dir->IsDirectory()) return ENOTDIR;
    if (dir->nlink == 0) return ENOENT;
    return dir->children.count(name) ? EEXIST : 0;
  }
  void Add(Node* dir, const std::string& name, Node* node) {
    dir->children[name] = node;
    if (node->IsDirectory()) {
      node->parent = dir;
      ++dir->nlink;
    }
  }
  int Link(Node* node, Node* dir, const std::string& name) {
    if (node->IsDirectory()) return EPERM;
    if (int error = CanAdd(dir, name)) return error;
    dir->children[name] = node;
    ++node->nlink;
    return 0;
  }
  int Remove(Node* dir, const std::string& name, bool directory) {
    if (!dir->IsDirectory()) return ENOTDIR;
    auto at = dir->children.find(name);
    if (at == dir->children.end()) return ENOENT;
    Node* node = at->second;
    if (directory && !node->IsDirectory()) return ENOTDIR;
    if (!directory && node->IsDirectory()) return EISDIR;
    if (directory && !node->children.empty()) return ENOTEMPTY;
    Drop(dir, name);
    return 0;
  }
  int Rename(Node* from, const std::string& name, Node* to, const std::string& new_name, uint32_t flags) {
    if (!from->IsDirectory() || !to->IsDirectory()) return ENOTDIR;
    auto source_at = from->children.find(name);
    if (source_at == from->children.end()) return ENOENT;
    Node* source = source_at->second;
    auto target_at = to->children.find(new_name);
    Node* target = target_at == to->children.end() ? nullptr : target_at->second;
    const bool exchange = flags == 2;
    if (flags == 1 && target) return EEXIST;
    if (exchange && !target) return ENOENT;
    if (to->nlink == 0) return ENOENT;
    if (from != to && source->IsDirectory() && Within(to, source)) return EINVAL;
    if (from != to && target && target->IsDirectory() && Within(from, target)) return exchange ? EINVAL : ENOTEMPTY;
    if (source == target) return 0;
    if (!exchange && target) {
      if (source->IsDirectory() && !target->IsDirectory()) return ENOTDIR;
      if (!source->IsDirectory() && target->IsDirectory()) return EISDIR;
      if (!target->children.empty()) return ENOTEMPTY;
      Drop(to, new_name);
    }
    Move(from, name, to, new_name, source);
    if (exchange) {
      // Move has put the source over the target's name.
      from->children[name] = target;
      if (target->IsDirectory()) {
        target->parent = from;
        ++from->nlink;
        --to->nlink;
      }
    }
    return 0;
  }

 private:
  static bool Within(Node* directory, Node* ancestor) {
    for (; directory != ancestor; directory = directory->parent) {
      if (directory == directory->parent) return false;
    }
    return true;
  }
  static void Move(Node* from, const std::string& name, Node* to, const std::string& new_name, Node* source) {
    from->children.erase(name);
    to->children[new_name] = source;
    if (source->IsDirectory()) {
      source->parent = to;
      --from->nlink;
      ++to->nlink;
    }
  }
  static void Drop(Node* dir, const std::string& name) {
    Node* node = dir->children[name];
    dir->children.erase(name);
    if (node->IsDirectory()) {
      --dir->nlink;
      node->nlink = 0;
    } else {
      --node->nlink;
    }
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  Node* root_;
};

class TreeRun {
 public:
  TreeRun(TestFilesystem* fs, uint32_t seed) : fs_(*fs), random_(seed) {}

  void Step() {
    Node* dir = Live();
    std::string name = Name();
    switch (Pick(12)) {
      case 0:
      case 1:
        return Make(dir, name, S_IFREG);
      case 2:
        return Make(dir, name, S_IFDIR);
      case 3:
        return Make(dir, name, Pick(2) ? S_IFLNK : S_IFIFO);
      case 4: {
        Node* node = Live();
        auto linked = fs_->Link(node->ino, dir->ino, name);
        ASSERT_EQ(ErrorOf(linked), model_.Link(node, dir, name));
        return;
      }
      case 5:
        ASSERT_EQ(ErrorOf(fs_->Unlink(dir->ino, name)), model_.Remove(dir, name, false));
        return;
      case 6:
        ASSERT_EQ(ErrorOf(fs_->RemoveDirectory(dir->ino, name)), model_.Remove(dir, name, true));
        return;
      case 7:
      case 8: {
        Node* to = Live();
        std::string new_name = Name();
        uint32_t flags = Pick(3);
        ASSERT_EQ(ErrorOf(fs_->Rename({}, dir->ino, name, to->ino, new_name, flags)),
                  model_.Rename(dir, name, to, new_name, flags));
        return;
      }
      case 9:
        return WriteSome(Live());
      case 10:
        return Xattr(Live());
      default:
        if (Pick(30) != 0) return;
        fs_.Reopen();
        gone_after_reopen_ = true;
    }
  }

  void CompareTree() {
    Compare(model_.root());
    fs_.ExpectConsistent();
  }

 private:
  uint32_t Pick(uint32_t n) { return random_() % n; }
  std::string Name() { return std::string(1, static_cast<char>('a' + Pick(6))); }
  // Any node; after a reopen only such as still have links (the others were reaped).
  Node* Live() {
    while (true) {
      Node* node = model_.Any(random_());
      if (node->nlink > 0 || !gone_after_reopen_) return node;
    }
  }

  void Make(Node* dir, const std::string& name, uint32_t type) {
    int expected = model_.CanAdd(dir, name);
    Result<Attributes> made = type == S_IFDIR   ? fs_->MakeDirectory({}, dir->ino, name, 0755)
                              : type == S_IFLNK ? fs_->MakeSymlink({}, dir->ino, name, "to " + name)
                                                : fs_->MakeNode({}, dir->ino, name, type | 0644u, 0);
    ASSERT_EQ(ErrorOf(made), expected);
    if (!made) return;
    Node* node = model_.New(type, made->ino);
    if (type == S_IFLNK) node->content = "to " + name;
    model_.Add(dir, name, node);
  }

  void WriteSome(Node* node) {
    std::string data(1 + Pick(9000), static_cast<char>('A' + Pick(26)));
    uint64_t at = Pick(20'000);
    int expected = node->IsDirectory() ? EISDIR : node->type == S_IFREG ? 0 : EINVAL;
    ASSERT_EQ(fs_.Write(node->ino, at, data), expected);
    if (expected != 0) return;
    if (node->content.size() < at + data.size()) node->content.resize(at + data.size());
    node->content.replace(at, data.size(), data);
  }

  void Xattr(Node* node) {
    std::string name = "user." + Name();
    bool exists = node->xattrs.count(name) > 0;
    if (Pick(3) == 0) {
      ASSERT_EQ(ErrorOf(fs_->RemoveXattr(node->ino, name)), exists ? 0 : ENODATA);
      node->xattrs.erase(name);
      return;
    }
    int flags = static_cast<int>(Pick(3));
    std::string value(Pick(100), 'v');
    int expected = flags == XATTR_CREATE && exists ? EEXIST : flags == XATTR_REPLACE && !exists ? ENODATA : 0;
    ASSERT_EQ(ErrorOf(fs_->SetXattr(node->ino, name, value, flags)), expected);
    if (expected == 0) node->xattrs[name] = value;
  }

  void Compare(Node* node) {
    Attributes attributes = fs_.Stat(node->ino);
    ASSERT_EQ(attributes.mode & S_IFMT, node->type);
    ASSERT_EQ(attributes.nlink, node->nlink);
    auto names = fs_->ListXattr(node->ino);
    ASSERT_TRUE(names);
    ASSERT_EQ(names->size(), node->xattrs.size());
    for (const auto& [name, value] : node->xattrs) ASSERT_EQ(*fs_->GetXattr(node->ino, name), value);
    if (node->type == S_IFLNK) {
      ASSERT_EQ(*fs_->ReadSymlink(node->ino), node->content);
    }
    if (node->type == S_IFREG) {
      ASSERT_EQ(attributes.size, node->content.size());
      ASSERT_TRUE(fs_.Read(node->ino, 0, node->content.size() + 1) == node->content);
    }
    if (!node->IsDirectory()) return;
    std::map<std::string, InodeNumber> listed;
    ASSERT_TRUE(fs_->ReadDirectoryPlus(node->ino, 0, [&](const DirectoryEntry& entry, const Attributes& shown) {
      EXPECT_FALSE(entry.damaged);
      EXPECT_TRUE(shown.ino == entry.ino || shown.ino == 0);
      EXPECT_TRUE(listed.emplace(entry.name, entry.ino).second) << "given twice: " << entry.name;
      return true;
    }));
    ASSERT_EQ(listed.size(), node->children.size());
    if (node != model_.root()) {
      ASSERT_EQ(*fs_->Parent(node->ino), node->parent->ino);
    }
    for (const auto& [name, child] : node->children) {
      ASSERT_EQ(listed[name], child->ino);
      auto found = fs_->Lookup(node->ino, name);
      ASSERT_TRUE(found);
      ASSERT_EQ(found->ino, child->ino);
      Compare(child);
    }
  }

  TestFilesystem& fs_;
  std::mt19937 random_;
  Model model_;
  bool gone_after_reopen_ = false;
};

class TreeModelTest : public ::testing::TestWithParam<Backend> {};
SILT_FS_BACKENDS(TreeModelTest);

TEST_P(TreeModelTest, RandomOperationsMatchTheModel) {
  const uint32_t seeds = GetParam() == Backend::kMemory ? 15 : 4;
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TestFilesystem fs(GetParam());
    TreeRun run(&fs, seed);
    for (int i = 0; i < 600; ++i) {
      run.Step();
      if (i % 100 == 99) run.CompareTree();
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace silt::fs::test
