// Promises of space: fallocate(2) puts empty blocks, and what writing them will take is kept from everybody else, over
// remounts too. The records count such blocks; P keys say which inodes have any, so that a mount need not look at all.
#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;

void Store::PutPromise(InodeNumber ino, uint64_t before, uint64_t after, lsm::WriteBatch* batch) {
  if (before == 0 && after != 0) batch->Put(schema::kMeta, schema::PromiseKey(ino), schema::EncodeMark());
  if (before != 0 && after == 0) batch->Delete(schema::kMeta, schema::PromiseKey(ino));
}

void Store::PromisesChanged(uint64_t before, uint64_t after) {
  if (after > before) space_.AddPromised(PromisedBytes(after - before));
  if (before > after) space_.DropPromised(PromisedBytes(before - after));
}

void Store::LoadPromises() {
  auto it = records_.Scan(schema::kMeta, schema::AllOf(schema::KeyKind::kPromise));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    auto key = schema::ParseMetaKey(it->key());
    if (!key) continue;  // fsck's business, as is a key without its inode
    auto record = records_.Inode(key->ino);
    if (record && *record) space_.AddPromised(PromisedBytes((*record)->promised));
  }
  if (!it->status().ok()) (void)records_.Failed(0, it->status());
}

}  // namespace silt::fs
