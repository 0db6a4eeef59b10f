#include "tests/fs/check_image.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fs/check_context.h"

namespace silt::fs {

using schema::kData;
using schema::kMeta;

std::string Describe(const RawKey& key) {
  if (key.first == kData) {
    auto parts = schema::ParseDataKey(key.second);
    return parts ? fmt::format("D {} {}", parts->ino, parts->block) : "D ?";
  }
  auto parts = schema::ParseMetaKey(key.second);
  if (!parts) return "?";
  switch (parts->kind) {
    case schema::KeyKind::kSuperblock:
      return "S";
    case schema::KeyKind::kEntry:
      return fmt::format("E {} {}", parts->ino, parts->entry_id);
    case schema::KeyKind::kName:
      return fmt::format("N {} {}", parts->ino, parts->name);
    case schema::KeyKind::kXattr:
      return fmt::format("X {} {}", parts->ino, parts->name);
    case schema::KeyKind::kInode:
      return fmt::format("I {}", parts->ino);
    case schema::KeyKind::kOrphan:
      return fmt::format("O {}", parts->ino);
    case schema::KeyKind::kPromise:
      return fmt::format("P {}", parts->ino);
  }
  return "?";
}

std::set<std::string> Difference(const Dump& a, const Dump& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a) {
    auto other = b.find(key);
    if (other == b.end() || other->second != value) keys.insert(Describe(key));
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key)) keys.insert(Describe(key));
  }
  return keys;
}

RawKey MetaKeyOf(std::string key) {
  return {kMeta, std::move(key)};
}
RawKey DataKeyOf(InodeNumber ino, uint64_t block) {
  return {kData, schema::DataKey(ino, block)};
}

std::string Lines(const CheckReport& report) {
  std::string lines;
  for (const auto& problem : report.problems) lines += problem.what + '\n';
  return lines;
}

namespace {

schema::InodeRecord NewRecord(uint32_t mode) {
  schema::InodeRecord record;
  record.mode = mode;
  record.nlink = S_ISDIR(mode) ? 2 : 1;
  record.uid = 1000;
  record.mtime = {.seconds = 1'700'000'000, .nanoseconds = 7};
  record.atime = record.ctime = record.btime = record.mtime;
  return record;
}

}  // namespace

Image::Image(lsm::Db* db, uint32_t block_size) : db_(db), block_size_(block_size) {
  schema::SuperblockRecord superblock;
  superblock.uuid[0] = 1;
  superblock.block_size = block_size;
  Put(MetaKeyOf(schema::SuperblockKey()), superblock.Encode());
  auto root = NewRecord(S_IFDIR | 0755);
  root.parent = kRootInode;
  PutInode(kRootInode, root);
}

void Image::Put(const RawKey& key, std::string_view value) {
  lsm::WriteBatch batch;
  batch.Put(key.first, key.second, value);
  lsm::Status status = db_->Write({}, batch);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

void Image::Delete(const RawKey& key) {
  lsm::WriteBatch batch;
  batch.Delete(key.first, key.second);
  lsm::Status status = db_->Write({}, batch);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

std::string Image::Get(const RawKey& key) {
  lsm::PinnedValue value;
  lsm::Status status = db_->Get({}, key.first, key.second, &value);
  EXPECT_TRUE(status.ok()) << Describe(key) << ": " << status.ToString();
  return std::string(value.view());
}

Dump Image::Read() {
  Dump dump;
  for (lsm::FamilyId family : {kMeta, kData}) {
    auto keys = db_->NewIterator({}, family);
    for (keys->SeekToFirst(); keys->Valid(); keys->Next()) {
      dump[{family, std::string(keys->key())}] = std::string(keys->value());
    }
    EXPECT_TRUE(keys->status().ok());
  }
  return dump;
}

void Image::Replace(const Dump& dump) {
  lsm::WriteBatch batch;
  for (const auto& [key, value] : Read()) batch.Delete(key.first, key.second);
  for (const auto& [key, value] : dump) batch.Put(key.first, key.second, value);
  ASSERT_TRUE(db_->Write({}, batch).ok());
}

schema::InodeRecord Image::Inode(InodeNumber ino) {
  auto record = schema::InodeRecord::Decode(Get(MetaKeyOf(schema::InodeKey(ino))));
  EXPECT_TRUE(record.has_value()) << "inode " << ino;
  return record.value_or(schema::InodeRecord{});
}

void Image::PutInode(InodeNumber ino, const schema::InodeRecord& record) {
  Put(MetaKeyOf(schema::InodeKey(ino)), record.Encode());
}

uint64_t Image::EntryId(InodeNumber directory, std::string_view name) {
  auto record = schema::NameRecord::Decode(Get(MetaKeyOf(schema::NameKey(directory, name))));
  EXPECT_TRUE(record.has_value()) << name;
  return record ? record->entry_id : 0;
}

void Image::PutName(InodeNumber directory, std::string_view name, uint64_t id, InodeNumber ino, uint32_t type) {
  Put(MetaKeyOf(schema::NameKey(directory, name)),
      schema::NameRecord{.entry_id = id, .ino = ino, .type = type}.Encode());
}

void Image::PutEntry(InodeNumber directory, uint64_t id, std::string_view name, InodeNumber ino, uint32_t type) {
  Put(MetaKeyOf(schema::EntryKey(directory, id)), schema::EntryRecord{.ino = ino, .type = type, .name = name}.Encode());
}

InodeNumber Image::NewNumber() {
  auto superblock = schema::SuperblockRecord::Decode(Get(MetaKeyOf(schema::SuperblockKey())));
  InodeNumber number = superblock->next_number++;
  Put(MetaKeyOf(schema::SuperblockKey()), superblock->Encode());
  return number;
}

InodeNumber Image::AddNode(InodeNumber parent, std::string_view name, uint32_t mode, std::string_view target) {
  InodeNumber ino = NewNumber();
  auto record = NewRecord(mode);
  record.target = target;
  if (record.IsDirectory()) record.parent = parent;
  PutInode(ino, record);
  PutName(parent, name, ino, ino, mode & S_IFMT);
  PutEntry(parent, ino, name, ino, mode & S_IFMT);
  auto directory = Inode(parent);
  ++directory.entries;
  if (record.IsDirectory()) ++directory.nlink;
  PutInode(parent, directory);
  return ino;
}

InodeNumber Image::AddDirectory(InodeNumber parent, std::string_view name) {
  return AddNode(parent, name, S_IFDIR | 0755);
}

void Image::WriteData(InodeNumber ino, std::string_view data, schema::InodeRecord* record) {
  record->size = data.size();
  for (uint64_t block = 0; block * block_size_ < data.size(); ++block) {
    auto bytes = schema::TrimZeros(data.substr(block * block_size_, block_size_));
    if (bytes.empty()) continue;
    Put(DataKeyOf(ino, block), bytes);
    ++record->blocks;
  }
}

InodeNumber Image::AddFile(InodeNumber parent, std::string_view name, std::string_view data) {
  InodeNumber ino = AddNode(parent, name, S_IFREG | 0644);
  auto record = Inode(ino);
  WriteData(ino, data, &record);
  PutInode(ino, record);
  return ino;
}

void Image::AddLink(InodeNumber ino, InodeNumber parent, std::string_view name) {
  uint64_t id = NewNumber();
  auto record = Inode(ino);
  ++record.nlink;
  PutInode(ino, record);
  PutName(parent, name, id, ino, record.mode & S_IFMT);
  PutEntry(parent, id, name, ino, record.mode & S_IFMT);
  auto directory = Inode(parent);
  ++directory.entries;
  PutInode(parent, directory);
}

void Image::AddXattr(InodeNumber ino, std::string_view name, std::string_view value) {
  auto record = Inode(ino);
  record.flags |= schema::kHasXattrs;
  PutInode(ino, record);
  Put(MetaKeyOf(schema::XattrKey(ino, name)), schema::XattrHead() + std::string(value));
}

InodeNumber Image::AddOrphan(uint32_t mode, std::string_view data) {
  InodeNumber ino = NewNumber();
  auto record = NewRecord(mode);
  record.nlink = 0;
  if (record.IsDirectory()) record.parent = 15;  // gone
  WriteData(ino, data, &record);
  PutInode(ino, record);
  Put(MetaKeyOf(schema::OrphanKey(ino)), schema::EncodeMark());
  return ino;
}

void Image::Preallocate(InodeNumber ino, uint64_t block) {
  auto record = Inode(ino);
  record.flags |= schema::kBlocksBeyondEnd;
  ++record.blocks;
  ++record.promised;
  PutInode(ino, record);
  Put(MetaKeyOf(schema::PromiseKey(ino)), schema::EncodeMark());
  Put(DataKeyOf(ino, block), "");
}

CheckReport Image::Check(bool repair, const std::function<void(uint64_t, uint64_t)>& progress) {
  CheckOptions options;
  options.repair = repair;
  options.progress = progress;
  options.open.now = [] { return Time{.seconds = 1'800'000'000, .nanoseconds = 0}; };
  CheckReport report;
  lsm::Status status = check::Walk(db_, options, 0, 1 << 30, &report);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return report;
}

}  // namespace silt::fs
