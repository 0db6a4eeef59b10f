// The inode records and orphan records: each decodes; the table of inodes is filled from them.
#include <fmt/format.h>

#include "fs/check_context.h"

namespace silt::fs::check {
namespace {

using lsm::Status;
using schema::KeyKind;
using schema::kMeta;

void AddNode(Context* context, InodeNumber ino, const schema::InodeRecord& record) {
  Node node{.ino = ino, .links = 0, .type = static_cast<uint16_t>(record.mode & S_IFMT), .flags = 0};
  if (record.nlink == 0) node.flags |= kRecordedUnlinked;
  context->nodes.Add(node);
  if (record.IsDirectory()) {
    context->nodes.AddDirectory({.ino = ino, .recorded_parent = record.parent});
  }
  context->Saw(ino);
}

void CheckInode(Context* context, std::string_view key, std::string_view value) {
  auto parsed = schema::ParseMetaKey(key);
  if (!parsed || parsed->ino >= schema::kLastNumber) return context->MalformedKey(kMeta, key);
  auto record = schema::InodeRecord::Decode(value);
  if (record && (parsed->ino != kRootInode || record->IsDirectory())) return AddNode(context, parsed->ino, *record);
  context->problems.OfInode(parsed->ino, record ? "the root is no directory" : "the record is damaged", "removed");
  context->mender.Delete(kMeta, key);
}

void MakeRoot(Context* context) {
  auto root = context->NewInode(S_IFDIR | 0755, 2, schema::kDirectoryWasLarge | schema::kHasXattrs);
  context->nodes.AddLate({.ino = kRootInode, .links = 0, .type = S_IFDIR, .flags = kTouched | kRebuilt});
  context->nodes.AddLateDirectory({.ino = kRootInode, .recorded_parent = kRootInode});
  context->problems.OfInode(kRootInode, "the root directory is missing", "made anew");
  context->mender.Put(kMeta, schema::InodeKey(kRootInode), root.Encode());
}

void CheckOrphan(Context* context, std::string_view key, std::string_view value) {
  auto parsed = schema::ParseMetaKey(key);
  if (!parsed) return context->MalformedKey(kMeta, key);
  Node* node = context->nodes.Find(parsed->ino);
  if (node == nullptr || node->ino == kRootInode) {
    context->problems.OfInode(parsed->ino, node ? "the root is listed as orphan" : "listed as orphan, does not exist",
                              "removed from the orphans");
    context->mender.Delete(kMeta, key);
    return;
  }
  node->flags |= kHasOrphanRecord;
  if (schema::DecodeMark(value)) return;
  context->problems.OfInode(parsed->ino, "the orphan record is damaged", "written anew");
  context->mender.Put(kMeta, key, schema::EncodeMark());
}

}  // namespace

Status CheckInodes(Context* context) {
  View view(context->db);
  auto inodes = view.Scan(kMeta, schema::AllOf(KeyKind::kInode));
  for (; inodes->Valid(); inodes->Next()) {
    CheckInode(context, inodes->key(), inodes->value());
    context->meter.Add(inodes->key().size() + inodes->value().size());
    SILT_RETURN_IF_ERROR(context->mender.Step());
  }
  SILT_RETURN_IF_ERROR(inodes->status());
  if (context->nodes.Find(kRootInode) == nullptr) MakeRoot(context);
  context->nodes.Settle();

  auto orphans = view.Scan(kMeta, schema::AllOf(KeyKind::kOrphan));
  for (; orphans->Valid(); orphans->Next()) {
    CheckOrphan(context, orphans->key(), orphans->value());
    SILT_RETURN_IF_ERROR(context->mender.Step());
  }
  return orphans->status();
}

}  // namespace silt::fs::check
