#include "fs/schema.h"

#include <bit>
#include <cstring>

#include "lsm/coding.h"

namespace silt::fs::schema {
namespace {

using lsm::GetFixed;
using lsm::GetLengthPrefixed;
using lsm::GetVarint32;
using lsm::GetVarint64;
using lsm::PutFixed;
using lsm::PutVarint64;

void AppendNumber(std::string* key, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key->push_back(static_cast<char>(number >> shift));
}

uint64_t ReadNumber(std::string_view key, size_t at) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<uint8_t>(key[at + i]);
  return number;
}

std::string MetaKeyOf(KeyKind kind, uint64_t number) {
  std::string key;
  key.push_back(static_cast<char>(kind));
  AppendNumber(&key, number);
  return key;
}

// The first key behind all that begin with `prefix`. REQUIRES: not all bytes are 0xff.
std::string Successor(std::string prefix) {
  while (static_cast<uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

KeyRange PrefixRange(KeyKind kind, uint64_t number) {
  std::string begin = MetaKeyOf(kind, number);
  std::string end = Successor(begin);
  return {std::move(begin), std::move(end)};
}

bool TakeVersion(std::string_view* in) {
  if (in->empty() || static_cast<uint8_t>(in->front()) != kRecordVersion) return false;
  in->remove_prefix(1);
  return true;
}

std::string NewRecord() {
  return std::string(1, static_cast<char>(kRecordVersion));
}

uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

void PutTime(std::string* out, const Time& time) {
  PutVarint64(out, ZigZag(time.seconds));
  PutVarint64(out, time.nanoseconds);
}

bool GetTime(std::string_view* in, Time* time) {
  uint64_t seconds = 0;
  if (!GetVarint64(in, &seconds) || !GetVarint32(in, &time->nanoseconds)) return false;
  time->seconds = UnZigZag(seconds);
  return time->nanoseconds < 1'000'000'000;
}

void PutType(std::string* out, uint32_t type) {
  out->push_back(static_cast<char>(type >> 12));
}

bool GetType(std::string_view* in, uint32_t* type) {
  if (in->empty()) return false;
  *type = static_cast<uint32_t>(static_cast<uint8_t>(in->front())) << 12;
  in->remove_prefix(1);
  return ValidType(*type);
}

bool ValidNumber(uint64_t number) {
  return number != 0 && number <= kLastNumber;
}

// Which of an inode's times are the same as its mtime and therefore left out; most files have one time for all four.
constexpr uint8_t kSameAtime = 1, kSameCtime = 2, kSameBtime = 4;

}  // namespace

bool ValidType(uint32_t type) {
  return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR || type == S_IFBLK ||
         type == S_IFIFO || type == S_IFSOCK;
}

std::string SuperblockKey() {
  return "S";
}
std::string InodeKey(InodeNumber ino) {
  return MetaKeyOf(KeyKind::kInode, ino);
}
std::string OrphanKey(InodeNumber ino) {
  return MetaKeyOf(KeyKind::kOrphan, ino);
}

std::string NameKey(InodeNumber directory, std::string_view name) {
  std::string key;
  key.reserve(9 + name.size());
  key.push_back(static_cast<char>(KeyKind::kName));
  AppendNumber(&key, directory);
  key.append(name);
  return key;
}

std::string EntryKey(InodeNumber directory, uint64_t entry_id) {
  std::string key;
  key.reserve(17);
  key.push_back(static_cast<char>(KeyKind::kEntry));
  AppendNumber(&key, directory);
  AppendNumber(&key, entry_id);
  return key;
}

std::string XattrKey(InodeNumber ino, std::string_view name) {
  std::string key = MetaKeyOf(KeyKind::kXattr, ino);
  key.append(name);
  return key;
}

std::string PromiseKey(InodeNumber ino) {
  return MetaKeyOf(KeyKind::kPromise, ino);
}

std::string DataKey(InodeNumber ino, uint64_t block) {
  std::string key;
  key.reserve(16);
  AppendNumber(&key, ino);
  AppendNumber(&key, block);
  return key;
}

KeyRange AllOf(KeyKind kind) {
  std::string begin(1, static_cast<char>(kind));
  std::string end = Successor(begin);
  return {std::move(begin), std::move(end)};
}

KeyRange NamesOf(InodeNumber directory) {
  return PrefixRange(KeyKind::kName, directory);
}
KeyRange EntriesOf(InodeNumber directory) {
  return PrefixRange(KeyKind::kEntry, directory);
}
KeyRange XattrsOf(InodeNumber ino) {
  return PrefixRange(KeyKind::kXattr, ino);
}
KeyRange BlocksOf(InodeNumber ino) {
  return BlocksFrom(ino, 0);
}
KeyRange BlocksFrom(InodeNumber ino, uint64_t first) {
  return {DataKey(ino, first), DataKey(ino + 1, 0)};
}
KeyRange BlocksBetween(InodeNumber ino, uint64_t first, uint64_t last_excl) {
  return {DataKey(ino, first), DataKey(ino, last_excl)};
}

std::optional<MetaKey> ParseMetaKey(std::string_view key) {
  if (key == "S") return MetaKey{};
  if (key.size() < 9) return std::nullopt;
  MetaKey parsed{.kind = static_cast<KeyKind>(key[0]), .ino = ReadNumber(key, 1), .entry_id = 0, .name = {}};
  if (!ValidNumber(parsed.ino)) return std::nullopt;
  std::string_view rest = key.substr(9);
  switch (parsed.kind) {
    case KeyKind::kInode:
    case KeyKind::kOrphan:
    case KeyKind::kPromise:
      return rest.empty() ? std::optional(parsed) : std::nullopt;
    case KeyKind::kEntry:
      if (rest.size() != 8) return std::nullopt;
      parsed.entry_id = ReadNumber(rest, 0);
      return ValidNumber(parsed.entry_id) ? std::optional(parsed) : std::nullopt;
    case KeyKind::kName:
    case KeyKind::kXattr:
      static_assert(kMaxNameBytes == kMaxXattrNameBytes);
      if (rest.empty() || rest.size() > kMaxNameBytes) return std::nullopt;
      parsed.name = rest;
      return parsed;
    case KeyKind::kSuperblock:
      break;
  }
  return std::nullopt;
}

std::optional<DataKeyParts> ParseDataKey(std::string_view key) {
  if (key.size() != 16) return std::nullopt;
  DataKeyParts parts{.ino = ReadNumber(key, 0), .block = ReadNumber(key, 8)};
  if (!ValidNumber(parts.ino) || parts.block > kMaxFileSize / kMinBlockSize) return std::nullopt;
  return parts;
}

std::string SuperblockRecord::Encode() const {
  std::string out = NewRecord();
  PutFixed<uint32_t>(&out, format_version);
  out.append(reinterpret_cast<const char*>(uuid.data()), uuid.size());
  PutFixed<uint32_t>(&out, block_size);
  PutFixed<uint8_t>(&out, static_cast<uint8_t>(compression));
  PutFixed<uint64_t>(&out, features_compatible);
  PutFixed<uint64_t>(&out, features_read_only);
  PutFixed<uint64_t>(&out, features_incompatible);
  PutFixed<uint64_t>(&out, next_number);
  return out;
}

std::optional<SuperblockRecord> SuperblockRecord::Decode(std::string_view in) {
  SuperblockRecord record;
  uint8_t version = 0;
  // The record version may be newer too: the format version behind it stays where it is, for ever.
  if (!GetFixed(&in, &version) || version == 0 || !GetFixed(&in, &record.format_version)) return std::nullopt;
  if (record.format_version == 0) return std::nullopt;
  if (record.format_version > kFormatVersion) return record;
  if (version != kRecordVersion || in.size() < record.uuid.size()) return std::nullopt;
  std::memcpy(record.uuid.data(), in.data(), record.uuid.size());
  in.remove_prefix(record.uuid.size());
  uint8_t compression = 0;
  if (!GetFixed(&in, &record.block_size) || !GetFixed(&in, &compression) ||
      !GetFixed(&in, &record.features_compatible) || !GetFixed(&in, &record.features_read_only) ||
      !GetFixed(&in, &record.features_incompatible) || !GetFixed(&in, &record.next_number) || !in.empty()) {
    return std::nullopt;
  }
  if (!std::has_single_bit(record.block_size) || record.block_size < kMinBlockSize ||
      record.block_size > kMaxBlockSize || compression > static_cast<uint8_t>(lsm::Compression::kZstd) ||
      record.next_number < kFirstNumber || record.next_number > kLastNumber) {
    return std::nullopt;
  }
  record.compression = static_cast<lsm::Compression>(compression);
  return record;
}

std::string FormatUuid(const std::array<uint8_t, 16>& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    out.push_back(kDigits[uuid[i] >> 4]);
    out.push_back(kDigits[uuid[i] & 15]);
  }
  return out;
}

std::string InodeRecord::Encode() const {
  std::string out = NewRecord();
  out.reserve(64 + target.size());
  PutVarint64(&out, mode);
  PutVarint64(&out, uid);
  PutVarint64(&out, gid);
  PutVarint64(&out, nlink);
  PutVarint64(&out, flags | (promised != 0 ? kCountsPromised : 0));
  uint8_t same = static_cast<uint8_t>((atime == mtime ? kSameAtime : 0) | (ctime == mtime ? kSameCtime : 0) |
                                      (btime == mtime ? kSameBtime : 0));
  out.push_back(static_cast<char>(same));
  PutTime(&out, mtime);
  if (!(same & kSameAtime)) PutTime(&out, atime);
  if (!(same & kSameCtime)) PutTime(&out, ctime);
  if (!(same & kSameBtime)) PutTime(&out, btime);
  if (IsRegular()) {
    PutVarint64(&out, size);
    PutVarint64(&out, blocks);
    if (promised != 0) PutVarint64(&out, promised);
  } else if (IsDirectory()) {
    PutVarint64(&out, parent);
    PutVarint64(&out, entries);
  } else if (IsSymlink()) {
    out.append(target);
  } else if (IsDevice()) {
    PutVarint64(&out, rdev);
  }
  return out;
}

namespace {

bool DecodeFile(std::string_view* in, bool counts_promised, InodeRecord* record) {
  if (!GetVarint64(in, &record->size) || !GetVarint64(in, &record->blocks)) return false;
  if (record->size > kMaxFileSize || record->blocks > kMaxFileSize / kMinBlockSize + 1) return false;
  if (!counts_promised) return true;
  return GetVarint64(in, &record->promised) && record->promised != 0 && record->promised <= record->blocks;
}

// What stands in an inode record behind the part that all types share.
bool DecodeByType(std::string_view in, bool counts_promised, InodeRecord* record) {
  if (record->IsSymlink()) {
    if (in.empty() || in.size() > kMaxSymlinkBytes) return false;
    record->target = in;
    return true;
  }
  if (record->IsRegular()) {
    if (!DecodeFile(&in, counts_promised, record)) return false;
  } else if (record->IsDirectory()) {
    if (!GetVarint64(&in, &record->parent) || !GetVarint64(&in, &record->entries)) return false;
    if (!ValidNumber(record->parent)) return false;
  } else if (record->IsDevice()) {
    if (!GetVarint64(&in, &record->rdev)) return false;
  }
  return in.empty();
}

}  // namespace

std::optional<InodeRecord> InodeRecord::Decode(std::string_view in) {
  InodeRecord record;
  if (!TakeVersion(&in)) return std::nullopt;
  uint8_t same = 0;
  if (!GetVarint32(&in, &record.mode) || !GetVarint32(&in, &record.uid) || !GetVarint32(&in, &record.gid) ||
      !GetVarint32(&in, &record.nlink) || !GetVarint32(&in, &record.flags) || !GetFixed(&in, &same)) {
    return std::nullopt;
  }
  if (!ValidType(record.mode & S_IFMT) || (record.mode & ~(S_IFMT | 07777u)) != 0) return std::nullopt;
  const bool counts_promised = (record.flags & kCountsPromised) != 0;
  record.flags &= ~(kCountsPromised | kHadZeroBlocks);
  if ((record.flags & ~kKnownInodeFlags) != 0 || same > 7) return std::nullopt;
  if (counts_promised && !record.IsRegular()) return std::nullopt;
  if (!GetTime(&in, &record.mtime)) return std::nullopt;
  record.atime = record.ctime = record.btime = record.mtime;
  if (!(same & kSameAtime) && !GetTime(&in, &record.atime)) return std::nullopt;
  if (!(same & kSameCtime) && !GetTime(&in, &record.ctime)) return std::nullopt;
  if (!(same & kSameBtime) && !GetTime(&in, &record.btime)) return std::nullopt;
  if (!DecodeByType(in, counts_promised, &record)) return std::nullopt;
  return record;
}

std::string NameRecord::Encode() const {
  std::string out = NewRecord();
  PutVarint64(&out, entry_id);
  PutVarint64(&out, ino);
  PutType(&out, type);
  return out;
}

std::optional<NameRecord> NameRecord::Decode(std::string_view in) {
  NameRecord record;
  if (!TakeVersion(&in) || !GetVarint64(&in, &record.entry_id) || !GetVarint64(&in, &record.ino) ||
      !GetType(&in, &record.type) || !in.empty() || !ValidNumber(record.entry_id) || !ValidNumber(record.ino)) {
    return std::nullopt;
  }
  return record;
}

std::string EntryRecord::Encode() const {
  std::string out = NewRecord();
  PutVarint64(&out, ino);
  PutType(&out, type);
  out.append(name);
  return out;
}

std::optional<EntryRecord> EntryRecord::Decode(std::string_view in) {
  EntryRecord record;
  if (!TakeVersion(&in) || !GetVarint64(&in, &record.ino) || !GetType(&in, &record.type) || !ValidNumber(record.ino) ||
      in.empty() || in.size() > kMaxNameBytes) {
    return std::nullopt;
  }
  record.name = in;
  return record;
}

std::string EncodeMark() {
  return NewRecord();
}
bool DecodeMark(std::string_view in) {
  return TakeVersion(&in) && in.empty();
}

std::string XattrHead() {
  return NewRecord();
}

std::optional<std::string_view> DecodeXattr(std::string_view in) {
  if (!TakeVersion(&in) || in.size() > kMaxXattrValueBytes) return std::nullopt;
  return in;
}

std::string_view BlockValue(std::string_view block) {
  std::string_view trimmed = TrimZeros(block);
  return trimmed.empty() ? kWrittenZeros : trimmed;
}

std::string_view TrimZeros(std::string_view block) {
  size_t length = block.size();
  while (length >= 8) {
    uint64_t word;
    std::memcpy(&word, block.data() + length - 8, 8);
    if (word != 0) break;
    length -= 8;
  }
  while (length > 0 && block[length - 1] == '\0') --length;
  return block.substr(0, length);
}

}  // namespace silt::fs::schema
