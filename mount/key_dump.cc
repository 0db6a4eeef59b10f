#include "mount/key_dump.h"

#include <fmt/format.h>

#include <charconv>

#include "fs/printable.h"
#include "fs/schema.h"

namespace silt::mount {
namespace {

namespace schema = fs::schema;

std::string Hex(std::string_view bytes) {
  std::string text = "0x";
  for (char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string FormatTime(const fs::Time& time) {
  return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
}

std::string DescribeInode(std::string_view value) {
  auto inode = schema::InodeRecord::Decode(value);
  if (!inode) return "malformed " + Hex(value);
  std::string text = fmt::format("mode {:o} uid {} gid {} nlink {} flags {:#x} size {} blocks {} mtime {} ctime {}",
                                 inode->mode, inode->uid, inode->gid, inode->nlink, inode->flags, inode->size,
                                 inode->blocks, FormatTime(inode->mtime), FormatTime(inode->ctime));
  if (inode->IsDirectory()) text += fmt::format(" parent {} entries {}", inode->parent, inode->entries);
  if (inode->IsDevice()) text += fmt::format(" rdev {:#x}", inode->rdev);
  if (inode->IsSymlink()) text += fmt::format(" target \"{}\"", fs::Printable(inode->target));
  return text;
}

std::string DescribeSuperblock(std::string_view value) {
  auto superblock = schema::SuperblockRecord::Decode(value);
  if (!superblock) return "malformed " + Hex(value);
  return fmt::format("uuid {} format {} block size {} compression {} features {:#x} {:#x} {:#x} next number {}",
                     schema::FormatUuid(superblock->uuid), superblock->format_version, superblock->block_size,
                     static_cast<int>(superblock->compression), superblock->features_compatible,
                     superblock->features_read_only, superblock->features_incompatible, superblock->next_number);
}

std::string DescribeMetaValue(schema::KeyKind kind, std::string_view value) {
  switch (kind) {
    case schema::KeyKind::kInode:
      return DescribeInode(value);
    case schema::KeyKind::kSuperblock:
      return DescribeSuperblock(value);
    case schema::KeyKind::kName:
      if (auto name = schema::NameRecord::Decode(value)) {
        return fmt::format("inode {} entry {} type {:o}", name->ino, name->entry_id, name->type);
      }
      break;
    case schema::KeyKind::kEntry:
      if (auto entry = schema::EntryRecord::Decode(value)) {
        return fmt::format("inode {} type {:o} \"{}\"", entry->ino, entry->type, fs::Printable(entry->name));
      }
      break;
    case schema::KeyKind::kXattr:
      if (auto bytes = schema::DecodeXattr(value)) return fmt::format("\"{}\"", fs::Printable(*bytes));
      break;
    case schema::KeyKind::kOrphan:
      if (schema::DecodeMark(value)) return "orphan";
      break;
    case schema::KeyKind::kPromise:
      if (schema::DecodeMark(value)) return "has preallocated blocks";
      break;
  }
  return "malformed " + Hex(value);
}

// False when the limit was reached.
bool DumpFamily(lsm::Db& db, lsm::FamilyId family, const KeyDumpOptions& options, uint64_t* left,
                const std::function<void(const std::string&)>& line, lsm::Status* status) {
  lsm::ReadOptions read;
  read.fill_cache = false;
  if (!options.prefix.empty()) read.lower_bound = options.prefix;
  auto iterator = db.NewIterator(read, family);
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    if (!iterator->key().starts_with(options.prefix)) break;
    if (options.limit != 0 && (*left)-- == 0) return false;
    line(fmt::format("{} {} = {}", FamilyName(family), DescribeKey(family, iterator->key()),
                     DescribeValue(family, iterator->key(), iterator->value())));
  }
  *status = iterator->status();
  return status->ok();
}

}  // namespace

std::string FamilyName(lsm::FamilyId family) {
  if (family == schema::kMeta) return "meta";
  if (family == schema::kData) return "data";
  return fmt::format("family{}", family);
}

std::string DescribeKey(lsm::FamilyId family, std::string_view key) {
  if (family == schema::kData) {
    auto parts = schema::ParseDataKey(key);
    return parts ? fmt::format("{} block {}", parts->ino, parts->block) : Hex(key);
  }
  auto parsed = family == schema::kMeta ? schema::ParseMetaKey(key) : std::nullopt;
  if (!parsed) return Hex(key);
  char letter = static_cast<char>(parsed->kind);
  switch (parsed->kind) {
    case schema::KeyKind::kSuperblock:
      return std::string(1, letter);
    case schema::KeyKind::kEntry:
      return fmt::format("{} {} {}", letter, parsed->ino, parsed->entry_id);
    case schema::KeyKind::kName:
    case schema::KeyKind::kXattr:
      return fmt::format("{} {} \"{}\"", letter, parsed->ino, fs::Printable(parsed->name));
    case schema::KeyKind::kInode:
    case schema::KeyKind::kOrphan:
    case schema::KeyKind::kPromise:
      break;
  }
  return fmt::format("{} {}", letter, parsed->ino);
}

std::string DescribeValue(lsm::FamilyId family, std::string_view key, std::string_view value) {
  if (family == schema::kData) return fmt::format("{} bytes", value.size());
  auto parsed = family == schema::kMeta ? schema::ParseMetaKey(key) : std::nullopt;
  return parsed ? DescribeMetaValue(parsed->kind, value) : Hex(value);
}

std::optional<std::string> ParseKeyPrefix(std::string_view text) {
  if (!text.starts_with("0x")) return std::string(text);
  text.remove_prefix(2);
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

lsm::Status DumpKeys(lsm::Db& db, const KeyDumpOptions& options, const std::function<void(const std::string&)>& line) {
  lsm::Status status;
  uint64_t left = options.limit;
  for (lsm::FamilyId family : {schema::kMeta, schema::kData}) {
    if (options.family >= 0 && options.family != family) continue;
    if (!DumpFamily(db, family, options, &left, line, &status)) break;
  }
  return status;
}

}  // namespace silt::mount
