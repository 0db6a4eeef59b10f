// How many requests of each kind the kernel has sent.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace silt::mount {

// X(enumerator, name in statistics)
#define SILT_REQUESTS(X)                                                                                              \
  X(kLookup, "lookup")                                                                                                \
  X(kForget, "forget") X(kGetattr, "getattr") X(kSetattr, "setattr") X(kReadlink, "readlink") X(kMknod, "mknod")      \
      X(kMkdir, "mkdir") X(kUnlink, "unlink") X(kRmdir, "rmdir") X(kSymlink, "symlink") X(kRename, "rename")          \
          X(kLink, "link") X(kOpen, "open") X(kRead, "read") X(kWrite, "write") X(kFlush, "flush") X(kFsync, "fsync") \
              X(kOpendir, "opendir") X(kReaddir, "readdir") X(kReaddirplus, "readdirplus") X(kFsyncdir, "fsyncdir")   \
                  X(kStatfs, "statfs") X(kSetxattr, "setxattr") X(kGetxattr, "getxattr") X(kListxattr, "listxattr")   \
                      X(kRemovexattr, "removexattr") X(kAccess, "access") X(kCreate, "create") X(kTmpfile, "tmpfile")                        \
                          X(kFallocate, "fallocate") X(kCopyFileRange, "copy_file_range") X(kLseek, "lseek")          \
                              X(kIoctl, "ioctl") X(kStatx, "statx")

enum class Request : uint8_t {
#define SILT_ENUMERATOR(enumerator, name) enumerator,
  SILT_REQUESTS(SILT_ENUMERATOR)
#undef SILT_ENUMERATOR
};

inline constexpr std::string_view kRequestNames[] = {
#define SILT_NAME(enumerator, name) name,
    SILT_REQUESTS(SILT_NAME)
#undef SILT_NAME
};
inline constexpr size_t kRequestKinds = std::size(kRequestNames);

// Thread-safe.
class RequestCounters {
 public:
  void Count(Request kind) { counts_[static_cast<size_t>(kind)].fetch_add(1, std::memory_order_relaxed); }
  uint64_t Get(size_t kind) const { return counts_[kind].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, kRequestKinds> counts_{};
};

}  // namespace silt::mount
