// What is agreed with the kernel when a mount begins, in one place. What it saves: mount/README.md.
#include <linux/fuse.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "mount/fuse_adapter.h"
#include "mount/raw_request.h"

namespace silt::mount {
namespace {

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

constexpr unsigned kMaxBackground = 64;  // readahead and asynchronous direct requests in flight

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
void Want(fuse_conn_info* connection, uint64_t flag) {
  fuse_set_feature_flag(connection, flag);
}
void Refuse(fuse_conn_info* connection, uint64_t flag) {
  fuse_unset_feature_flag(connection, flag);
}
#else
void Want(fuse_conn_info* connection, unsigned flag) {
  connection->want |= connection->capable & flag;
}
void Refuse(fuse_conn_info* connection, unsigned flag) {
  connection->want &= ~flag;
}
#endif

void WantWhatSavesRequests(fuse_conn_info* connection) {
  Want(connection, FUSE_CAP_ASYNC_READ);
  Want(connection, FUSE_CAP_ASYNC_DIO);
  Want(connection, FUSE_CAP_PARALLEL_DIROPS);
  Want(connection, FUSE_CAP_CACHE_SYMLINKS);
  // Every change comes through this kernel, so cached pages never go stale by themselves.
  Want(connection, FUSE_CAP_EXPLICIT_INVAL_DATA);
  Refuse(connection, FUSE_CAP_AUTO_INVAL_DATA);
  // AUTO falls back to plain READDIR for listings that nobody stats at once, and `ls -l` then looks up each file.
  Want(connection, FUSE_CAP_READDIRPLUS);
  Refuse(connection, FUSE_CAP_READDIRPLUS_AUTO);
}

void RefuseWhatBreaks(fuse_conn_info* connection) {
  // open answers ENOSYS, so the kernel must truncate by itself: with ATOMIC_O_TRUNC it would rely on open and the
  // truncation would be lost.
  Refuse(connection, FUSE_CAP_ATOMIC_O_TRUNC);
  // Version 1 clears suid and sgid also for those who may leave them standing.
  Refuse(connection, FUSE_CAP_HANDLE_KILLPRIV);
  // Splicing gained nothing where it was measured.
  Refuse(connection, FUSE_CAP_SPLICE_READ);
  Refuse(connection, FUSE_CAP_SPLICE_WRITE);
  Refuse(connection, FUSE_CAP_SPLICE_MOVE);
  // Locks stay in the kernel.
  Refuse(connection, FUSE_CAP_POSIX_LOCKS);
  Refuse(connection, FUSE_CAP_FLOCK_LOCKS);
  Refuse(connection, FUSE_CAP_IOCTL_DIR);
}

// With ACLs the kernel leaves the umask to the filesystem, since a directory's default ACL takes its place.
void SetAcls(fuse_conn_info* connection, bool acl) {
  if (acl) {
    Want(connection, FUSE_CAP_POSIX_ACL);
    Want(connection, FUSE_CAP_DONT_MASK);
  } else {
    Refuse(connection, FUSE_CAP_POSIX_ACL);
    Refuse(connection, FUSE_CAP_DONT_MASK);
  }
}

// The filesystem drops suid, sgid and file capabilities on write, truncate and chown, so that the kernel need not ask
// for security.capability before each write.
void WantKillPriv([[maybe_unused]] fuse_conn_info* connection) {
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
  Want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
#else
  RawRequest* init = RawRequest::Current();
  init->AcceptAlso(init->OfferedByKernel() & FUSE_HANDLE_KILLPRIV_V2);
#endif
}

// The process serves the kernel's writeback: it must not wait for memory that writing back would free.
void PrepareProcess() {
  ::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);  // root only; a mount without it is merely less robust when memory is short
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

}  // namespace

void InitConnection(void* userdata, fuse_conn_info* connection) {
  auto* adapter = static_cast<Adapter*>(userdata);
  WantWhatSavesRequests(connection);
  RefuseWhatBreaks(connection);
  WantKillPriv(connection);
  // Handles of name_to_handle_at(2) and NFS: the kernel finds by number what it has forgotten.
  Want(connection, FUSE_CAP_EXPORT_SUPPORT);
  SetAcls(connection, adapter->options().acl);
  if (adapter->options().writeback) {
    Want(connection, FUSE_CAP_WRITEBACK_CACHE);
  } else {
    Refuse(connection, FUSE_CAP_WRITEBACK_CACHE);
  }
  if (RawRequest* init = RawRequest::Current(); adapter->options().on_init) {
    init->AcceptAlso(adapter->options().on_init(init->OfferedByKernel()));
  }
  connection->max_write = kMaxWrite;
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kMaxBackground * 3 / 4;
  connection->time_gran = 1;
  PrepareProcess();
}

}  // namespace silt::mount
