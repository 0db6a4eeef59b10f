// statx(2): what stat(2) shows, and when the file was made.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mount/fuse_reply.h"

namespace silt::mount {

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)

namespace {

statx_timestamp ToTimestamp(const fs::Time& time) {
  statx_timestamp out{};
  out.tv_sec = time.seconds;
  out.tv_nsec = time.nanoseconds;
  return out;
}

}  // namespace

void Statx(fuse_req_t request, fuse_ino_t ino, int /*flags*/, int /*mask*/, fuse_file_info* /*info*/) {
  fs::Result<fs::Attributes> found = Begin(request, Request::kStatx).GetAttributes(ino);
  if (!found) {
    fuse_reply_err(request, found.error().value());
    return;
  }
  const fs::Attributes& attributes = *found;
  struct statx st {};
  st.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  st.stx_blksize = attributes.block_size;
  st.stx_nlink = attributes.nlink;
  st.stx_uid = attributes.uid;
  st.stx_gid = attributes.gid;
  st.stx_mode = static_cast<uint16_t>(attributes.mode);
  st.stx_ino = attributes.ino;
  st.stx_size = attributes.size;
  st.stx_blocks = attributes.blocks;
  st.stx_rdev_major = gnu_dev_major(attributes.rdev);
  st.stx_rdev_minor = gnu_dev_minor(attributes.rdev);
  st.stx_atime = ToTimestamp(attributes.atime);
  st.stx_btime = ToTimestamp(attributes.btime);
  st.stx_ctime = ToTimestamp(attributes.ctime);
  st.stx_mtime = ToTimestamp(attributes.mtime);
  fuse_reply_statx(request, 0, &st, kForever);
}

#endif

}  // namespace silt::mount
