// Names: lookup, create, link, rename, remove.
#include <cerrno>
#include <span>
#include <string_view>

#include "mount/fuse_reply.h"
#include "mount/newer_requests.h"
#include "mount/raw_request.h"

namespace silt::mount {

namespace {

// "." and ".." come only for handles (EXPORT_SUPPORT), and with any inode as their parent.
fs::Result<fs::Attributes> Find(fs::Filesystem& filesystem, fuse_ino_t parent, std::string_view name) {
  if (name == ".") return filesystem.LookupInode(parent);
  if (name != "..") return filesystem.Lookup(parent, name);
  fs::Result<fs::InodeNumber> up = filesystem.Parent(parent);
  return up ? filesystem.LookupInode(*up) : tl::unexpected(up.error());
}

}  // namespace

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fs::Filesystem& filesystem = Begin(request, Request::kLookup);
  AttributeAnswers::Answering answering(&AnswersOf(request));
  fs::Result<fs::Attributes> found = Find(filesystem, parent, name);
  if (found) Telling(request, *found);
  if (found || found.error().value() != ENOENT) {
    ReplyEntry(request, filesystem, found);
    return;
  }
  fuse_entry_param absent{};  // inode 0: the kernel remembers that the name is not there
  absent.entry_timeout = kForever;
  fuse_reply_entry(request, &absent);
}

void Forget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups) {
  Begin(request, Request::kForget).Forget(ino, lookups);
  fuse_reply_none(request);
}

void ForgetMulti(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  fs::Filesystem& filesystem = Begin(request, Request::kForget);
  for (const fuse_forget_data& forget : std::span(forgets, count)) filesystem.Forget(forget.ino, forget.nlookup);
  fuse_reply_none(request);
}

void Mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  fs::Filesystem& filesystem = Begin(request, Request::kMknod);
  uint32_t typed = (mode & S_IFMT) == 0 ? mode | S_IFREG : mode;
  ReplyEntry(
      request, filesystem,
      Within(request, parent, Settle(request, filesystem.MakeNode(CallerOf(request), parent, name, typed, rdev))));
}

void Mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  fs::Filesystem& filesystem = Begin(request, Request::kMkdir);
  ReplyEntry(request, filesystem,
             Within(request, parent, Settle(request, filesystem.MakeDirectory(CallerOf(request), parent, name, mode))));
}

void Symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  fs::Filesystem& filesystem = Begin(request, Request::kSymlink);
  ReplyEntry(request, filesystem,
             Within(request, parent, Settle(request, filesystem.MakeSymlink(CallerOf(request), parent, name, target))));
}

void Readlink(fuse_req_t request, fuse_ino_t ino) {
  fs::Result<std::string> target = Begin(request, Request::kReadlink).ReadSymlink(ino);
  if (target) {
    MoveAtime(request, ino, {}, OptionsOf(request).file_atime);
    fuse_reply_readlink(request, target->c_str());
  } else {
    fuse_reply_err(request, target.error().value());
  }
}

void Link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  fs::Filesystem& filesystem = Begin(request, Request::kLink);
  ReplyEntry(request, filesystem, Within(request, parent, Settle(request, filesystem.Link(ino, parent, name))));
}

void Unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  ReplyOutcome(request,
               Within(request, parent, Settle(request, Begin(request, Request::kUnlink).Unlink(parent, name))));
}

void Rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  ReplyOutcome(request,
               Within(request, parent, Settle(request, Begin(request, Request::kRmdir).RemoveDirectory(parent, name))));
}

void Rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned int flags) {
  fs::Filesystem& filesystem = Begin(request, Request::kRename);
  fs::Result<fs::Moved> moved =
      Settle(request, filesystem.Rename(CallerOf(request), parent, name, new_parent, new_name, flags));
  if (moved) {
    MovedInode(request, moved->ino);
    MovedInode(request, moved->exchanged);
  }
  if (new_parent != parent) moved = Within(request, new_parent, moved);
  moved = Within(request, parent, moved);
  ReplyOutcome(request, moved ? fs::Outcome{} : tl::unexpected(moved.error()));
}

namespace {

void ReplyCreated(fuse_req_t request, fuse_file_info* info, const fs::Result<fs::Attributes>& made) {
  if (!made) {
    fuse_reply_err(request, made.error().value());
    return;
  }
  info->keep_cache = 1;
  RememberNoAtime(info);
  fuse_entry_param entry = ToEntry(*made);
  if (fuse_reply_create(request, &entry, info) == 0) return;
  static_cast<Adapter*>(fuse_req_userdata(request))->filesystem().Forget(made->ino, 1);
}

}  // namespace

void Create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  if (RawRequest::Current()->opcode() == kTmpfileOpcode) {
    fs::Filesystem& filesystem = Begin(request, Request::kTmpfile);
    ReplyCreated(request, info, filesystem.MakeTemporary(CallerOf(request), parent, mode));
    return;
  }
  fs::Filesystem& filesystem = Begin(request, Request::kCreate);
  uint32_t regular = (mode & ~static_cast<mode_t>(S_IFMT)) | S_IFREG;
  ReplyCreated(
      request, info,
      Within(request, parent, Settle(request, filesystem.MakeNode(CallerOf(request), parent, name, regular, 0))));
}

}  // namespace silt::mount
