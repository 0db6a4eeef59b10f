#include "mount/ring_transport.h"

#include <sys/sysinfo.h>

#include <algorithm>

namespace silt::mount {
namespace {

constexpr uint64_t kMaxDepth = 32;  // more requests at once than a processor's clients have

}  // namespace

lsm::Result<std::unique_ptr<RingTransport>> RingTransport::Create(fuse_session* session, const Options& options) {
  // The kernel wants a queue for each processor that may ever be there.
  const auto processors = static_cast<uint64_t>(::get_nprocs_conf());
  std::unique_ptr<RingTransport> transport(new RingTransport(session, options));
  transport->depth_ = static_cast<unsigned>(
      std::clamp(options.memory_bytes / (processors * RingEntry::Bytes()), uint64_t{1}, kMaxDepth));
  for (uint16_t number = 0; number < processors; ++number) {
    auto queue = RingQueue::Create(&transport->shared_, number, transport->depth_);
    if (!queue) return lsm::Fail(queue.error());
    transport->queues_.push_back(*std::move(queue));
  }
  return transport;
}

RingTransport::RingTransport(fuse_session* session, const Options& options)
    : workers_(options.max_threads),
      shared_{.session = session,
              .observer = options.observer,
              .workers = &workers_,
              .durations = &durations_,
              .syncs = options.syncs,
              .failed = options.failed} {}

RingTransport::~RingTransport() = default;

void RingTransport::Start() {
  for (auto& queue : queues_) queue->Start();
}

void RingTransport::Stop() {
  for (auto& queue : queues_) queue->Stop();
}

}  // namespace silt::mount
