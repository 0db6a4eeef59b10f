#include "mount/service.h"

#include <fmt/format.h>

#include "lsm/clock.h"
#include "mount/key_dump.h"
#include "mount/report.h"
#include "mount/stats_report.h"

namespace silt::mount {

using lsm::Result;
using nlohmann::json;

Result<json> CompactAll(lsm::Db& db) {
  size_t families = db.GetStats().families.size();
  for (size_t family = 0; family < families; ++family) {
    lsm::Status status = db.CompactRange(static_cast<lsm::FamilyId>(family), nullptr, nullptr);
    if (!status.ok()) return Fail(status);
  }
  return json::object();
}

Result<json> Scrub(lsm::Db& db, const EventSink& emit) {
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

Service::Service(std::string store, MountFacts facts, Adapter* adapter, const TransportStatus* transport)
    : store_(std::move(store)),
      facts_(std::move(facts)),
      adapter_(adapter),
      transport_(transport),
      started_micros_(lsm::Clock::System()->MonotonicMicros()) {}

json Service::Answer(const json& request, const EventSink& emit) {
  auto verb = request.find("verb");
  if (verb == request.end() || !verb->is_string()) return {{"ok", false}, {"error", "a request names a verb"}};
  Result<json> result = Dispatch(verb->get<std::string>(), request, emit);
  if (!result) return {{"ok", false}, {"error", Describe(result.error())}};
  return {{"ok", true}, {"result", *std::move(result)}};
}

Result<json> Service::Dispatch(const std::string& verb, const json& request, const EventSink& emit) {
  lsm::Db& db = adapter_->filesystem().db();
  if (verb == "status") return Status();
  if (verb == "stats") return StatsJson(db.GetStats(), &adapter_->counters());
  if (verb == "compact") return CompactAll(db);
  if (verb == "scrub") return Scrub(db, emit);
  if (verb == "keys") return ListKeys(db, request, emit);
  return Fail(lsm::Status::InvalidArgument(
      fmt::format("unknown verb '{}'; the daemon is siltfs {}, perhaps older than this program", verb, SILT_VERSION)));
}

json Service::Status() {
  MountFacts facts = facts_;
  facts.uptime_seconds = (lsm::Clock::System()->MonotonicMicros() - started_micros_) / 1'000'000;
  facts.transport = transport_->Get();
  return StatusJson(store_, adapter_->filesystem(), &facts);
}

}  // namespace silt::mount
