#include "tests/posix/pair_runner.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "tests/posix/controller.h"

namespace silt::posix {
namespace {

constexpr uint64_t kEveryByte = 64;  // so many calls lie between two looks at every byte

timespec Now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

// By which the kernel stamps files natively: it moves with the scheduler's ticks, and on a busy machine late.
timespec CoarseNow() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

bool IsLater(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

// With the writeback cache the kernel itself sets the times of files on FUSE, by a clock that moves with the
// scheduler's ticks, but is never behind a precise time that a native file was given: a change shows only in the next
// tick that is later than everything so far.
void AwaitTick() {
  const timespec begin = Now();
  while (!IsLater(CoarseNow(), begin)) {
    constexpr timespec kMoment{.tv_sec = 0, .tv_nsec = 500'000};
    ::nanosleep(&kMoment, nullptr);
  }
}

bool IsRemount(const std::string& name) {
  return name == "remount" || name == "kill";
}

bool SetsAtime(const Call& call) {
  return (call.name == "utimens" || call.name == "futimens") && call.arguments.at(1) != "omit";
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace

bool IsKnown(const Call& call) {
  return (IsRemount(call.name) && call.arguments.empty()) || KnowsCall(call);
}

std::optional<PairFailure> PairRunner::Run(std::span<const Call> calls, bool blocks) {
  blocks_ = blocks && !options_.writeback;
  name_ = fmt::format("run-{}", runs_++);
  for (const std::string& base : {options_.mounted, options_.native}) {
    const std::string path = base + "/" + name_;
    RemoveTree(path);
    if (::mkdir(path.c_str(), 0777) != 0 || ::chmod(path.c_str(), 0777) != 0) {
      return PairFailure{.index = 0, .what = fmt::format("{}: {}", path, std::strerror(errno))};
    }
  }
  ::umask(022);
  Wrong wrong = Reopen();
  mounted_before_.clear();
  native_before_.clear();
  if (!wrong) wrong = CompareTrees({.begin = {}, .end = Now()}, {.blocks = blocks_}, true);
  size_t index = 0;
  for (; index < calls.size() && !wrong; ++index) {
    ++calls_made_;
    wrong = Do(calls[index]);
    if (wrong) break;
  }
  const timespec now = Now();
  if (!wrong) wrong = CompareTrees({.begin = now, .end = now}, {.blocks = blocks_}, true);
  mounted_.reset();
  native_.reset();
  ::umask(022);
  for (const std::string& base : {options_.mounted, options_.native}) RemoveTree(base + "/" + name_);
  if (!wrong) return std::nullopt;
  return PairFailure{.index = index, .what = *wrong};
}

PairRunner::Wrong PairRunner::Reopen() {
  mounted_ = std::make_unique<Side>(options_.mounted + "/" + name_);
  native_ = std::make_unique<Side>(options_.native + "/" + name_);
  return {};
}

PairRunner::Wrong PairRunner::Remount(const std::string& how) {
  if (!options_.controlled) return {};
  mounted_.reset();
  native_.reset();
  if (!Ask(how)) return fmt::format("no new mount after {}", how);
  return Reopen();
}

PairRunner::Wrong PairRunner::DoOnBoth(const Call& call, Span* span, CompareOptions* compare) {
  span->begin = CoarseNow();
  mounted_->Enter();
  const Outcome ours = mounted_->Do(call);
  native_->Enter();
  const Outcome theirs = native_->Do(call);
  span->end = Now();
  Side::Leave();
  // ext4 makes the whiteout first, and takes it back when the rename is refused.
  if (ours.error != 0 && call.name == "renameat2" && call.arguments[2].find("whiteout") != std::string::npos) {
    compare->times = false;
  }
  if (ours != theirs) return fmt::format("{} here, {} natively", Describe(ours), Describe(theirs));
  if (!call.expected || *call.expected == Describe(ours)) return {};
  if (*call.expected == "ok" && ours.error == 0) return {};
  return fmt::format("{} on both, but {} is expected", Describe(ours), *call.expected);
}

PairRunner::Wrong PairRunner::CompareTrees(const Span& span, const CompareOptions& compare, bool every_byte) {
  mounted_->Enter();
  Snapshot mounted = TakeSnapshot(*mounted_, every_byte ? nullptr : &mounted_before_);
  native_->Enter();
  Snapshot native = TakeSnapshot(*native_, every_byte ? nullptr : &native_before_);
  Side::Leave();
  auto differs = Difference({.before = mounted_before_, .after = mounted}, {.before = native_before_, .after = native},
                            span, compare);
  mounted_before_ = std::move(mounted);
  native_before_ = std::move(native);
  return differs;
}

PairRunner::Wrong PairRunner::Do(const Call& call) {
  if (options_.writeback) AwaitTick();
  Span span{.begin = CoarseNow(), .end = Now()};
  CompareOptions compare{.sets_atime = SetsAtime(call), .blocks = blocks_};
  Wrong wrong = IsRemount(call.name) ? Remount(call.name) : DoOnBoth(call, &span, &compare);
  const bool every_byte = IsRemount(call.name) || calls_made_ % kEveryByte == 0;
  return wrong ? wrong : CompareTrees(span, compare, every_byte);
}

}  // namespace silt::posix
