// The tree: every directory hangs below the root, everything else has a name or is an orphan. What nothing leads to is
// given a name in lost+found.
#include <fmt/format.h>

#include <algorithm>

#include "fs/check_context.h"

namespace silt::fs::check {
namespace {

using lsm::Status;
using schema::kMeta;

class LostAndFound {
 public:
  LostAndFound(Context* context, const View* view) : context_(*context), view_(*view) {}

  // Gives the inode a name. Without repair only its counts are set as if it had one.
  Status Attach(Node* node) {
    node->flags |= kReattached | kTouched;
    if (node->type != S_IFDIR) node->links = 1;
    if (ino_ == 0) SILT_RETURN_IF_ERROR(FindOrMake());
    if (!context_.mender.enabled()) return Status::Ok();
    std::string name;
    SILT_RETURN_IF_ERROR(FreeName(ino_, fmt::format("#{}", node->ino), &name));
    auto id = context_.NewNumber();
    if (!id) return id.error();
    context_.PutEntry(ino_, *id, name, node->ino, node->type);
    if (node->Has(kHasOrphanRecord)) context_.mender.Delete(kMeta, schema::OrphanKey(node->ino));
    DirectoryNode* home = context_.nodes.FindDirectory(ino_);
    ++home->entries;
    if (DirectoryNode* directory = context_.nodes.FindDirectory(node->ino)) {
      directory->found_parent = ino_;
      directory->found_entry = *id;
      ++home->subdirectories;
    }
    return context_.mender.Step();
  }

 private:
  Status FindOrMake() {
    auto value = view_.Get(kMeta, schema::NameKey(kRootInode, "lost+found"));
    auto record = value ? schema::NameRecord::Decode(*value) : std::nullopt;
    if (record) {
      DirectoryNode* directory = context_.nodes.FindDirectory(record->ino);
      if (directory != nullptr && directory->found_parent == kRootInode) ino_ = record->ino;
    }
    if (ino_ == 0 && context_.mender.enabled()) SILT_RETURN_IF_ERROR(Make());
    if (ino_ == 0) ino_ = kRootInode;  // would be made there
    context_.nodes.Find(ino_)->flags |= kTouched;
    return Status::Ok();
  }

  Status Make() {
    std::string name;
    SILT_RETURN_IF_ERROR(FreeName(kRootInode, "lost+found", &name));
    auto ino = context_.NewNumber();
    if (!ino) return ino.error();
    context_.mender.Put(kMeta, schema::InodeKey(*ino), context_.NewInode(S_IFDIR | 0700, 2, 0).Encode());
    context_.PutEntry(kRootInode, *ino, name, *ino, S_IFDIR);
    context_.nodes.AddLate({.ino = *ino, .links = 0, .type = S_IFDIR, .flags = kTouched});
    context_.nodes.AddLateDirectory(
        {.ino = *ino, .recorded_parent = kRootInode, .found_parent = kRootInode, .found_entry = *ino});
    DirectoryNode* root = context_.nodes.FindDirectory(kRootInode);
    ++root->entries;
    ++root->subdirectories;
    context_.nodes.Find(kRootInode)->flags |= kTouched;
    ino_ = *ino;
    return Status::Ok();
  }

  // `wanted`, or with a number behind it where that name is in use.
  Status FreeName(InodeNumber directory, const std::string& wanted, std::string* name) {
    *name = wanted;
    for (int i = 1;; ++i) {
      auto taken = view_.Get(kMeta, schema::NameKey(directory, *name));
      if (!taken) return taken.error().IsNotFound() ? Status::Ok() : taken.error();
      *name = fmt::format("{}.{}", wanted, i);
    }
  }

  Context& context_;
  const View& view_;
  InodeNumber ino_ = 0;
};

class TreePass {
 public:
  explicit TreePass(Context* context) : context_(*context), view_(context->db), home_(context, &view_) {}

  Status Run() {
    for (DirectoryNode& directory : context_.nodes.directories()) {
      SILT_RETURN_IF_ERROR(Climb(directory.ino));
    }
    for (Node& node : context_.nodes.nodes()) {
      CheckOrphan(&node);
      if (node.type == S_IFDIR || node.links != 0 || node.IsOrphan()) continue;
      lost_.push_back(node.ino);
    }
    for (InodeNumber ino : lost_) {
      context_.problems.OfInode(ino, "nothing leads to it", fmt::format("moved to /lost+found/#{}", ino));
      SILT_RETURN_IF_ERROR(home_.Attach(context_.nodes.Find(ino)));
    }
    return Status::Ok();
  }

 private:
  enum Mark : uint8_t { kNew, kOnPath, kDone };

  // Follows parents up to the root or to what was seen before.
  Status Climb(InodeNumber start) {
    std::vector<DirectoryNode*> path;
    DirectoryNode* at = context_.nodes.FindDirectory(start);
    while (at->mark == kNew && at->ino != kRootInode) {
      at->mark = kOnPath;
      path.push_back(at);
      if (at->found_parent == 0) {
        LoseTop(at);
        break;
      }
      at = context_.nodes.FindDirectory(at->found_parent);
      if (at->mark == kOnPath) SILT_RETURN_IF_ERROR(BreakCycle(std::find(path.begin(), path.end(), at), path.end()));
    }
    for (DirectoryNode* seen : path) seen->mark = kDone;
    return Status::Ok();
  }

  void LoseTop(DirectoryNode* top) {
    const Node* node = context_.nodes.Find(top->ino);
    // A removed directory that waits for its last user holds nothing.
    if (node->IsOrphan() && top->entries == 0) return;
    lost_.push_back(top->ino);
  }

  // The oldest of the cycle is taken out: parents are mostly older than their children.
  Status BreakCycle(std::vector<DirectoryNode*>::iterator begin, std::vector<DirectoryNode*>::iterator end) {
    DirectoryNode* oldest = *std::min_element(begin, end, [](auto* a, auto* b) { return a->ino < b->ino; });
    context_.problems.OfInode(oldest->ino, fmt::format("lies below itself, in directory {}", oldest->found_parent),
                              "that entry removed");
    lost_.push_back(oldest->ino);
    return context_.DropEntryOf(view_, oldest);
  }

  // An orphan record is for what has no link, on record and in truth.
  void CheckOrphan(Node* node) {
    if (!node->Has(kHasOrphanRecord)) return;
    const DirectoryNode* directory = context_.nodes.FindDirectory(node->ino);
    bool linked = directory != nullptr ? directory->found_parent != 0 : node->links != 0;
    if (!linked && node->Has(kRecordedUnlinked)) return;
    context_.problems.OfInode(node->ino,
                              linked ? "listed as orphan, has a name" : "listed as orphan, its link count is not 0",
                              "removed from the orphans");
    context_.mender.Delete(kMeta, schema::OrphanKey(node->ino));
    node->flags = static_cast<uint8_t>((node->flags | kTouched) & ~kHasOrphanRecord);
  }

  Context& context_;
  View view_;
  LostAndFound home_;
  std::vector<InodeNumber> lost_;
};

}  // namespace

Status CheckTree(Context* context) {
  Status status = TreePass(context).Run();
  context->nodes.Settle();
  return status;
}

}  // namespace silt::fs::check
