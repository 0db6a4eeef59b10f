#include "mount/observe/access_record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <linux/fuse.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "fs/filesystem.h"
#include "fs/printable.h"
#include "mount/observe/request_kind.h"

namespace silt::mount {
namespace {

// Takes a request apart from its front. What is missing reads as zero or as empty.
class Reader {
 public:
  explicit Reader(std::span<const char> bytes) : left_(bytes) {}

  template <class Struct>
  Struct Take() {
    Struct out{};
    std::memcpy(&out, left_.data(), std::min(sizeof(out), left_.size()));
    Skip(sizeof(out));
    return out;
  }
  void Skip(size_t bytes) { left_ = left_.subspan(std::min(bytes, left_.size())); }

  // Up to the next NUL, which goes too.
  std::string TakeName() {
    auto end = std::find(left_.begin(), left_.end(), '\0');
    std::string name(left_.begin(), left_.begin() + std::min<ptrdiff_t>(end - left_.begin(), fs::kMaxNameBytes));
    Skip(static_cast<size_t>(end - left_.begin()) + 1);
    return name;
  }

 private:
  std::span<const char> left_;
};

void SetRange(uint64_t offset, uint64_t size, AccessRecord* record) {
  record->ranged = true;
  record->offset = offset;
  record->size = size;
}

template <class Struct>
void SetRangeFrom(Reader* reader, AccessRecord* record) {
  auto argument = reader->Take<Struct>();
  SetRange(argument.offset, argument.size, record);
}

void DecodeArgument(uint32_t opcode, Reader reader, AccessRecord* record) {
  switch (opcode) {
    case FUSE_MKNOD:
      reader.Skip(sizeof(fuse_mknod_in));
      record->name = reader.TakeName();
      return;
    case FUSE_MKDIR:
      reader.Skip(sizeof(fuse_mkdir_in));
      record->name = reader.TakeName();
      return;
    case FUSE_CREATE:
      reader.Skip(sizeof(fuse_create_in));
      record->name = reader.TakeName();
      return;
    case FUSE_LOOKUP:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
      record->name = reader.TakeName();
      return;
    case FUSE_SYMLINK:
      record->name = reader.TakeName();
      record->detail = reader.TakeName();
      return;
    case FUSE_RENAME:
    case FUSE_RENAME2:
      record->other_inode = reader.Take<fuse_rename_in>().newdir;
      if (opcode == FUSE_RENAME2) reader.Skip(sizeof(fuse_rename2_in) - sizeof(fuse_rename_in));
      record->name = reader.TakeName();
      record->other_name = reader.TakeName();
      return;
    case FUSE_LINK:
      record->other_inode = reader.Take<fuse_link_in>().oldnodeid;
      record->name = reader.TakeName();
      return;
    case FUSE_SETXATTR:
      reader.Skip(FUSE_COMPAT_SETXATTR_IN_SIZE);
      record->detail = reader.TakeName();
      return;
    case FUSE_GETXATTR:
      reader.Skip(sizeof(fuse_getxattr_in));
      record->detail = reader.TakeName();
      return;
    case FUSE_REMOVEXATTR:
      record->detail = reader.TakeName();
      return;
    case FUSE_READ:
      return SetRangeFrom<fuse_read_in>(&reader, record);
    case FUSE_WRITE:
      return SetRangeFrom<fuse_write_in>(&reader, record);
    case FUSE_FALLOCATE: {
      auto argument = reader.Take<fuse_fallocate_in>();
      return SetRange(argument.offset, argument.length, record);
    }
    case FUSE_COPY_FILE_RANGE: {
      auto argument = reader.Take<fuse_copy_file_range_in>();
      record->other_inode = argument.nodeid_out;
      return SetRange(argument.off_in, argument.len, record);
    }
    default:
      return;
  }
}

std::string Join(std::string directory, std::string_view name) {
  if (!directory.ends_with('/')) directory += '/';
  return directory + std::string(name);
}

std::string ErrorName(const std::optional<int>& error) {
  if (!error) return "?";
  if (*error == 0) return "OK";
  const char* name = ::strerrorname_np(*error);
  return name != nullptr ? name : fmt::format("E{}", *error);
}

}  // namespace

std::optional<AccessRecord> DecodeAccess(std::span<const char> bytes) {
  if (bytes.size() < sizeof(fuse_in_header)) return std::nullopt;
  Reader reader(bytes);
  auto header = reader.Take<fuse_in_header>();
  std::optional<Request> kind = KindOf(header.opcode);
  if (!kind || *kind == Request::kForget) return std::nullopt;
  AccessRecord record;
  record.kind = *kind;
  record.inode = header.nodeid;
  record.uid = header.uid;
  record.gid = header.gid;
  record.pid = header.pid;
  DecodeArgument(header.opcode, reader, &record);
  return record;
}

std::string FormatAccess(const AccessRecord& record, const std::function<std::string(uint64_t inode)>& path_of) {
  std::string what = path_of(record.inode);
  if (!record.name.empty()) what = Join(what, record.name);
  const int64_t micros =
      std::chrono::duration_cast<std::chrono::microseconds>(record.when.time_since_epoch()).count();
  std::string line = fmt::format("{:%FT%T}.{:06}Z {} {}", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)),
                                 micros % 1'000'000, kRequestNames[static_cast<size_t>(record.kind)],
                                 fs::Printable(what));
  if (record.kind == Request::kLink) {
    line += fmt::format(" of {}", fs::Printable(path_of(record.other_inode)));
  } else if (record.other_inode != 0) {
    std::string other = path_of(record.other_inode);
    line += fmt::format(" to {}", fs::Printable(record.other_name.empty() ? other : Join(other, record.other_name)));
  }
  if (!record.detail.empty()) line += fmt::format(" ({})", fs::Printable(record.detail));
  if (record.ranged) line += fmt::format(" {}+{}", record.offset, record.size);
  line += fmt::format(" = {} {:.1f}us uid={} gid={} pid={}", ErrorName(record.error),
                      static_cast<double>(record.took.count()) / 1000, record.uid, record.gid, record.pid);
  return line;
}

}  // namespace silt::mount
