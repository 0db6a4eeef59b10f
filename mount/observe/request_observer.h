// What is noted of every request that is served: that it came, how long it took, and the access log while that is on.
#pragma once

#include <chrono>

#include "mount/awake_processors.h"
#include "mount/observe/access_log.h"
#include "mount/observe/path_names.h"
#include "mount/observe/request_latencies.h"
#include "mount/raw_request.h"

namespace silt::mount {

// Thread-safe. Outlives the session.
class RequestObserver {
 public:
  // `awake`, if not null, hears of every request, and outlives it.
  explicit RequestObserver(fs::Filesystem* filesystem, AwakeProcessors* awake = nullptr)
      : awake_(awake), names_(filesystem) {}

  // request->Serve(session); returns how long that took.
  std::chrono::nanoseconds Serve(RawRequest* request, fuse_session* session);

  const RequestLatencies& latencies() const { return latencies_; }
  AccessLog& access_log() { return access_log_; }
  // For the log's lines.
  const PathNames& names() const { return names_; }

 private:
  void Log(AccessRecord record, const RawRequest& request, std::chrono::nanoseconds took);

  AwakeProcessors* const awake_;
  RequestLatencies latencies_;
  AccessLog access_log_;
  PathNames names_;
};

}  // namespace silt::mount
