// What inodes own: data blocks, xattrs and promises of space, walked side by side with the inode records; and the
// counts in the records, against what the earlier passes found.
#include <fmt/format.h>

#include <algorithm>

#include "fs/acl.h"
#include "fs/check_context.h"
#include "fs/printable.h"

namespace silt::fs::check {
namespace {

using lsm::Status;
using schema::InodeRecord;
using schema::kData;
using schema::KeyKind;
using schema::kMeta;

// What is wrong with the blocks of one file, counted.
struct BlockFaults {
  uint64_t too_long = 0, untrimmed = 0, beyond_end = 0, bytes_beyond_end = 0;
};

class ContentsPass {
 public:
  explicit ContentsPass(Context* context) : context_(*context), view_(context->db) {}

  Status Run() {
    auto inodes = view_.Scan(kMeta, schema::AllOf(KeyKind::kInode));
    data_ = view_.ScanAll(kData);
    xattrs_ = view_.Scan(kMeta, schema::AllOf(KeyKind::kXattr));
    promises_ = view_.Scan(kMeta, schema::AllOf(KeyKind::kPromise));
    for (; inodes->Valid(); inodes->Next()) {
      auto key = schema::ParseMetaKey(inodes->key());
      auto record = schema::InodeRecord::Decode(inodes->value());
      Node* node = key && record ? context_.nodes.Find(key->ino) : nullptr;
      if (node == nullptr || node->type != (record->mode & S_IFMT)) continue;  // told of before
      SILT_RETURN_IF_ERROR(SweepUntil(key->ino));
      SILT_RETURN_IF_ERROR(CheckOne(*node, *record));
      SILT_RETURN_IF_ERROR(context_.mender.Step());
    }
    SILT_RETURN_IF_ERROR(inodes->status());
    return SweepUntil(UINT64_MAX);
  }

 private:
  // The inode that the next key belongs to, 0 at the end. Keys that no program can have written are passed over.
  InodeNumber DataHead();
  InodeNumber XattrHead() { return MetaHead(xattrs_.get()); }
  InodeNumber PromiseHead() { return MetaHead(promises_.get()); }
  InodeNumber MetaHead(lsm::Iterator* keys);
  // Removes the data, xattrs and promises of numbers below `ino` at which the cursors stand: nobody came for them.
  Status SweepUntil(InodeNumber ino);
  bool IsRebuilt(InodeNumber ino);
  void SkipData(InodeNumber ino) { data_->Seek(schema::BlocksOf(ino).end); }

  Status CheckOne(const Node& node, InodeRecord record);
  void CountType(const Node& node);
  void CheckLinks(const Node& node, InodeRecord* record, bool* changed);
  void CheckDirectory(const Node& node, InodeRecord* record, bool* changed);
  Status CheckFile(const Node& node, InodeRecord* record, bool* changed);
  bool CheckBlock(uint64_t block, std::string_view value, uint64_t size, BlockFaults* faults, std::string_view* kept);
  void TellFaults(InodeNumber ino, const BlockFaults& faults);
  void CheckPromise(const Node& node, const InodeRecord& record);
  Status CheckXattrs(const Node& node, InodeRecord* record, bool* changed);
  void NeedFlag(const Node& node, uint32_t flag, std::string_view what, InodeRecord* record, bool* changed);
  // Sets *field to `right`, with a word unless the inode was touched already.
  template <class T>
  void Correct(const Node& node, std::string_view what, T right, T* field, bool* changed);

  Context& context_;
  View view_;
  std::unique_ptr<lsm::Iterator> data_, xattrs_, promises_;
};

InodeNumber ContentsPass::DataHead() {
  for (; data_->Valid(); data_->Next()) {
    if (auto key = schema::ParseDataKey(data_->key())) return key->ino;
    context_.MalformedKey(kData, data_->key());
  }
  return 0;
}

InodeNumber ContentsPass::MetaHead(lsm::Iterator* keys) {
  for (; keys->Valid(); keys->Next()) {
    if (auto key = schema::ParseMetaKey(keys->key())) return key->ino;
    context_.MalformedKey(kMeta, keys->key());
  }
  return 0;
}

// True without repair only: its record is not there yet.
bool ContentsPass::IsRebuilt(InodeNumber ino) {
  const Node* node = context_.nodes.Find(ino);
  return node != nullptr && node->Has(kRebuilt);
}

Status ContentsPass::SweepUntil(InodeNumber ino) {
  for (InodeNumber owner = DataHead(); owner != 0 && owner < ino; owner = DataHead()) {
    if (!IsRebuilt(owner)) {
      context_.problems.OfInode(owner, "there are data blocks and no such inode", "removed");
      context_.mender.DeleteRange(kData, schema::BlocksOf(owner));
    }
    SkipData(owner);
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  SILT_RETURN_IF_ERROR(data_->status());
  for (InodeNumber owner = XattrHead(); owner != 0 && owner < ino; owner = XattrHead()) {
    if (!IsRebuilt(owner)) {
      context_.problems.OfInode(owner, "there are xattrs and no such inode", "removed");
      context_.mender.DeleteRange(kMeta, schema::XattrsOf(owner));
    }
    xattrs_->Seek(schema::XattrsOf(owner).end);
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  SILT_RETURN_IF_ERROR(xattrs_->status());
  for (InodeNumber owner = PromiseHead(); owner != 0 && owner < ino; owner = PromiseHead()) {
    if (!IsRebuilt(owner)) {
      context_.problems.OfInode(owner, "listed as having preallocated blocks, does not exist", "removed from the list");
      context_.mender.Delete(kMeta, promises_->key());
    }
    promises_->Next();
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  return promises_->status();
}

void ContentsPass::CountType(const Node& node) {
  CheckReport& report = *context_.report;
  ++report.inodes;
  if (node.IsOrphan()) ++report.orphans;
  switch (node.type) {
    case S_IFDIR:
      ++report.directories;
      break;
    case S_IFREG:
      ++report.files;
      break;
    case S_IFLNK:
      ++report.symlinks;
      break;
    default:
      ++report.others;
  }
}

template <class T>
void ContentsPass::Correct(const Node& node, std::string_view what, T right, T* field, bool* changed) {
  if (*field == right) return;
  if (!node.Has(kTouched)) {
    context_.problems.OfInode(node.ino, fmt::format("{} is {}, should be {}", what, *field, right),
                              fmt::format("set to {}", right));
  }
  *field = right;
  *changed = true;
}

void ContentsPass::NeedFlag(const Node& node, uint32_t flag, std::string_view what, InodeRecord* record,
                            bool* changed) {
  if ((record->flags & flag) != 0) return;
  if (!node.Has(kTouched)) context_.problems.OfInode(node.ino, fmt::format("not marked as {}", what), "marked");
  record->flags |= flag;
  *changed = true;
}

Status ContentsPass::CheckOne(const Node& node, InodeRecord record) {
  context_.meter.Add(64);
  CountType(node);
  bool changed = false;
  CheckLinks(node, &record, &changed);
  if (node.type == S_IFREG) {
    SILT_RETURN_IF_ERROR(CheckFile(node, &record, &changed));
  } else if (DataHead() == node.ino) {
    context_.problems.OfInode(node.ino, fmt::format("is a {} and has data blocks", TypeName(node.type)),
                              "blocks removed");
    context_.mender.DeleteRange(kData, schema::BlocksOf(node.ino));
    SkipData(node.ino);
  }
  CheckPromise(node, record);
  SILT_RETURN_IF_ERROR(CheckXattrs(node, &record, &changed));
  if (changed) context_.mender.Put(kMeta, schema::InodeKey(node.ino), record.Encode());
  return Status::Ok();
}

void ContentsPass::CheckLinks(const Node& node, InodeRecord* record, bool* changed) {
  if (node.type == S_IFDIR) return CheckDirectory(node, record, changed);
  Correct(node, "the link count", node.IsOrphan() ? 0 : node.links, &record->nlink, changed);
}

void ContentsPass::CheckDirectory(const Node& node, InodeRecord* record, bool* changed) {
  const DirectoryNode& directory = *context_.nodes.FindDirectory(node.ino);
  Correct(node, "the link count", node.IsOrphan() ? 0 : 2 + directory.subdirectories, &record->nlink, changed);
  Correct(node, "the number of entries", directory.entries, &record->entries, changed);
  InodeNumber parent = node.ino == kRootInode ? kRootInode : directory.found_parent;
  if (parent != 0) Correct(node, "the parent", parent, &record->parent, changed);
  if (directory.entries > schema::kLargeDirectory) {
    NeedFlag(node, schema::kDirectoryWasLarge, "large", record, changed);
  }
}

// What of a block's value may stay: *kept, a part of `value`. False: the block should not be there.
bool ContentsPass::CheckBlock(uint64_t block, std::string_view value, uint64_t size, BlockFaults* faults,
                              std::string_view* kept) {
  uint64_t block_size = context_.superblock.block_size;
  if (block > schema::kMaxFileSize / block_size) {
    ++faults->beyond_end;
    return false;
  }
  uint64_t begin = block * block_size;
  uint64_t room = begin >= size ? 0 : std::min(block_size, size - begin);
  *kept = value;
  if (kept->size() > block_size) {
    ++faults->too_long;
    *kept = kept->substr(0, block_size);
  }
  if (schema::TrimZeros(*kept).size() > room) {
    if (room == 0) {
      ++faults->beyond_end;
      return false;
    }
    ++faults->bytes_beyond_end;
    *kept = kept->substr(0, room);
  }
  // What was written never becomes preallocated, except behind the end, where nothing is written.
  const std::string_view right = value.empty() || room == 0 ? std::string_view{} : schema::BlockValue(*kept);
  if (right.size() != kept->size()) {
    if (kept->size() == value.size()) ++faults->untrimmed;
    *kept = right;
  }
  return true;
}

void ContentsPass::TellFaults(InodeNumber ino, const BlockFaults& faults) {
  if (faults.too_long != 0) {
    context_.problems.OfInode(ino, fmt::format("{} blocks are longer than a block", faults.too_long), "cut");
  }
  if (faults.beyond_end != 0) {
    context_.problems.OfInode(ino, fmt::format("{} blocks of data behind the end of the file", faults.beyond_end),
                              "removed");
  }
  if (faults.bytes_beyond_end != 0) {
    context_.problems.OfInode(ino, "the last block holds bytes behind the end of the file", "cut");
  }
  if (faults.untrimmed != 0) {
    context_.problems.OfInode(ino, fmt::format("{} blocks are stored with zeros at their end", faults.untrimmed),
                              "cut");
  }
}

Status ContentsPass::CheckFile(const Node& node, InodeRecord* record, bool* changed) {
  uint64_t block_size = context_.superblock.block_size;
  uint64_t end_block = record->size / block_size + (record->size % block_size != 0 ? 1 : 0);
  uint64_t count = 0, promised = 0;
  bool preallocated = false;
  BlockFaults faults;
  for (; DataHead() == node.ino; data_->Next()) {
    std::string_view value = data_->value(), kept;
    context_.meter.Add(data_->key().size() + value.size());
    uint64_t block = schema::ParseDataKey(data_->key())->block;
    if (!CheckBlock(block, value, record->size, &faults, &kept)) {
      context_.mender.Delete(kData, data_->key());
    } else {
      ++count;
      if (kept.empty()) ++promised;
      preallocated |= block >= end_block;
      if (kept.size() != value.size()) context_.mender.Put(kData, data_->key(), kept);
    }
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  SILT_RETURN_IF_ERROR(data_->status());
  TellFaults(node.ino, faults);
  context_.report->data_blocks += count;
  Node quiet = node;
  if (faults.beyond_end + faults.bytes_beyond_end + faults.too_long + faults.untrimmed != 0) quiet.flags |= kTouched;
  Correct(quiet, "the number of blocks", count, &record->blocks, changed);
  if (preallocated) NeedFlag(quiet, schema::kBlocksBeyondEnd, "having blocks behind its end", record, changed);
  Correct(quiet, "the number of preallocated blocks", promised, &record->promised, changed);
  return Status::Ok();
}

// P keys against the records as they are to be.
void ContentsPass::CheckPromise(const Node& node, const InodeRecord& record) {
  const bool listed = PromiseHead() == node.ino;
  const bool sound = listed && schema::DecodeMark(promises_->value());
  if (listed) promises_->Next();
  const std::string key = schema::PromiseKey(node.ino);
  if (record.promised == 0) {
    if (!listed) return;
    if (!node.Has(kTouched)) {
      context_.problems.OfInode(node.ino, "listed as having preallocated blocks, has none", "removed from the list");
    }
    context_.mender.Delete(kMeta, key);
  } else if (!sound) {
    if (!node.Has(kTouched)) {
      context_.problems.OfInode(
          node.ino,
          listed ? "the mark of its preallocated blocks is damaged" : "not listed as having preallocated blocks",
          listed ? "written anew" : "listed");
    }
    context_.mender.Put(kMeta, key, schema::EncodeMark());
  }
}

// "": none.
std::string_view XattrFault(const Node& node, std::string_view name, std::string_view stored) {
  auto value = schema::DecodeXattr(stored);
  if (!value) return "is damaged";
  if (!IsAclName(name)) return "";
  auto acl = Acl::Decode(*value);
  if (!acl) return "is no valid ACL";
  if (name == kDefaultAclName && node.type != S_IFDIR) return "belongs to directories alone";
  if (node.type == S_IFLNK) return "is nothing for symlinks";
  if (name == kAccessAclName && !acl->IsExtended()) return "says no more than the mode";
  return "";
}

Status ContentsPass::CheckXattrs(const Node& node, InodeRecord* record, bool* changed) {
  bool any = false;
  for (; XattrHead() == node.ino; xattrs_->Next()) {
    context_.meter.Add(xattrs_->key().size() + xattrs_->value().size());
    auto key = schema::ParseMetaKey(xattrs_->key());
    std::string_view fault = XattrFault(node, key->name, xattrs_->value());
    if (fault.empty()) {
      any = true;
      ++context_.report->xattrs;
      continue;
    }
    context_.problems.OfInode(node.ino, fmt::format("the xattr {} {}", Printable(key->name), fault), "removed");
    context_.mender.Delete(kMeta, xattrs_->key());
    SILT_RETURN_IF_ERROR(context_.mender.Step());
  }
  SILT_RETURN_IF_ERROR(xattrs_->status());
  if (any) NeedFlag(node, schema::kHasXattrs, "having xattrs", record, changed);
  return Status::Ok();
}

}  // namespace

Status CheckContents(Context* context) {
  return ContentsPass(context).Run();
}

}  // namespace silt::fs::check
