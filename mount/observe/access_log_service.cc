#include "mount/observe/access_log_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <unordered_map>

namespace silt::mount {
namespace {

using lsm::Result;
using nlohmann::json;

constexpr size_t kBatch = 64;        // records copied while the log is locked
constexpr uint64_t kMostLines = 1000;  // of a text: each names a path, which takes a few reads of the store
constexpr auto kLook = std::chrono::milliseconds(200);  // how often a tail asks whether it is still wanted

uint64_t Oldest(const AccessLog& log, uint64_t most) {
  const uint64_t end = log.End();
  return end - std::min<uint64_t>(end, most);
}

// Paths are looked up once for each inode of a batch.
class Formatter {
 public:
  explicit Formatter(const PathNames& names) : names_(names) {}
  std::string Line(const AccessRecord& record) {
    return FormatAccess(record, [this](uint64_t inode) {
      auto [at, is_new] = paths_.try_emplace(inode);
      if (is_new) at->second = names_.PathOf(inode);
      return at->second;
    });
  }

 private:
  const PathNames& names_;
  std::unordered_map<uint64_t, std::string> paths_;
};

struct Sent {
  uint64_t lines = 0;
  uint64_t dropped = 0;
};

// From *next to what is there now.
void Emit(RequestObserver* observer, uint64_t* next, const std::function<void(const json&)>& emit, Sent* sent) {
  const uint64_t end = observer->access_log().End();
  while (*next < end) {
    AccessLog::Batch batch = observer->access_log().Read(*next, kBatch);
    if (batch.dropped != 0) emit({{"dropped", batch.dropped}});
    Formatter formatter(observer->names());
    for (const AccessRecord& record : batch.records) emit({{"line", formatter.Line(record)}});
    sent->lines += batch.records.size();
    sent->dropped += batch.dropped;
    *next = batch.next;
  }
}

void Tail(RequestObserver* observer, const std::function<void(const json&)>& emit,
          const std::function<bool()>& unwanted, Sent* sent) {
  AccessLog& log = observer->access_log();
  AccessLog::Watch watch(&log);
  emit({{"tailing", true}});  // from here on nothing is missed
  for (uint64_t next = log.End(); !unwanted();) {
    log.Wait(next, kLook);
    Emit(observer, &next, emit, sent);
  }
}

}  // namespace

Result<json> ServeAccessLog(const json& request, RequestObserver* observer,
                            const std::function<void(const json&)>& emit, const std::function<bool()>& unwanted) {
  AccessLog& log = observer->access_log();
  const auto action = request.find("action");
  const std::string wanted = action != request.end() && action->is_string() ? action->get<std::string>() : "";
  Sent sent;
  if (wanted == "on" || wanted == "off") {
    log.Switch(wanted == "on");
  } else if (wanted == "show") {
    uint64_t next = Oldest(log, AccessLog::kCapacity);
    Emit(observer, &next, emit, &sent);
  } else if (wanted == "tail") {
    Tail(observer, emit, unwanted, &sent);
  } else {
    return lsm::Fail(lsm::Status::InvalidArgument("accesslog: on, off, show or tail"));
  }
  return json{{"on", log.switched_on()}, {"lines", sent.lines}, {"dropped", sent.dropped}};
}

std::string AccessLogText(RequestObserver* observer, const std::string& mountpoint) {
  const AccessLog& log = observer->access_log();
  std::string text;
  if (!log.switched_on()) text = fmt::format("# off; siltfs accesslog {} on\n", mountpoint);
  Formatter formatter(observer->names());
  const uint64_t end = log.End();
  for (uint64_t next = Oldest(log, kMostLines); next < end;) {
    AccessLog::Batch batch = log.Read(next, kBatch);
    if (batch.dropped != 0) text += fmt::format("# {} lines dropped\n", batch.dropped);
    for (const AccessRecord& record : batch.records) text += formatter.Line(record) + "\n";
    next = batch.next;
  }
  return text;
}

}  // namespace silt::mount
