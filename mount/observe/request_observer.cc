#include "mount/observe/request_observer.h"

#include "mount/observe/control_inode.h"
#include "mount/observe/request_kind.h"

namespace silt::mount {

using SteadyClock = std::chrono::steady_clock;

std::chrono::nanoseconds RequestObserver::Serve(RawRequest* request, fuse_session* session) {
  if (awake_ != nullptr) awake_->OnRequest();
  const std::optional<Request> kind = KindOf(request->opcode());
  std::optional<AccessRecord> record;
  // Before it is served: the reply may take the request's place in memory.
  if (access_log_.enabled()) record = DecodeAccess(request->bytes());
  const auto begun = request->begun().value_or(SteadyClock::now());
  request->Serve(session);
  const std::chrono::nanoseconds took = SteadyClock::now() - begun;
  if (kind) latencies_.Record(*kind, took);
  // Who reads the log through .siltfs does not want to see that.
  if (record && !IsControlInode(record->inode)) Log(*std::move(record), *request, took);
  return took;
}

void RequestObserver::Log(AccessRecord record, const RawRequest& request, std::chrono::nanoseconds took) {
  record.when = std::chrono::system_clock::now();
  record.took = took;
  record.error = request.reply_error();
  if (!record.name.empty() && record.other_name.empty()) record.found_inode = request.ReplyInode();
  if (record.found_inode != 0 && !IsControlInode(record.found_inode)) {
    names_.Learn(record.found_inode, record.inode, record.name);
  }
  access_log_.Add(std::move(record));
}

}  // namespace silt::mount
