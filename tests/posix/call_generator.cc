#include "tests/posix/call_generator.h"

#include <fmt/format.h>

#include <random>

#include "tests/posix/side.h"

namespace silt::posix {
namespace {

// A call's name and what its arguments are drawn from, in order:
//   p path  s slot  f open flags  m mode  u uid  g gid  n length  o offset  e seed of what is written
//   t time  T target of a symlink  x xattr name  v xattr value  X xattr flags  r rename flags  k type of a node
//   d device number  a access mask  w whence  A fallocate mode  L AT_SYMLINK_NOFOLLOW or not  F AT_SYMLINK_FOLLOW or
//   not D AT_REMOVEDIR or not  z size of a file  l lock
struct Shape {
  const char* name;
  const char* arguments;
  int weight;
};

constexpr Shape kShapes[] = {
    {"open", "spfm", 90},     {"openat", "sspfm", 15},  {"close", "s", 30},        {"read", "sn", 15},
    {"read", "sno", 10},      {"write", "sne", 30},     {"write", "sneo", 25},     {"lseek", "sow", 10},
    {"ftruncate", "sz", 15},  {"truncate", "pz", 20},   {"fallocate", "sAoo", 15}, {"copy", "sosoo", 10},
    {"fsync", "s", 5},        {"fdatasync", "s", 3},    {"flock", "sl", 8},        {"stat", "p", 10},
    {"lstat", "p", 8},        {"fstat", "s", 5},        {"chmod", "pm", 30},       {"fchmod", "sm", 10},
    {"fchmodat2", "pmL", 5},  {"chown", "pug", 25},     {"lchown", "pug", 10},     {"fchown", "sug", 10},
    {"utimens", "pttL", 20},  {"futimens", "stt", 8},   {"access", "pa", 10},      {"faccessat2", "paL", 8},
    {"getxattr", "px", 6},    {"lgetxattr", "px", 3},   {"setxattr", "pxvX", 20},  {"lsetxattr", "pxvX", 5},
    {"removexattr", "px", 8}, {"listxattr", "p", 4},    {"mkdir", "pm", 50},       {"mkdirat", "spm", 8},
    {"rmdir", "p", 25},       {"unlink", "p", 40},      {"unlinkat", "spD", 8},    {"link", "pp", 35},
    {"linkat", "ppF", 10},    {"flink", "sp", 5},       {"symlink", "Tp", 25},     {"readlink", "p", 5},
    {"rename", "pp", 50},     {"renameat2", "ppr", 40}, {"mknod", "pkmdd", 15},    {"mkfifo", "pm", 5},
    {"list", "p", 6},         {"flist", "s", 4},        {"chdir", "p", 8},         {"getcwd", "", 2},
    {"umask", "m", 4},        {"remount", "", 1},       {"kill", "", 1},
};

class Generator {
 public:
  explicit Generator(const CallGeneration& how) : how_(how), random_(how.seed) {
    std::vector<int> weights;
    for (const Shape& shape : kShapes) {
      const bool remount = shape.arguments[0] == '\0' && shape.name != std::string_view("getcwd");
      const bool left_out = (remount && !how.remounts) || (!how.truncate && shape.name == std::string_view("truncate"));
      weights.push_back(left_out ? 0 : shape.weight);
    }
    shapes_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
  }

  Call Next() {
    const Shape& shape = kShapes[shapes_(random_)];
    Call call;
    call.name = shape.name;
    // Mostly root in the beginning of each ten calls' worth of luck, so that there is something to be refused.
    if (how_.users > 0 && Below(100) < 45) call.user = static_cast<int>(1 + Below(static_cast<uint64_t>(how_.users)));
    for (const char* kind = shape.arguments; *kind != '\0'; ++kind) call.arguments.push_back(Argument(*kind));
    return call;
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  template <size_t N>
  std::string OneOf(const char* const (&choices)[N]) {
    return choices[Below(N)];
  }

  std::string Name() {
    if (Chance(1)) return OneOf({"{n*255}", "{n*256}", "\\xff\\xfe", "..", "."});
    return OneOf({"a", "b", "c", "d"});
  }

  std::string Path() {
    std::string path = Name();
    const uint64_t depth = Below(100);
    if (depth < 45) path += "/" + Name();
    if (depth < 10) path += "/" + Name();
    if (Chance(2)) path += OneOf({"/", "/.", "/.."});
    if (Chance(15)) path = "/" + path;
    if (Chance(1)) path = OneOf({"\"\"", "/", ".", ".."});
    return path;
  }

  std::string Target() { return Chance(25) ? "../" + Name() : Path(); }

  std::string OpenFlags() {
    std::string flags = OneOf({"rdonly", "wronly", "rdwr", "rdwr"});
    if (how_.tmpfile && Chance(5)) return OneOf({"rdwr|tmpfile", "wronly|tmpfile", "rdwr|tmpfile|excl"});
    // O_EXCL alone would claim a block device, which the other side then finds busy.
    if (Chance(50)) flags += Chance(15) ? "|creat|excl" : "|creat";
    if (Chance(15)) flags += "|trunc";
    if (Chance(12)) flags += "|append";
    if (Chance(15)) flags += "|directory";
    if (Chance(10)) flags += "|nofollow";
    if (Chance(5)) flags += "|path";
    if (Chance(4)) flags += "|noatime";
    if (Chance(4)) flags += "|dsync";
    return flags + "|nonblock";  // a FIFO must not stop the tester
  }

  std::string Mode() {
    if (Chance(25)) return fmt::format("{:04o}", Below(010000));
    return OneOf(
        {"0644", "0755", "0777", "0700", "0600", "1777", "2775", "2755", "4755", "6777", "0070", "0007", "0000"});
  }

  std::string Time() {
    return OneOf({"now", "omit", "0.000000000", "1.000000001", "-1.000000000", "1234567890.987654321", "now",
                  "4294967296.000000005", "1000000000.999999999"});
  }

  std::string AccessMask() { return OneOf({"f", "r", "w", "x", "r|w", "r|x", "w|x", "r|w|x"}); }

  std::string Size() { return Chance(10) ? OneOf({"-1", "1099511627776", "0"}) : fmt::format("{}", Below(20000)); }

  std::string Argument(char kind) {
    switch (kind) {
      case 'p':
        return Path();
      case 's':
        return fmt::format("{}", Below(4));
      case 'f':
        return OpenFlags();
      case 'm':
        return Mode();
      case 'u':
        return OneOf({"-1", "0", "10001", "10002", "10001", "10002"});
      case 'g':
        return OneOf({"-1", "0", "10001", "10002", "10003", "10003"});
      case 'n':
        return fmt::format("{}", Below(6000));
      case 'o':
        return Chance(40) ? fmt::format("{}", Below(5) * 4096) : fmt::format("{}", Below(20000));
      case 'e':
        return fmt::format("{}", Below(100000));
      case 't':
        return Time();
      case 'T':
        return Target();
      case 'x':
        return OneOf({"user.a", "user.b", "user.a", "user.", "trusted.a", "security.silt", "nonsense.a", "user"});
      case 'v':
        return OneOf({"\"\"", "one", "{two*20}", "{three*50}"});
      case 'X':
        return OneOf({"0", "0", "create", "replace", "create|replace"});
      case 'r':
        return OneOf(
            {"0", "noreplace", "exchange", "exchange", "whiteout", "exchange|noreplace", "whiteout|noreplace", "8"});
      case 'k':
        return OneOf({"none", "reg", "fifo", "sock", "chr", "blk", "dir"});
      case 'd':
        return OneOf({"0", "1", "7", "259"});
      case 'a':
        return AccessMask();
      case 'w':
        return OneOf({"set", "cur", "end"});
      case 'A':
        return OneOf({"0", "keep", "punch", "zero", "zero|keep", "punch-alone"});
      case 'L':
        return OneOf({"0", "nofollow"});
      case 'F':
        return OneOf({"0", "follow"});
      case 'D':
        return OneOf({"0", "dir"});
      case 'l':
        return OneOf({"sh", "ex", "un"});
      default:
        return Size();
    }
  }

  const CallGeneration how_;
  std::mt19937_64 random_;
  std::discrete_distribution<size_t> shapes_;
};

}  // namespace

std::vector<Call> GenerateCalls(const CallGeneration& how) {
  Generator generator(how);
  std::vector<Call> calls;
  calls.reserve(how.count);
  while (calls.size() < how.count) calls.push_back(generator.Next());
  return calls;
}

}  // namespace silt::posix
