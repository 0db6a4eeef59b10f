#include "mount/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "lsm/clock.h"
#include "mount/key_dump.h"
#include "mount/mountinfo.h"
#include "mount/observe/access_log_service.h"
#include "mount/report.h"
#include "mount/stats_report.h"

namespace silt::mount {

using lsm::Result;
using nlohmann::json;

namespace {

// Bytes that rewriting a family reads, if all of it overlaps: level 0 goes into the topmost level that is filled, and from
// there on each level is merged into the next, with what it has gathered on the way.
uint64_t BytesToMerge(const lsm::FamilyStats& family) {
  const size_t last = family.levels.size() - 1;
  size_t level = 1;
  while (level < last && family.levels[level].raw_bytes == 0) ++level;
  uint64_t gathered = family.levels[0].raw_bytes + family.levels[level].raw_bytes;
  uint64_t sum = family.levels[0].raw_bytes == 0 ? 0 : gathered;
  for (; level < last; ++level) {
    gathered += family.levels[level + 1].raw_bytes;
    sum += gathered;
  }
  return sum;
}

// Tells how far merging has come until it is destroyed.
class MergeTicker {
 public:
  MergeTicker(lsm::Db& db, const EventSink& emit) : db_(db), emit_(emit) {
    const lsm::DbStats stats = db_.GetStats();
    begin_ = stats.merged_bytes;
    for (const lsm::FamilyStats& family : stats.families) total_ += BytesToMerge(family);
    Tell(0);
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }

  // All is merged.
  void Finish() {
    thread_ = {};
    Tell(total_);
  }

 private:
  void Run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, stop, std::chrono::milliseconds(200), [&] { return stop.stop_requested(); })) {
      Tell(db_.GetStats().merged_bytes - begin_);
    }
  }

  void Tell(uint64_t done) const {
    if (total_ != 0) emit_({{"progress", {{"done", std::min(done, total_)}, {"total", total_}}}});
  }

  lsm::Db& db_;
  const EventSink& emit_;
  uint64_t begin_ = 0;
  uint64_t total_ = 0;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace

Result<json> CompactAll(lsm::Db& db, const EventSink& emit, const StopCheck& stop) {
  lsm::Status status = db.Flush();  // what is in memory counts too
  if (!status.ok()) return Fail(status);
  MergeTicker ticker(db, emit);
  size_t families = db.GetStats().families.size();
  for (size_t family = 0; family < families; ++family) {
    if (stop()) return Fail(lsm::Status::Aborted("the compaction was stopped"));
    status = db.CompactRange(static_cast<lsm::FamilyId>(family), nullptr, nullptr);
    if (!status.ok()) return Fail(status);
  }
  ticker.Finish();
  return json::object();
}

Result<json> Scrub(lsm::Db& db, const EventSink& emit, const StopCheck& stop) {
  uint64_t damaged = 0;
  uint64_t bytes = 0;
  uint64_t last_percent = 101;
  lsm::Db::VerifyCallbacks callbacks;
  callbacks.damage = [&](const std::string& file, const lsm::Status& what) {
    ++damaged;
    emit({{"damage", {{"file", file}, {"what", what.ToString()}}}});
  };
  callbacks.progress = [&](uint64_t done, uint64_t total) {
    bytes = done;
    uint64_t percent =
        total == 0 ? 100 : static_cast<uint64_t>(static_cast<double>(done) * 100 / static_cast<double>(total));
    if (percent == last_percent) return;
    last_percent = percent;
    emit({{"progress", {{"done", done}, {"total", total}}}});
  };
  callbacks.stop = stop;
  lsm::Status status = db.Verify(callbacks);
  if (!status.ok()) return Fail(status);
  return json{{"damaged_files", damaged}, {"bytes", bytes}};
}

Result<json> ListKeys(lsm::Db& db, const json& request, const EventSink& emit) {
  KeyDumpOptions options;
  try {
    options.family = request.value("family", options.family);
    auto prefix = ParseKeyPrefix(request.value("prefix", std::string()));
    if (!prefix) return Fail(lsm::Status::InvalidArgument("the prefix is no hex number"));
    options.prefix = *prefix;
    options.limit = request.value("limit", options.limit);
  } catch (const json::exception& error) {
    return Fail(lsm::Status::InvalidArgument(error.what()));
  }
  lsm::Status status = DumpKeys(db, options, [&](const std::string& line) { emit({{"line", line}}); });
  if (!status.ok()) return Fail(status);
  return json::object();
}

Service::Service(const StoreDirectory* store, MountFacts facts, Adapter* adapter, RequestObserver* observer,
                 const TransportStatus* transport, const AwakeProcessors* awake)
    : store_(store),
      facts_(std::move(facts)),
      adapter_(adapter),
      observer_(observer),
      transport_(transport),
      awake_(awake),
      started_micros_(lsm::Clock::System()->MonotonicMicros()) {}

json Service::Answer(const json& request, const EventSink& emit, const StopCheck& unwanted) {
  auto verb = request.find("verb");
  if (verb == request.end() || !verb->is_string()) return {{"ok", false}, {"error", "a request names a verb"}};
  Result<json> result = Dispatch(verb->get<std::string>(), request, emit, unwanted);
  if (!result) return {{"ok", false}, {"error", Describe(result.error())}};
  return {{"ok", true}, {"result", *std::move(result)}};
}

Result<json> Service::Dispatch(const std::string& verb, const json& request, const EventSink& emit,
                               const StopCheck& unwanted) {
  lsm::Db& db = adapter_->filesystem().db();
  if (verb == "status") return Status();
  if (verb == "stats") return Stats();
  if (verb == "compact") return CompactAll(db, emit, unwanted);
  if (verb == "scrub") return Scrub(db, emit, unwanted);
  if (verb == "accesslog") return ServeAccessLog(request, observer_, emit, unwanted);
  if (verb == "keys") return ListKeys(db, request, emit);
  if (verb == "remount") return Remount(request);
  if (verb == "sync") return SyncStore();
  if (verb == "closing") return json{{"closing", closing_.load()}};
  return Fail(lsm::Status::InvalidArgument(
      fmt::format("unknown verb '{}'; the daemon is siltfs {}, perhaps older than this program", verb, SILT_VERSION)));
}

// The kernel keeps out writes while the mount is read-only; what was written before is made durable here.
Result<json> Service::Remount(const json& request) {
  auto read_only = request.find("read_only");
  if (read_only == request.end() || !read_only->is_boolean()) {
    return Fail(lsm::Status::InvalidArgument("a remount says whether it is read_only"));
  }
  if (!read_only->get<bool>() && facts_.read_only) {
    return Fail(lsm::Status::ReadOnly(
        fmt::format("{}: was mounted ro, and its store is open for reading only; unmount it and mount it rw",
                    facts_.mountpoint)));
  }
  adapter_->KeepAtimes(!read_only->get<bool>());
  adapter_->SetDirsync(request.value("dirsync", adapter_->dirsync()));
  if (read_only->get<bool>() && !facts_.read_only) {
    if (auto synced = adapter_->filesystem().SyncAll(); !synced) {
      return Fail(lsm::Status::IoError(fmt::format("{}: read-only, but what was written before could not be synced: {}",
                                                   store_->path(), std::strerror(synced.error().value()))));
    }
  }
  return json::object();
}

Result<json> Service::SyncStore() {
  if (facts_.read_only) return json::object();  // nothing was written
  if (auto synced = adapter_->filesystem().SyncAll(); !synced) {
    return Fail(
        lsm::Status::IoError(fmt::format("{}: sync: {}", store_->path(), std::strerror(synced.error().value()))));
  }
  return json::object();
}

json Service::Stats() const {
  return StatsJson(adapter_->filesystem().db().GetStats(), &adapter_->counters(), &observer_->latencies());
}

std::string Service::AccessLogText() const {
  return mount::AccessLogText(observer_, facts_.mountpoint);
}

json Service::Status() const {
  MountFacts facts = facts_;
  // Of several mounts the first may have gone, and a remount need not have come by us.
  std::vector<std::string> mountpoints = MountpointsOf(ReadMountinfo(), store_->path());
  if (!mountpoints.empty() && !FindSiltfsMount(facts.mountpoint)) facts.mountpoint = mountpoints.front();
  if (auto mount = FindSiltfsMount(facts.mountpoint)) facts.read_only = facts.read_only || IsReadOnly(*mount);
  facts.uptime_seconds = (lsm::Clock::System()->MonotonicMicros() - started_micros_) / 1'000'000;
  facts.transport = transport_->Get();
  if (awake_ != nullptr) {
    facts.awake = {.wanted = true, .possible = !awake_->refused(), .now = awake_->awake(), .times = awake_->times()};
  }
  return StatusJson(store_->CurrentPath(), adapter_->filesystem(), &facts);
}

}  // namespace silt::mount
