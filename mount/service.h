// The verbs that a live mount serves, and that run on an unmounted store alike: the work behind the control socket.
#pragma once

#include <atomic>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "lsm/db.h"
#include "lsm/status.h"
#include "mount/fuse_adapter.h"
#include "mount/observe/request_observer.h"
#include "mount/status_report.h"
#include "mount/store_directory.h"

namespace silt::mount {

using EventSink = std::function<void(const nlohmann::json& event)>;
// True when the work should end early.
using StopCheck = std::function<bool()>;

// Rewrites every table of every family. Emits {"progress":{...}} a few times a second, from another thread: bytes of keys
// and values, of which the whole is an estimate. `stop` is asked between families. The result is {} for now.
lsm::Result<nlohmann::json> CompactAll(lsm::Db& db, const EventSink& emit, const StopCheck& stop);

// Reads and checks every byte. Emits {"progress":{...}} at most once for each percent, and {"damage":{"file","what"}}.
// `stop` is asked before each file. The result: {"damaged_files":N,"bytes":N}.
lsm::Result<nlohmann::json> Scrub(lsm::Db& db, const EventSink& emit, const StopCheck& stop);

// Every key in order, as {"line":"..."}. The request may hold "family" (number), "prefix" (text), "limit" (number).
lsm::Result<nlohmann::json> ListKeys(lsm::Db& db, const nlohmann::json& request, const EventSink& emit);

// Answers one request of the control socket. Thread-safe.
class Service {
 public:
  // `store`, `adapter`, `observer`, `transport` and `awake`, which may be null, must outlive it. The facts' uptime,
  // transport and awake are ignored: one is counted from now, the others are asked each time.
  Service(const StoreDirectory* store, MountFacts facts, Adapter* adapter, RequestObserver* observer,
          const TransportStatus* transport, const AwakeProcessors* awake);
  // `unwanted`: nobody waits for the answer any more.
  nlohmann::json Answer(const nlohmann::json& request, const EventSink& emit, const StopCheck& unwanted);

  // From now on "closing" is answered with yes: the mount has ended, and what remains is the store's own work.
  void SetClosing() { closing_ = true; }

  // What the verbs of these names answer.
  nlohmann::json Status() const;
  nlohmann::json Stats() const;
  // The access log's lines, for people; says how to get more.
  std::string AccessLogText() const;

 private:
  lsm::Result<nlohmann::json> Dispatch(const std::string& verb, const nlohmann::json& request, const EventSink& emit,
                                       const StopCheck& unwanted);
  lsm::Result<nlohmann::json> Remount(const nlohmann::json& request);
  lsm::Result<nlohmann::json> SyncStore();

  const StoreDirectory* store_;
  MountFacts facts_;
  Adapter* adapter_;
  RequestObserver* observer_;
  const TransportStatus* transport_;
  const AwakeProcessors* awake_;
  uint64_t started_micros_;
  std::atomic<bool> closing_{false};
};

}  // namespace silt::mount
