#include "tests/posix/side.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <span>

#include "tests/posix/data_operation.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE (1 << 1)
#define RENAME_WHITEOUT (1 << 2)
#endif

namespace silt::posix {
namespace {

using Arguments = std::span<const std::string>;
using Flags = std::map<std::string_view, long>;

const Flags kOpenFlags = {
    {"rdonly", O_RDONLY},     {"wronly", O_WRONLY},   {"rdwr", O_RDWR},     {"creat", O_CREAT},
    {"excl", O_EXCL},         {"trunc", O_TRUNC},     {"append", O_APPEND}, {"directory", O_DIRECTORY},
    {"nofollow", O_NOFOLLOW}, {"noatime", O_NOATIME}, {"path", O_PATH},     {"tmpfile", O_TMPFILE},
    {"nonblock", O_NONBLOCK}, {"sync", O_SYNC},       {"dsync", O_DSYNC},   {"direct", O_DIRECT}};
const Flags kRenameFlags = {
    {"noreplace", RENAME_NOREPLACE}, {"exchange", RENAME_EXCHANGE}, {"whiteout", RENAME_WHITEOUT}};
const Flags kAllocateModes = {{"keep", FALLOC_FL_KEEP_SIZE},
                              {"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
                              {"punch-alone", FALLOC_FL_PUNCH_HOLE},
                              {"zero", FALLOC_FL_ZERO_RANGE}};
const Flags kAtFlags = {
    {"nofollow", AT_SYMLINK_NOFOLLOW}, {"eaccess", AT_EACCESS}, {"dir", AT_REMOVEDIR}, {"follow", AT_SYMLINK_FOLLOW}};
const Flags kXattrFlags = {{"create", XATTR_CREATE}, {"replace", XATTR_REPLACE}};
const Flags kAccessModes = {{"f", F_OK}, {"r", R_OK}, {"w", W_OK}, {"x", X_OK}};
const Flags kWhences = {
    {"set", SEEK_SET}, {"cur", SEEK_CUR}, {"end", SEEK_END}, {"data", SEEK_DATA}, {"hole", SEEK_HOLE}};
const Flags kTypes = {{"none", 0},      {"reg", S_IFREG}, {"fifo", S_IFIFO}, {"sock", S_IFSOCK},
                      {"chr", S_IFCHR}, {"blk", S_IFBLK}, {"dir", S_IFDIR},  {"lnk", S_IFLNK}};
const Flags kLocks = {{"sh", LOCK_SH | LOCK_NB}, {"ex", LOCK_EX | LOCK_NB}, {"un", LOCK_UN}};

// Names joined by '|', or a number as strtol reads it.
long FlagsOf(const Flags& names, std::string_view text) {
  long value = 0;
  while (!text.empty()) {
    const std::string word(text.substr(0, text.find('|')));
    auto found = names.find(word);
    value |= found != names.end() ? found->second : std::strtol(word.c_str(), nullptr, 0);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return value;
}

long long Number(const std::string& text) {
  return std::strtoll(text.c_str(), nullptr, 0);
}

mode_t Mode(const std::string& text) {
  return static_cast<mode_t>(std::strtoul(text.c_str(), nullptr, 8));
}

// "now", "omit", or SECONDS.NANOSECONDS (all nine digits).
timespec TimeOf(const std::string& text) {
  if (text == "now") return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if (text == "omit") return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  const size_t dot = text.find('.');
  const long nanoseconds = dot == std::string::npos ? 0 : std::strtol(text.c_str() + dot + 1, nullptr, 10);
  return {.tv_sec = Number(text), .tv_nsec = nanoseconds};
}

Outcome FromErrno() {
  return {.error = errno, .value = {}};
}

// For calls whose value says nothing more than whether they failed.
Outcome Done(long result) {
  return result < 0 ? FromErrno() : Outcome{};
}

Outcome WithNumber(long long result) {
  return result < 0 ? FromErrno() : Outcome{.error = 0, .value = fmt::format("{}", result)};
}

// By reference: the call that fills the bytes is the other argument, and may be evaluated second.
Outcome WithBytes(const std::string& bytes, ssize_t result) {
  if (result < 0) return FromErrno();
  if (bytes.empty()) return {.error = 0, .value = fmt::format("{}", result)};  // asked for the size
  return {.error = 0, .value = Escape(bytes.substr(0, static_cast<size_t>(result)))};
}

std::string TypeName(mode_t mode) {
  for (const auto& [name, type] : kTypes) {
    if (type == static_cast<long>(mode & S_IFMT)) return std::string(name);
  }
  return "?";
}

Outcome WithAttributes(int result, const struct stat& st) {
  if (result < 0) return FromErrno();
  std::string size = S_ISDIR(st.st_mode) ? "-" : fmt::format("{}", st.st_size);
  return {.error = 0,
          .value = fmt::format("{},{:04o},nlink={},uid={},gid={},size={}", TypeName(st.st_mode), st.st_mode & 07777,
                               st.st_nlink, st.st_uid, st.st_gid, size)};
}

class Calls {
 public:
  Calls(Side* side, const Call& call) : side_(side), words_(call.arguments) {
    for (const std::string& word : words_) text_.push_back(Unescape(word));
  }

  const char* Path(size_t i) const { return text_[i].c_str(); }
  const std::string& Text(size_t i) const { return text_[i]; }
  const std::string& Word(size_t i) const { return words_[i]; }
  size_t count() const { return words_.size(); }
  bool Has(size_t i) const { return i < words_.size(); }
  long long Value(size_t i) const { return Number(words_[i]); }
  size_t SlotNumber(size_t i) const { return static_cast<size_t>(Value(i)) % Side::kSlots; }
  int Fd(size_t i) const { return side_->slot(SlotNumber(i)); }
  mode_t ModeAt(size_t i) const { return Mode(words_[i]); }
  uid_t Id(size_t i) const { return static_cast<uid_t>(Value(i)); }
  long FlagsAt(const Flags& names, size_t i) const { return Has(i) ? FlagsOf(names, words_[i]) : 0; }

  Outcome Keep(size_t slot_argument, int fd) const {
    if (fd < 0) return FromErrno();
    side_->slot_for(SlotNumber(slot_argument)) = mount::UniqueFd(fd);
    return {};
  }
  Side* side() const { return side_; }

 private:
  Side* const side_;
  const std::vector<std::string>& words_;
  std::vector<std::string> text_;
};

// ---- descriptors ----

Outcome Open(const Calls& c) {
  return c.Keep(0, ::open(c.Path(1), static_cast<int>(c.FlagsAt(kOpenFlags, 2)) | O_CLOEXEC | O_NOCTTY,
                          c.Has(3) ? c.ModeAt(3) : 0));
}

Outcome OpenAt(const Calls& c) {
  return c.Keep(0, ::openat(c.Fd(1), c.Path(2), static_cast<int>(c.FlagsAt(kOpenFlags, 3)) | O_CLOEXEC | O_NOCTTY,
                            c.Has(4) ? c.ModeAt(4) : 0));
}

Outcome CloseSlot(const Calls& c) {
  if (c.Fd(0) < 0) return {.error = EBADF, .value = {}};
  c.side()->slot_for(c.SlotNumber(0)).Reset();
  return {};
}

Outcome ReadSlot(const Calls& c) {
  std::string bytes(static_cast<size_t>(c.Value(1)), '\0');
  const ssize_t result =
      c.Has(2) ? ::pread(c.Fd(0), bytes.data(), bytes.size(), c.Value(2)) : ::read(c.Fd(0), bytes.data(), bytes.size());
  return WithBytes(bytes, result);
}

// write SLOT LENGTH SEED [OFFSET]
Outcome WriteSlot(const Calls& c) {
  const std::string bytes = DataBytes(static_cast<uint64_t>(c.Value(2)), static_cast<size_t>(c.Value(1)));
  return WithNumber(c.Has(3) ? ::pwrite(c.Fd(0), bytes.data(), bytes.size(), c.Value(3))
                             : ::write(c.Fd(0), bytes.data(), bytes.size()));
}

// put SLOT TEXT
Outcome PutText(const Calls& c) {
  return WithNumber(::write(c.Fd(0), c.Text(1).data(), c.Text(1).size()));
}

// Where a directory ends is each filesystem's own business.
Outcome Seek(const Calls& c) {
  const int whence = static_cast<int>(c.FlagsAt(kWhences, 2));
  struct stat st {};
  const bool directory = ::fstat(c.Fd(0), &st) == 0 && S_ISDIR(st.st_mode);
  if (directory && whence != SEEK_SET && whence != SEEK_CUR) return {};
  return WithNumber(::lseek(c.Fd(0), c.Value(1), whence));
}

Outcome Copy(const Calls& c) {
  auto from = static_cast<off_t>(c.Value(1));
  auto to = static_cast<off_t>(c.Value(3));
  return WithNumber(::copy_file_range(c.Fd(0), &from, c.Fd(2), &to, static_cast<size_t>(c.Value(4)),
                                      static_cast<unsigned>(c.Has(5) ? c.Value(5) : 0)));
}

// ---- attributes ----

Outcome StatPath(const Calls& c, int flags) {
  struct stat st {};
  return WithAttributes(::fstatat(AT_FDCWD, c.Path(0), &st, flags), st);
}

Outcome StatSlot(const Calls& c) {
  struct stat st {};
  return WithAttributes(::fstat(c.Fd(0), &st), st);
}

Outcome Utimens(const Calls& c) {
  const timespec times[2] = {TimeOf(c.Word(1)), TimeOf(c.Word(2))};
  return Done(::utimensat(AT_FDCWD, c.Path(0), times, static_cast<int>(c.FlagsAt(kAtFlags, 3))));
}

Outcome UtimensSlot(const Calls& c) {
  const timespec times[2] = {TimeOf(c.Word(1)), TimeOf(c.Word(2))};
  return Done(::futimens(c.Fd(0), times));
}

// Linux's own, since glibc imitates a part of it.
Outcome FaccessAt2(const Calls& c) {
  return Done(::syscall(SYS_faccessat2, AT_FDCWD, c.Path(0), c.FlagsAt(kAccessModes, 1), c.FlagsAt(kAtFlags, 2)));
}

Outcome ChmodAt2(const Calls& c) {
  constexpr long kFchmodat2 = 452;  // newer than some C libraries
  return Done(::syscall(kFchmodat2, AT_FDCWD, c.Path(0), c.ModeAt(1), c.FlagsAt(kAtFlags, 2)));
}

Outcome NameMax(const Calls& c) {
  struct statvfs st {};
  if (::statvfs(c.Path(0), &st) != 0) return FromErrno();
  return {.error = 0, .value = fmt::format("{}", st.f_namemax)};
}

// ---- extended attributes ----

Outcome GetXattr(const Calls& c, bool follow) {
  std::string bytes(c.Has(2) ? static_cast<size_t>(c.Value(2)) : 66000, '\0');
  return WithBytes(bytes, follow ? ::getxattr(c.Path(0), c.Path(1), bytes.data(), bytes.size())
                                 : ::lgetxattr(c.Path(0), c.Path(1), bytes.data(), bytes.size()));
}

Outcome SetXattr(const Calls& c, bool follow) {
  const int flags = static_cast<int>(c.FlagsAt(kXattrFlags, 3));
  const std::string& value = c.Text(2);
  return Done(follow ? ::setxattr(c.Path(0), c.Path(1), value.data(), value.size(), flags)
                     : ::lsetxattr(c.Path(0), c.Path(1), value.data(), value.size(), flags));
}

Outcome ListXattr(const Calls& c) {
  std::string bytes(66000, '\0');
  const ssize_t size = ::listxattr(c.Path(0), bytes.data(), bytes.size());
  if (size < 0) return FromErrno();
  std::vector<std::string> names;
  for (std::string_view rest(bytes.data(), static_cast<size_t>(size)); !rest.empty();) {
    names.emplace_back(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(names.back().size() + 1);
  }
  std::sort(names.begin(), names.end());
  return {.error = 0, .value = Escape(fmt::format("{}", fmt::join(names, ",")))};
}

// ---- names ----

Outcome ReadLink(const Calls& c) {
  std::string target(c.Has(1) ? static_cast<size_t>(c.Value(1)) : 5000, '\0');
  return WithBytes(target, ::readlink(c.Path(0), target.data(), target.size()));
}

Outcome MakeNode(const Calls& c) {
  const auto type = static_cast<mode_t>(c.FlagsAt(kTypes, 1));
  const dev_t device = c.Has(3) ? makedev(static_cast<unsigned>(c.Value(3)), static_cast<unsigned>(c.Value(4))) : 0;
  return Done(::mknod(c.Path(0), type | c.ModeAt(2), device));
}

Outcome RenameAt2(const Calls& c) {
  return Done(::syscall(SYS_renameat2, AT_FDCWD, c.Path(0), AT_FDCWD, c.Path(1), c.FlagsAt(kRenameFlags, 2)));
}

Outcome List(DIR* directory) {
  if (directory == nullptr) return FromErrno();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    names.push_back(fmt::format("{}:{}", Escape(entry->d_name), TypeName(DTTOIF(entry->d_type))));
  }
  const int error = errno;
  ::closedir(directory);
  std::sort(names.begin(), names.end());
  if (error != 0) return {.error = error, .value = {}};
  return {.error = 0, .value = fmt::format("{}", fmt::join(names, ","))};
}

Outcome ListSlot(const Calls& c) {
  const int fd = ::openat(c.Fd(0), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? FromErrno() : List(::fdopendir(fd));
}

Outcome ChangeDirectory(const Calls& c) {
  if (::chdir(c.Path(0)) != 0) return FromErrno();
  c.side()->working_directory() = mount::UniqueFd(::open(".", O_PATH | O_CLOEXEC));
  return {};
}

Outcome WorkingDirectory(const Calls& /*c*/) {
  char path[4096];
  // The system call, since the C library's answer for what is unreachable differs.
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) return FromErrno();
  return {.error = 0, .value = Escape(path)};
}

struct CallInfo {
  size_t least, most;  // arguments
  Outcome (*run)(const Calls&);
};

const std::map<std::string_view, CallInfo> kCalls = {
    // SLOT PATH FLAGS [MODE]
    {"open", {3, 4, &Open}},
    {"creat", {3, 3, [](const Calls& c) { return c.Keep(0, ::creat(c.Path(1), c.ModeAt(2))); }}},
    {"openat", {4, 5, &OpenAt}},  // SLOT DIRECTORY-SLOT PATH FLAGS [MODE]
    {"close", {1, 1, &CloseSlot}},
    {"read", {2, 3, &ReadSlot}},    // SLOT LENGTH [OFFSET]
    {"write", {3, 4, &WriteSlot}},  // SLOT LENGTH SEED [OFFSET]
    {"put", {2, 2, &PutText}},
    {"lseek", {3, 3, &Seek}},  // SLOT OFFSET WHENCE
    {"ftruncate", {2, 2, [](const Calls& c) { return Done(::ftruncate(c.Fd(0), c.Value(1))); }}},
    {"truncate", {2, 2, [](const Calls& c) { return Done(::truncate(c.Path(0), c.Value(1))); }}},
    {"fallocate",
     {4, 4,
      [](const Calls& c) {
        return Done(::fallocate(c.Fd(0), static_cast<int>(c.FlagsAt(kAllocateModes, 1)), c.Value(2), c.Value(3)));
      }}},
    {"copy", {5, 6, &Copy}},  // SLOT OFFSET SLOT OFFSET LENGTH [FLAGS]
    {"fsync", {1, 1, [](const Calls& c) { return Done(::fsync(c.Fd(0))); }}},
    {"fdatasync", {1, 1, [](const Calls& c) { return Done(::fdatasync(c.Fd(0))); }}},
    {"flock", {2, 2, [](const Calls& c) { return Done(::flock(c.Fd(0), static_cast<int>(c.FlagsAt(kLocks, 1)))); }}},

    {"stat", {1, 1, [](const Calls& c) { return StatPath(c, 0); }}},
    {"lstat", {1, 1, [](const Calls& c) { return StatPath(c, AT_SYMLINK_NOFOLLOW); }}},
    {"fstat", {1, 1, &StatSlot}},
    {"namemax", {1, 1, &NameMax}},
    {"chmod", {2, 2, [](const Calls& c) { return Done(::chmod(c.Path(0), c.ModeAt(1))); }}},
    {"fchmod", {2, 2, [](const Calls& c) { return Done(::fchmod(c.Fd(0), c.ModeAt(1))); }}},
    {"fchmodat2", {2, 3, &ChmodAt2}},
    {"chown", {3, 3, [](const Calls& c) { return Done(::chown(c.Path(0), c.Id(1), c.Id(2))); }}},
    {"lchown", {3, 3, [](const Calls& c) { return Done(::lchown(c.Path(0), c.Id(1), c.Id(2))); }}},
    {"fchown", {3, 3, [](const Calls& c) { return Done(::fchown(c.Fd(0), c.Id(1), c.Id(2))); }}},
    {"utimens", {3, 4, &Utimens}},  // PATH ATIME MTIME [nofollow]
    {"futimens", {3, 3, &UtimensSlot}},
    {"access",
     {2, 2, [](const Calls& c) { return Done(::access(c.Path(0), static_cast<int>(c.FlagsAt(kAccessModes, 1)))); }}},
    {"faccessat2", {2, 3, &FaccessAt2}},

    {"getxattr", {2, 3, [](const Calls& c) { return GetXattr(c, true); }}},
    {"lgetxattr", {2, 3, [](const Calls& c) { return GetXattr(c, false); }}},
    {"setxattr", {3, 4, [](const Calls& c) { return SetXattr(c, true); }}},
    {"lsetxattr", {3, 4, [](const Calls& c) { return SetXattr(c, false); }}},
    {"removexattr", {2, 2, [](const Calls& c) { return Done(::removexattr(c.Path(0), c.Path(1))); }}},
    {"lremovexattr", {2, 2, [](const Calls& c) { return Done(::lremovexattr(c.Path(0), c.Path(1))); }}},
    {"listxattr", {1, 1, &ListXattr}},

    {"mkdir", {2, 2, [](const Calls& c) { return Done(::mkdir(c.Path(0), c.ModeAt(1))); }}},
    {"mkdirat", {3, 3, [](const Calls& c) { return Done(::mkdirat(c.Fd(0), c.Path(1), c.ModeAt(2))); }}},
    {"rmdir", {1, 1, [](const Calls& c) { return Done(::rmdir(c.Path(0))); }}},
    {"unlink", {1, 1, [](const Calls& c) { return Done(::unlink(c.Path(0))); }}},
    {"unlinkat",
     {2, 3,
      [](const Calls& c) { return Done(::unlinkat(c.Fd(0), c.Path(1), static_cast<int>(c.FlagsAt(kAtFlags, 2)))); }}},
    {"link", {2, 2, [](const Calls& c) { return Done(::link(c.Path(0), c.Path(1))); }}},
    {"linkat",
     {2, 3,
      [](const Calls& c) {
        return Done(::linkat(AT_FDCWD, c.Path(0), AT_FDCWD, c.Path(1), static_cast<int>(c.FlagsAt(kAtFlags, 2))));
      }}},
    {"flink", {2, 2, [](const Calls& c) { return Done(::linkat(c.Fd(0), "", AT_FDCWD, c.Path(1), AT_EMPTY_PATH)); }}},
    {"symlink", {2, 2, [](const Calls& c) { return Done(::symlink(c.Path(0), c.Path(1))); }}},
    {"readlink", {1, 2, &ReadLink}},
    {"rename", {2, 2, [](const Calls& c) { return Done(::rename(c.Path(0), c.Path(1))); }}},
    {"renameat2", {3, 3, &RenameAt2}},
    {"mknod", {3, 5, &MakeNode}},  // PATH TYPE MODE [MAJOR MINOR]
    {"mkfifo", {2, 2, [](const Calls& c) { return Done(::mkfifo(c.Path(0), c.ModeAt(1))); }}},
    {"list", {1, 1, [](const Calls& c) { return List(::opendir(c.Path(0))); }}},
    {"flist", {1, 1, &ListSlot}},
    {"chdir", {1, 1, &ChangeDirectory}},
    {"getcwd", {0, 0, &WorkingDirectory}},
    // Of the whole process: both sides set the same.
    {"umask",
     {1, 1,
      [](const Calls& c) {
        ::umask(c.ModeAt(0));
        return Outcome{};
      }}},
};

// The real and effective ids, by which permissions are checked and which new inodes get; the saved one leads back.
class Impersonation {
 public:
  explicit Impersonation(int user) : user_(user) {
    if (user_ == 0) return;
    const gid_t own = kFirstUser + static_cast<gid_t>(user_);
    const gid_t groups[] = {own, kSharedGroup};
    good_ = ::setgroups(2, groups) == 0 && ::setresgid(own, own, 0) == 0 && ::setresuid(own, own, 0) == 0;
  }
  ~Impersonation() {
    if (user_ == 0) return;
    const gid_t none[] = {0};
    if (::setresuid(0, 0, 0) != 0 || ::setresgid(0, 0, 0) != 0 || ::setgroups(1, none) != 0) ::abort();
  }
  Impersonation(const Impersonation&) = delete;
  Impersonation& operator=(const Impersonation&) = delete;
  bool good() const { return good_; }

 private:
  const int user_;
  bool good_ = true;
};

int RealRoot() {
  static const int kRoot = ::open("/", O_PATH | O_CLOEXEC);
  return kRoot;
}

int RealWorkingDirectory() {
  static const int kDirectory = ::open(".", O_PATH | O_CLOEXEC);
  return kDirectory;
}

void ChangeRoot(int root, int directory) {
  if (::fchdir(root) != 0 || ::chroot(".") != 0 || ::fchdir(directory) != 0)
    ::abort();  // nothing here is safe to go on
}

}  // namespace

std::string Describe(const Outcome& outcome) {
  if (outcome.error != 0) return ::strerrorname_np(outcome.error);
  return outcome.value.empty() ? "ok" : outcome.value;
}

Side::Side(std::string path) : path_(std::move(path)), root_(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  RealRoot();
  RealWorkingDirectory();
  working_directory_ = mount::UniqueFd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

void Side::Enter() {
  ChangeRoot(root_.get(), working_directory_.get());
}

void Side::Leave() {
  ChangeRoot(RealRoot(), RealWorkingDirectory());
}

void Side::CloseAll() {
  for (mount::UniqueFd& slot : slots_) slot.Reset();
}

bool KnowsCall(const Call& call) {
  auto found = kCalls.find(call.name);
  return found != kCalls.end() && call.arguments.size() >= found->second.least &&
         call.arguments.size() <= found->second.most;
}

Outcome Side::Do(const Call& call) {
  Calls arguments(this, call);
  Impersonation user(call.user);
  if (!user.good()) return {.error = ENOSYS, .value = {}};
  return kCalls.at(call.name).run(arguments);
}

}  // namespace silt::posix
