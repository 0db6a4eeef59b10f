#include "fs/check_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <unordered_map>

namespace silt::fs::check {

using lsm::Fail;
using lsm::Result;
using lsm::Status;
using schema::kData;
using schema::KeyKind;
using schema::kMeta;

Status Mender::Flush() {
  if (batch_.Empty()) return Status::Ok();
  Status status = db_->Write({}, batch_);
  batch_.Clear();
  return status;
}

std::unique_ptr<lsm::Iterator> View::Scan(lsm::FamilyId family, const schema::KeyRange& range) const {
  lsm::ReadOptions read;
  read.snapshot = snapshot_;
  read.fill_cache = false;
  read.lower_bound = range.begin;
  read.upper_bound = range.end;
  auto iterator = db_->NewIterator(read, family);
  iterator->SeekToFirst();
  return iterator;
}

std::unique_ptr<lsm::Iterator> View::ScanAll(lsm::FamilyId family) const {
  lsm::ReadOptions read;
  read.snapshot = snapshot_;
  read.fill_cache = false;
  auto iterator = db_->NewIterator(read, family);
  iterator->SeekToFirst();
  return iterator;
}

Result<std::string> View::Get(lsm::FamilyId family, const std::string& key) const {
  lsm::ReadOptions read;
  read.snapshot = snapshot_;
  lsm::PinnedValue value;
  Status status = db_->Get(read, family, key, &value);
  if (!status.ok()) return Fail(status);
  return std::string(value.view());
}

Result<bool> View::Any(lsm::FamilyId family, const schema::KeyRange& range) const {
  auto iterator = Scan(family, range);
  if (!iterator->status().ok()) return Fail(iterator->status());
  return iterator->Valid();
}

Result<std::string> View::EntryName(InodeNumber directory, uint64_t entry_id, InodeNumber ino) const {
  if (entry_id != 0) {
    auto value = Get(kMeta, schema::EntryKey(directory, entry_id));
    if (!value && value.error().code() != lsm::StatusCode::kNotFound) return value;
    auto entry = value ? schema::EntryRecord::Decode(*value) : std::nullopt;
    if (entry && entry->ino == ino) return std::string(entry->name);
  }
  auto names = Scan(kMeta, schema::NamesOf(directory));
  for (; names->Valid(); names->Next()) {
    auto key = schema::ParseMetaKey(names->key());
    auto name = schema::NameRecord::Decode(names->value());
    if (key && name && name->ino == ino) return std::string(key->name);
  }
  if (!names->status().ok()) return Fail(names->status());
  return Fail(Status::NotFound());
}

void Meter::Tell() {
  done_ = std::min(total_, done_ + pending_);
  pending_ = 0;
  if (progress_) progress_(done_, total_);
}

void Context::PutEntry(InodeNumber directory, uint64_t id, std::string_view name, InodeNumber ino, uint32_t type) {
  mender.Put(kMeta, schema::NameKey(directory, name),
             schema::NameRecord{.entry_id = id, .ino = ino, .type = type}.Encode());
  mender.Put(kMeta, schema::EntryKey(directory, id),
             schema::EntryRecord{.ino = ino, .type = type, .name = name}.Encode());
}

void Context::DeleteEntry(InodeNumber directory, uint64_t id, std::string_view name) {
  mender.Delete(kMeta, schema::NameKey(directory, name));
  if (id != 0) mender.Delete(kMeta, schema::EntryKey(directory, id));
}

Status Context::DropEntryOf(const View& view, DirectoryNode* directory) {
  InodeNumber parent = directory->found_parent;
  auto settled = settled_names.find(directory->ino);
  auto name = settled != settled_names.end() ? Result<std::string>(settled->second)
                                             : view.EntryName(parent, directory->found_entry, directory->ino);
  if (!name) return name.error();
  settled_names.erase(directory->ino);
  DeleteEntry(parent, directory->found_entry, *name);
  if (DirectoryNode* owner = nodes.FindDirectory(parent)) {
    --owner->entries;
    --owner->subdirectories;
    nodes.Find(parent)->flags |= kTouched;
  }
  directory->found_parent = 0;
  directory->found_entry = 0;
  return Status::Ok();
}

void Context::CheckHighWaterMark() {
  if (superblock.next_number > highest_number) return;
  if (!superblock_is_new) {
    problems.OfStore(
        fmt::format("the superblock's next number is {}, number {} is in use", superblock.next_number, highest_number),
        fmt::format("set to {}", highest_number + 1));
  }
  superblock.next_number = highest_number + 1;
  mender.Put(kMeta, schema::SuperblockKey(), superblock.Encode());
}

Result<uint64_t> Context::NewNumber() {
  uint64_t number = superblock.next_number;
  if (number >= schema::kLastNumber) return Fail(Status::NoSpace("no inode numbers are left"));
  superblock.next_number = number + 1;
  mender.Put(kMeta, schema::SuperblockKey(), superblock.Encode());
  return number;
}

schema::InodeRecord Context::NewInode(uint32_t mode, uint32_t nlink, uint32_t flags) const {
  schema::InodeRecord record;
  record.mode = mode;
  record.nlink = nlink;
  record.flags = flags;
  record.atime = record.mtime = record.ctime = record.btime = now();
  if (record.IsDirectory()) record.parent = kRootInode;
  return record;
}

void Context::MalformedKey(lsm::FamilyId family, std::string_view key) {
  std::string hex;
  for (char c : key.substr(0, 32)) hex += fmt::format("{:02x}", static_cast<uint8_t>(c));
  if (key.size() > 32) hex += "...";
  problems.OfStore(fmt::format("malformed key {} ({} bytes) among the {}", hex, key.size(),
                               family == kMeta ? "records" : "data blocks"),
                   "removed");
  mender.Delete(family, key);
}

std::string TypeName(uint32_t type) {
  switch (type) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "character device";
    case S_IFBLK:
      return "block device";
    case S_IFIFO:
      return "FIFO";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

Status Walk(lsm::Db* db, const CheckOptions& options, uint64_t done, uint64_t total, CheckReport* report) {
  auto system_time = [] {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return Time{.seconds = now.tv_sec, .nanoseconds = static_cast<uint32_t>(now.tv_nsec)};
  };
  Context context{.db = db,
                  .mender = Mender(db, options.repair),
                  .problems = Problems(options.repair),
                  .nodes = {},
                  .meter = Meter(options.progress, done, total),
                  .report = report,
                  .now = options.open.now ? options.open.now : system_time,
                  .superblock = {},
                  .superblock_is_new = false,
                  .highest_number = 0,
                  .settled_names = {}};
  Status status;
  for (auto pass : {CheckSuperblock, CheckInodes, CheckEntries, CheckTree, CheckContents}) {
    status = pass(&context);
    if (status.ok()) status = context.mender.Flush();
    if (!status.ok()) break;
  }
  context.nodes.Settle();
  // Also after a failure: what was found is worth telling.
  Status told = context.problems.Tell(View(db), &context.nodes, report);
  if (status.ok() && options.repair) status = db->Sync(db->LastSequence());
  return status.ok() ? told : status;
}

}  // namespace silt::fs::check
