// Listings.
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "mount/fuse_reply.h"
#include "mount/readdir_offset.h"

namespace silt::mount {
namespace {

// The bytes of one READDIR or READDIRPLUS reply. Add... returns false when the entry does not fit.
class Listing {
 public:
  Listing(fuse_req_t request, size_t size, bool plus)
      : request_(request), size_(size), plus_(plus), buffer_(std::make_unique_for_overwrite<char[]>(size)) {}

  // An entry that the kernel learns nothing about but type and number ("." and ".." also in READDIRPLUS).
  bool AddBare(std::string_view name, fs::InodeNumber ino, uint32_t type, off_t next) {
    fuse_entry_param entry{};
    entry.attr.st_ino = ino;
    entry.attr.st_mode = type;
    return Append(name, entry, next);
  }

  // REQUIRES: plus. The kernel counts a lookup of what was added.
  bool AddWithAttributes(std::string_view name, const fs::Attributes& attributes, off_t next) {
    if (!Append(name, ToEntry(attributes), next)) return false;
    Telling(request_, attributes);
    counted_.push_back(attributes.ino);
    return true;
  }

  // Entries that were counted are given back when the reply does not arrive.
  void Reply(fs::Filesystem& filesystem, const fs::Outcome& outcome) {
    // What was listed before an error is given first; the error comes again when the listing goes on.
    int failed = !outcome && used_ == 0 ? fuse_reply_err(request_, outcome.error().value())
                                        : fuse_reply_buf(request_, buffer_.get(), used_);
    if (failed == 0) return;
    for (fs::InodeNumber ino : counted_) filesystem.Forget(ino, 1);
  }

 private:
  bool Append(std::string_view name, const fuse_entry_param& entry, off_t next) {
    char terminated[fs::kMaxNameBytes + 1];
    if (name.size() > fs::kMaxNameBytes) return true;  // cannot be: the filesystem takes no longer names
    std::memcpy(terminated, name.data(), name.size());
    terminated[name.size()] = '\0';
    char* at = buffer_.get() + used_;
    size_t left = size_ - used_;
    size_t needed = plus_ ? fuse_add_direntry_plus(request_, at, left, terminated, &entry, next)
                          : fuse_add_direntry(request_, at, left, terminated, &entry.attr, next);
    if (needed > left) return false;
    used_ += needed;
    return true;
  }

  fuse_req_t request_;
  size_t size_;
  bool plus_;
  size_t used_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::vector<fs::InodeNumber> counted_;
};

// False when the buffer is full.
bool AddDots(fs::Filesystem& filesystem, fuse_ino_t ino, off_t offset, Listing* listing) {
  if (offset < kAfterDot && !listing->AddBare(".", ino, S_IFDIR, kAfterDot)) return false;
  if (offset >= kAfterDotDot) return true;
  fs::Result<fs::InodeNumber> parent = filesystem.Parent(ino);
  return listing->AddBare("..", parent.value_or(ino), S_IFDIR, kAfterDotDot);
}

}  // namespace

// ENOSYS: the kernel opens directories by itself from now on, and keeps listings until it changes the directory. Where
// atimes are kept, as with files.
void Opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  Begin(request, Request::kOpendir);
  const fs::AtimeRule rule = OptionsOf(request).directory_atime;
  if (rule == fs::AtimeRule::kNever) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  RememberNoAtime(info);
  info->keep_cache = info->cache_readdir = !MovesAtime(request, ino, *info, rule);
  fuse_reply_open(request, info);
}

void Readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  fs::Filesystem& filesystem = Begin(request, Request::kReaddir);
  MoveAtime(request, ino, *info, OptionsOf(request).directory_atime);
  Listing listing(request, size, /*plus=*/false);
  fs::Outcome outcome;
  if (AddDots(filesystem, ino, offset, &listing)) {
    outcome = filesystem.ReadDirectory(ino, CookieAt(offset), [&](const fs::DirectoryEntry& entry) {
      return listing.AddBare(entry.name, entry.ino, entry.type, OffsetAfter(entry.cookie));
    });
  }
  listing.Reply(filesystem, outcome);
}

void Readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info) {
  fs::Filesystem& filesystem = Begin(request, Request::kReaddirplus);
  AttributeAnswers::Answering answering(&AnswersOf(request));
  MoveAtime(request, ino, *info, OptionsOf(request).directory_atime);
  Listing listing(request, size, /*plus=*/true);
  fs::Outcome outcome;
  if (AddDots(filesystem, ino, offset, &listing)) {
    outcome = filesystem.ReadDirectoryPlus(
        ino, CookieAt(offset), [&](const fs::DirectoryEntry& entry, const fs::Attributes& attributes) {
          // Nothing to tell but the number: with 0 the C library would take the entry for a deleted one.
          if (attributes.ino == 0) return listing.AddBare(entry.name, entry.ino, entry.type, OffsetAfter(entry.cookie));
          return listing.AddWithAttributes(entry.name, attributes, OffsetAfter(entry.cookie));
        });
  }
  listing.Reply(filesystem, outcome);
}

void Fsyncdir(fuse_req_t request, fuse_ino_t /*ino*/, int /*datasync*/, fuse_file_info* /*info*/) {
  ReplySynced(request, Begin(request, Request::kFsyncdir));
}

}  // namespace silt::mount
