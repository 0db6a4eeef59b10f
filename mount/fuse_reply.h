// Internal to the adapter: counting a request on its way in, and the replies.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "mount/fuse_adapter.h"

namespace silt::mount {

inline fs::Filesystem& Begin(fuse_req_t request, Request kind) {
  auto* adapter = static_cast<Adapter*>(fuse_req_userdata(request));
  adapter->counters().Count(kind);
  return adapter->filesystem();
}

inline const Adapter::Options& OptionsOf(fuse_req_t request) {
  return static_cast<Adapter*>(fuse_req_userdata(request))->options();
}

// -o dirsync and -o sync: what was changed is durable before anybody is told.
template <class Answer>
Answer Settle(fuse_req_t request, Answer answer) {
  auto* adapter = static_cast<Adapter*>(fuse_req_userdata(request));
  if (!answer || !adapter->dirsync()) return answer;
  if (auto synced = adapter->filesystem().SyncAll(); !synced) return tl::unexpected(synced.error());
  return answer;
}

// ---- attributes that the kernel was told (attribute_answers.h) ----

inline AttributeAnswers& AnswersOf(fuse_req_t request) {
  return static_cast<Adapter*>(fuse_req_userdata(request))->answers();
}

// Before the reply.
inline void Telling(fuse_req_t request, const fs::Attributes& attributes) {
  const int32_t thread = fuse_req_ctx(request)->pid;
  if (S_ISDIR(attributes.mode)) {
    AnswersOf(request).Told(attributes.ino, thread);
  } else {
    AnswersOf(request).ToldFile(attributes.ino, thread);
  }
}

// What the kernel was told of the inode before, and has perhaps not taken in yet, counts for nothing.
inline void TakeBackAttributes(fuse_req_t request, fuse_ino_t ino) {
  fuse_session* session = static_cast<Adapter*>(fuse_req_userdata(request))->session();
  if (session != nullptr) (void)fuse_lowlevel_notify_inval_inode(session, ino, -1, 0);  // ENOENT: not known, as well
}

// After a change within the directory, before its reply. Changes but these and renames count the version up themselves.
template <class Answer>
Answer Within(fuse_req_t request, fuse_ino_t directory, Answer answer) {
  if (answer && AnswersOf(request).MayBeOnTheWay(directory, fuse_req_ctx(request)->pid)) {
    TakeBackAttributes(request, directory);
  }
  return answer;
}

// After a rename, before its reply.
inline void MovedInode(fuse_req_t request, fs::InodeNumber ino) {
  if (ino == 0) return;
  const int32_t thread = fuse_req_ctx(request)->pid;
  AttributeAnswers& answers = AnswersOf(request);
  // Of which kind it is nobody says: a directory is in the one record, a file in the other.
  const bool directory = answers.MayBeOnTheWay(ino, thread);
  if (directory || answers.FileMayBeOnTheWay(ino, thread)) TakeBackAttributes(request, ino);
}

// ---- atimes, where reading is to move them (-o relatime, strictatime) ----

// O_NOATIME of open(2), for the reads of what was opened: READDIR says nothing of flags.
inline void RememberNoAtime(fuse_file_info* info) {
  info->fh = static_cast<uint64_t>(info->flags) & O_NOATIME;
}

inline bool KeepsAtime(fuse_req_t request, const fuse_file_info& info, fs::AtimeRule rule) {
  return rule != fs::AtimeRule::kNever && (info.fh & O_NOATIME) == 0 &&
         static_cast<Adapter*>(fuse_req_userdata(request))->atimes_kept();
}

// Whether reading what is opened here would move it.
inline bool MovesAtime(fuse_req_t request, fuse_ino_t ino, const fuse_file_info& info, fs::AtimeRule rule) {
  if (!KeepsAtime(request, info, rule)) return false;
  return static_cast<Adapter*>(fuse_req_userdata(request))->filesystem().AtimeIsDue(ino, rule);
}

// Before the reply: with it the kernel drops the atime that it knew.
inline void MoveAtime(fuse_req_t request, fuse_ino_t ino, const fuse_file_info& info, fs::AtimeRule rule) {
  if (!KeepsAtime(request, info, rule)) return;
  static_cast<Adapter*>(fuse_req_userdata(request))->filesystem().Accessed(ino, rule);
}

inline fs::Caller CallerOf(fuse_req_t request) {
  const fuse_ctx* context = fuse_req_ctx(request);
  return {.uid = static_cast<uint32_t>(context->uid),
          .gid = static_cast<uint32_t>(context->gid),
          .umask = static_cast<uint32_t>(context->umask)};
}

fuse_entry_param ToEntry(const fs::Attributes& attributes);

void ReplyOutcome(fuse_req_t request, const fs::Outcome& outcome);
// Syncs, unless that was done before (RawRequest::synced).
void ReplySynced(fuse_req_t request, fs::Filesystem& filesystem);
void ReplyAttributes(fuse_req_t request, const fs::Result<fs::Attributes>& result);
// Gives the reference back when the reply does not arrive.
void ReplyEntry(fuse_req_t request, fs::Filesystem& filesystem, const fs::Result<fs::Attributes>& result);

// fuse_ops_names.cc
void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name);
void Forget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups);
void ForgetMulti(fuse_req_t request, size_t count, fuse_forget_data* forgets);
void Mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev);
void Mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode);
void Symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name);
void Readlink(fuse_req_t request, fuse_ino_t ino);
void Link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name);
void Unlink(fuse_req_t request, fuse_ino_t parent, const char* name);
void Rmdir(fuse_req_t request, fuse_ino_t parent, const char* name);
void Rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
            unsigned int flags);
void Create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info);

// fuse_ops_directory.cc
void Opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void Readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void Readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void Fsyncdir(fuse_req_t request, fuse_ino_t ino, int datasync, fuse_file_info* info);

// fuse_ops_data.cc
void Open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void Flush(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void Read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, fuse_file_info* info);
void Write(fuse_req_t request, fuse_ino_t ino, const char* data, size_t size, off_t offset, fuse_file_info* info);
void Fsync(fuse_req_t request, fuse_ino_t ino, int datasync, fuse_file_info* info);
void Fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, fuse_file_info* info);
void Lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info* info);
void CopyFileRange(fuse_req_t request, fuse_ino_t from, off_t from_offset, fuse_file_info* from_info, fuse_ino_t to,
                   off_t to_offset, fuse_file_info* to_info, size_t length, int flags);

// fuse_ops_attributes.cc
void Getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info);
void Setattr(fuse_req_t request, fuse_ino_t ino, struct stat* attributes, int valid, fuse_file_info* info);
void Access(fuse_req_t request, fuse_ino_t ino, int mask);
void Statfs(fuse_req_t request, fuse_ino_t ino);
void Setxattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value, size_t size, int flags);
void Getxattr(fuse_req_t request, fuse_ino_t ino, const char* name, size_t size);
void Listxattr(fuse_req_t request, fuse_ino_t ino, size_t size);
void Removexattr(fuse_req_t request, fuse_ino_t ino, const char* name);
void Ioctl(fuse_req_t request, fuse_ino_t ino, unsigned int command, void* argument, fuse_file_info* info,
           unsigned flags, const void* in, size_t in_size, size_t out_size);

// fuse_ops_statx.cc; called by Getattr
void Statx(fuse_req_t request, fuse_ino_t ino);
void ReplyStatx(fuse_req_t request, const fs::Attributes& attributes);

}  // namespace silt::mount
