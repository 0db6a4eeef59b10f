// Every key and record of a store, in one place. fs/FORMAT.md describes them byte by byte and lists the invariants.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/filesystem.h"
#include "lsm/options.h"
#include "lsm/types.h"

namespace silt::fs::schema {

inline constexpr lsm::FamilyId kMeta = 0;
inline constexpr lsm::FamilyId kData = 1;

inline constexpr uint32_t kFormatVersion = 2;  // 1 did not count preallocated blocks
inline constexpr uint8_t kRecordVersion = 1;   // the first byte of every record of the meta family
inline constexpr uint32_t kMinBlockSize = 4096;
inline constexpr uint32_t kMaxBlockSize = 65536;
inline constexpr uint64_t kMaxFileSize = INT64_MAX;
inline constexpr size_t kMaxXattrNameBytes = 255;
inline constexpr size_t kMaxXattrValueBytes = 65536;

// Inode numbers and entry ids come from one counter. What lies below (apart from the root) is never given out, so that
// readdir cookies have small numbers to spare for "." and "..".
inline constexpr uint64_t kFirstNumber = 16;
// Cookies are signed offsets for the kernel.
inline constexpr uint64_t kLastNumber = INT64_MAX;

// ---- Keys ----

enum class KeyKind : char {
  kEntry = 'E',       // directory, entry id -> EntryRecord
  kInode = 'I',       // inode -> InodeRecord
  kName = 'N',        // directory, name -> NameRecord
  kOrphan = 'O',      // inode -> OrphanRecord
  kPromise = 'P',     // inode with preallocated blocks that are not written yet -> nothing but a version
  kSuperblock = 'S',  // -> SuperblockRecord
  kXattr = 'X',       // inode, name -> xattr value
};

std::string SuperblockKey();
std::string InodeKey(InodeNumber ino);
std::string NameKey(InodeNumber directory, std::string_view name);
std::string EntryKey(InodeNumber directory, uint64_t entry_id);
std::string XattrKey(InodeNumber ino, std::string_view name);
std::string OrphanKey(InodeNumber ino);
std::string PromiseKey(InodeNumber ino);
std::string DataKey(InodeNumber ino, uint64_t block);

// begin <= key < end.
struct KeyRange {
  std::string begin;
  std::string end;
};
KeyRange AllOf(KeyKind kind);                                                 // of the meta family
KeyRange NamesOf(InodeNumber directory);                                      // N keys
KeyRange EntriesOf(InodeNumber directory);                                    // E keys
KeyRange XattrsOf(InodeNumber ino);                                           // X keys
KeyRange BlocksOf(InodeNumber ino);                                           // data keys, every block
KeyRange BlocksFrom(InodeNumber ino, uint64_t first);                         // first and all after it
KeyRange BlocksBetween(InodeNumber ino, uint64_t first, uint64_t last_excl);  // first <= block < last_excl

// A key of the meta family, taken apart. Fields that its kind does not have are 0 or empty.
struct MetaKey {
  KeyKind kind = KeyKind::kSuperblock;
  InodeNumber ino = 0;    // of the directory for names and entries
  uint64_t entry_id = 0;  // entries
  std::string_view name;  // names and xattrs; points into the key
};
// nullopt: no key that this format knows (wrong letter or length, name empty or too long).
std::optional<MetaKey> ParseMetaKey(std::string_view key);

struct DataKeyParts {
  InodeNumber ino = 0;
  uint64_t block = 0;
};
std::optional<DataKeyParts> ParseDataKey(std::string_view key);

// ---- Records. Decode returns nullopt for anything that Encode cannot have written. ----

struct SuperblockRecord {
  std::array<uint8_t, 16> uuid{};
  uint32_t format_version = kFormatVersion;
  uint32_t block_size = kMinBlockSize;
  lsm::Compression compression = lsm::Compression::kSnappy;
  // Features that an older program may ignore; may read but not write; must not open.
  uint64_t features_compatible = 0;
  uint64_t features_read_only = 0;
  uint64_t features_incompatible = 0;
  uint64_t next_number = kFirstNumber;  // high-water mark: every inode number and entry id in use is below it

  std::string Encode() const;
  // A record of a newer format decodes as far as format_version, everything else is left at its default.
  static std::optional<SuperblockRecord> Decode(std::string_view in);
};
std::string FormatUuid(const std::array<uint8_t, 16>& uuid);

// Bits of InodeRecord::flags. Each may be set without cause (it then costs time), never missing where it holds.
inline constexpr uint32_t kDirectoryWasLarge = 1u
                                               << 0;   // had more than kLargeDirectory entries since it was last empty
inline constexpr uint32_t kBlocksBeyondEnd = 1u << 1;  // preallocated: has data keys at or behind ceil(size / block)
inline constexpr uint32_t kHasXattrs = 1u << 2;        // has X keys
inline constexpr uint32_t kHadZeroBlocks = 1u << 3;    // of format 1: means nothing any more
inline constexpr uint32_t kCountsPromised = 1u << 4;   // in records only: InodeRecord::promised is not 0 and follows
inline constexpr uint32_t kKnownInodeFlags = kDirectoryWasLarge | kBlocksBeyondEnd | kHasXattrs;
inline constexpr uint64_t kLargeDirectory = 1000;

struct InodeRecord {
  uint32_t mode = 0;  // type and permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t nlink = 0;  // directories: 2 + subdirectories; 0: orphan
  uint32_t flags = 0;
  uint64_t size = 0;      // bytes; regular files only (0 for others, a symlink's is its target's)
  uint64_t blocks = 0;    // data keys of this inode; regular files only
  uint64_t promised = 0;  // those of them with empty values: preallocated, not written yet
  Time atime, mtime, ctime, btime;
  uint64_t rdev = 0;       // character and block devices only
  InodeNumber parent = 0;  // directories only; the root's is itself
  uint64_t entries = 0;    // directories only: number of E keys (and of N keys)
  std::string target;      // symlinks only

  bool IsDirectory() const { return S_ISDIR(mode); }
  bool IsRegular() const { return S_ISREG(mode); }
  bool IsSymlink() const { return S_ISLNK(mode); }
  bool IsDevice() const { return S_ISCHR(mode) || S_ISBLK(mode); }

  std::string Encode() const;
  static std::optional<InodeRecord> Decode(std::string_view in);
};

// Value of an N key.
struct NameRecord {
  uint64_t entry_id = 0;
  InodeNumber ino = 0;
  uint32_t type = 0;  // S_IFMT bits of the inode

  std::string Encode() const;
  static std::optional<NameRecord> Decode(std::string_view in);
};

// Value of an E key.
struct EntryRecord {
  InodeNumber ino = 0;
  uint32_t type = 0;      // S_IFMT bits of the inode
  std::string_view name;  // decoded: points into the input

  std::string Encode() const;
  static std::optional<EntryRecord> Decode(std::string_view in);
};

// Value of an O or a P key: nothing but its version.
std::string EncodeMark();
bool DecodeMark(std::string_view in);

// Value of an X key: the version, then the bytes as they are. The decoded view points into the input.
std::string XattrHead();  // what stands before the bytes
std::optional<std::string_view> DecodeXattr(std::string_view in);

// ---- Data blocks: the block's bytes without its trailing zeros. ----

// What stands for a block that zeros were written to: one of them, since an empty value is a block that was only
// preallocated, and a missing key is a hole.
inline constexpr std::string_view kWrittenZeros("\0", 1);
std::string_view TrimZeros(std::string_view block);
// The value of a block with these bytes.
std::string_view BlockValue(std::string_view block);

// True for the S_IFMT bits that an inode may have.
bool ValidType(uint32_t type);

}  // namespace silt::fs::schema
