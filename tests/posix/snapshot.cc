#include "tests/posix/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

namespace silt::posix {
namespace {

constexpr size_t kMostContents = 1 << 20;  // of a file; scripts with larger ones look for themselves

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

std::string ReadContents(int fd, size_t size) {
  std::string contents(std::min(size, kMostContents), '\0');
  const ssize_t got = ::pread(fd, contents.data(), contents.size(), 0);
  if (got < 0) return fmt::format("cannot be read: {}", errno);
  contents.resize(static_cast<size_t>(got));
  return contents;
}

std::map<std::string, std::string> ReadXattrs(const std::string& path) {
  std::map<std::string, std::string> found;
  std::string names(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (std::string_view rest(names.data(), size > 0 ? static_cast<size_t>(size) : 0); !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(name.size() + 1);
    std::string value(65536, '\0');
    const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    value.resize(length > 0 ? static_cast<size_t>(length) : 0);
    found[name] = value;
  }
  return found;
}

class Walk {
 public:
  Walk(Snapshot* out, const Snapshot* before) : out_(out), before_(before) {}

  void Visit(const std::string& path) {
    Node node;
    if (::lstat(path.c_str(), &node.st) != 0) {
      node.contents = fmt::format("lstat: errno {}", errno);
      out_->emplace(path, std::move(node));
      return;
    }
    node.same_as = first_.emplace(node.st.st_ino, path).first->second;
    if (S_ISREG(node.st.st_mode)) node.contents = Contents(path, node);
    if (S_ISLNK(node.st.st_mode)) node.contents = Target(path, node);
    node.xattrs = ReadXattrs(path);
    const bool directory = S_ISDIR(node.st.st_mode);
    out_->emplace(path, std::move(node));
    if (directory) VisitEntries(path);
  }

  void VisitOpen(const Side& side, size_t slot) {
    const int fd = side.slot(slot);
    Node node;
    if (fd < 0 || ::fstat(fd, &node.st) != 0) return;
    auto known = first_.find(node.st.st_ino);
    node.same_as = known != first_.end() ? known->second : "";
    if (S_ISREG(node.st.st_mode) && (::fcntl(fd, F_GETFL) & (O_PATH | O_ACCMODE | O_DIRECT)) == O_RDWR) {
      const int flags = ::fcntl(fd, F_GETFL);
      ::fcntl(fd, F_SETFL, flags | O_NOATIME);
      node.contents = ReadContents(fd, static_cast<size_t>(node.st.st_size));
      ::fcntl(fd, F_SETFL, flags);
    }
    out_->emplace(fmt::format("fd {}", slot), std::move(node));
  }

 private:
  std::string Contents(const std::string& path, const Node& node) const {
    if (before_ != nullptr) {
      auto old = before_->find(path);
      if (old != before_->end() && old->second.st.st_ino == node.st.st_ino &&
          old->second.st.st_size == node.st.st_size && SameTime(old->second.st.st_ctim, node.st.st_ctim) &&
          SameTime(old->second.st.st_mtim, node.st.st_mtim)) {
        return old->second.contents;
      }
    }
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOATIME | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fmt::format("open: errno {}", errno);
    mount::UniqueFd file(fd);
    return ReadContents(fd, static_cast<size_t>(node.st.st_size));
  }

  // Read once, since reading it sets its atime.
  std::string Target(const std::string& path, const Node& node) const {
    auto old = before_ != nullptr ? before_->find(path) : Snapshot::const_iterator{};
    if (before_ != nullptr && old != before_->end() && old->second.st.st_ino == node.st.st_ino) {
      return old->second.contents;
    }
    std::string target(4096, '\0');
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    target.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return target;
  }

  void VisitEntries(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC);
    DIR* directory = fd < 0 ? nullptr : ::fdopendir(fd);
    if (directory == nullptr) return;
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(directory);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) Visit(path == "/" ? path + name : path + "/" + name);
  }

  Snapshot* const out_;
  const Snapshot* const before_;
  std::map<ino_t, std::string> first_;
};

// A time of one object: whether the call changed it, on each side.
struct Moment {
  std::string_view name;
  const timespec *mounted_before, *mounted, *native_before, *native;
};

long long Nanoseconds(const timespec& time) {
  return static_cast<long long>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

bool Within(const timespec& time, const Span& span) {
  constexpr long long kTick = 12'000'000;  // what the kernel's coarse clock may lag behind
  return Nanoseconds(time) >= Nanoseconds(span.begin) - kTick && Nanoseconds(time) <= Nanoseconds(span.end) + kTick;
}

std::string Show(const timespec& time) {
  return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

std::optional<std::string> ValuesDiffer(const Moment& moment, const Span& span) {
  if (SameTime(*moment.mounted, *moment.native)) return std::nullopt;
  if (Within(*moment.mounted, span) && Within(*moment.native, span)) return std::nullopt;
  return fmt::format("{} is {} here, {} natively", moment.name, Show(*moment.mounted), Show(*moment.native));
}

std::optional<std::string> MomentDiffers(const Moment& moment, const Span& span) {
  auto changed = [](const timespec* before, const timespec* after) {
    return before == nullptr || !SameTime(*before, *after);
  };
  const bool mounted = changed(moment.mounted_before, moment.mounted);
  const bool native = changed(moment.native_before, moment.native);
  if (mounted != native) {
    return fmt::format("{} {} here, {} natively ({}, {})", moment.name, mounted ? "changed" : "stayed",
                       native ? "changed" : "stayed", Show(*moment.mounted), Show(*moment.native));
  }
  return mounted ? ValuesDiffer(moment, span) : std::nullopt;
}

// The inode as it was before, under whatever name.
const struct stat* Find(const Snapshot& snapshot, const std::string& path, ino_t ino) {
  auto same = snapshot.find(path);
  if (same != snapshot.end() && same->second.st.st_ino == ino) return &same->second.st;
  for (const auto& [name, node] : snapshot) {
    if (node.st.st_ino == ino) return &node.st;
  }
  return nullptr;
}

std::optional<std::string> TimesDiffer(const std::string& path, const SnapshotChange& mounted,
                                       const SnapshotChange& native, const Span& span, bool sets_atime) {
  const struct stat& ours = mounted.after.at(path).st;
  const struct stat& theirs = native.after.at(path).st;
  const struct stat* ours_before = Find(mounted.before, path, ours.st_ino);
  const struct stat* theirs_before = Find(native.before, path, theirs.st_ino);
  auto moment = [&](std::string_view name, timespec stat::*field) {
    return Moment{.name = name,
                  .mounted_before = ours_before == nullptr ? nullptr : &(ours_before->*field),
                  .mounted = &(ours.*field),
                  .native_before = theirs_before == nullptr ? nullptr : &(theirs_before->*field),
                  .native = &(theirs.*field)};
  };
  // The kernel does not keep the times of FIFOs that are written to on FUSE (S_NOCMTIME).
  if (S_ISFIFO(ours.st_mode) && !sets_atime && ours_before != nullptr && SameTime(ours_before->st_ctim, ours.st_ctim) &&
      SameTime(ours_before->st_mtim, ours.st_mtim)) {
    return std::nullopt;
  }
  // Having parted, they may be set to what one of them has.
  const bool together_again = S_ISFIFO(ours.st_mode) && SameTime(ours.st_mtim, theirs.st_mtim);
  if (auto d = MomentDiffers(moment("mtime", &stat::st_mtim), span); d && !together_again) return d;
  if (auto d = MomentDiffers(moment("ctime", &stat::st_ctim), span)) return d;
  // Reading moves atime natively, sooner or later, and never here. What sets it moves ctime too, but not that of the
  // symlinks on the way.
  const bool created = theirs_before == nullptr;
  // Nor under the second name of an inode: looking at a symlink by its first may have moved it.
  const std::string& first = native.after.at(path).same_as;
  const bool first_name = first == path || first.empty();
  const bool set = sets_atime && first_name && !created && !SameTime(theirs_before->st_ctim, theirs.st_ctim);
  if (!created && !set) return std::nullopt;
  if (set && SameTime(ours_before->st_atim, ours.st_atim) && SameTime(theirs_before->st_atim, theirs.st_atim)) {
    return std::nullopt;  // only mtime was set, and the two had parted before
  }
  return ValuesDiffer(moment("atime", &stat::st_atim), span);
}

template <class Value>
std::string Pair(std::string_view what, const Value& ours, const Value& theirs) {
  return fmt::format("{} is {} here, {} natively", what, ours, theirs);
}

std::string Shorten(const std::string& text) {
  const std::string escaped = Escape(std::string_view(text).substr(0, 60));
  return fmt::format("{} ({} bytes)", escaped, text.size());
}

std::optional<std::string> XattrsDiffer(const Node& ours, const Node& theirs) {
  if (ours.xattrs == theirs.xattrs) return std::nullopt;
  auto names = [](const Node& node) {
    std::string text;
    for (const auto& [name, value] : node.xattrs) text += fmt::format("{}={} ", Escape(name), Shorten(value));
    return text;
  };
  return Pair("the list of xattrs", names(ours), names(theirs));
}

// ext4 keeps extents and xattrs that do not fit the inode in blocks of their own.
bool BlocksDiffer(const Node& ours, const Node& theirs) {
  if (!S_ISREG(ours.st.st_mode)) return false;
  const long more = theirs.st.st_blocks - ours.st.st_blocks;
  return more < 0 || more > 16 || more % 8 != 0;
}

std::optional<std::string> NodeDiffers(const Node& ours, const Node& theirs, bool blocks) {
  if (ours.st.st_mode != theirs.st.st_mode) {
    return fmt::format("mode is {:o} here, {:o} natively", ours.st.st_mode, theirs.st.st_mode);
  }
  if (ours.st.st_nlink != theirs.st.st_nlink) return Pair("nlink", ours.st.st_nlink, theirs.st.st_nlink);
  if (ours.st.st_uid != theirs.st.st_uid) return Pair("uid", ours.st.st_uid, theirs.st.st_uid);
  if (ours.st.st_gid != theirs.st.st_gid) return Pair("gid", ours.st.st_gid, theirs.st.st_gid);
  if (ours.st.st_rdev != theirs.st.st_rdev) return Pair("rdev", ours.st.st_rdev, theirs.st.st_rdev);
  if (!S_ISDIR(ours.st.st_mode) && ours.st.st_size != theirs.st.st_size) {
    return Pair("size", ours.st.st_size, theirs.st.st_size);
  }
  if (ours.same_as != theirs.same_as) return Pair("first link", ours.same_as, theirs.same_as);
  if (ours.contents != theirs.contents) return Pair("content", Shorten(ours.contents), Shorten(theirs.contents));
  if (blocks && BlocksDiffer(ours, theirs)) return Pair("blocks", ours.st.st_blocks, theirs.st.st_blocks);
  return XattrsDiffer(ours, theirs);
}

std::string Names(const Snapshot& snapshot) {
  std::string names;
  for (const auto& [path, node] : snapshot) names += path.substr(0, 40) + " ";
  return names;
}

}  // namespace

Snapshot TakeSnapshot(const Side& side, const Snapshot* before) {
  Snapshot snapshot;
  Walk walk(&snapshot, before);
  walk.Visit("/");
  for (size_t slot = 0; slot < Side::kSlots; ++slot) walk.VisitOpen(side, slot);
  return snapshot;
}

std::optional<std::string> Difference(const SnapshotChange& mounted, const SnapshotChange& native, const Span& span,
                                      const CompareOptions& options) {
  const bool same_names =
      std::equal(mounted.after.begin(), mounted.after.end(), native.after.begin(), native.after.end(),
                 [](const auto& a, const auto& b) { return a.first == b.first; });
  if (!same_names) return fmt::format("here are {}, natively {}", Names(mounted.after), Names(native.after));
  for (const auto& [path, node] : mounted.after) {
    auto differs = NodeDiffers(node, native.after.at(path), options.blocks);
    if (!differs && options.times) differs = TimesDiffer(path, mounted, native, span, options.sets_atime);
    if (differs) return fmt::format("{}: {}", Escape(path.substr(0, 60)), *differs);
  }
  return std::nullopt;
}

}  // namespace silt::posix
