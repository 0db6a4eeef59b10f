#include "mount/transport.h"

#include <fmt/format.h>

#include <cstring>
#include <fstream>

#include "mount/fuse_ring_abi.h"
#include "mount/raw_request.h"

namespace silt::mount {
namespace {

constexpr const char* kSwitch = "/sys/module/fuse/parameters/enable_uring";

// Why the kernel did not offer it.
std::string WhatToEnable() {
  std::string value;
  if (!(std::ifstream(kSwitch) >> value)) {
    return "FUSE over io_uring needs Linux 6.14 or newer with CONFIG_FUSE_IO_URING";
  }
  return fmt::format("FUSE over io_uring is off: as root, echo Y > {}, then mount again", kSwitch);
}

}  // namespace

Transport::Transport(fuse_session* session, Options options, TransportStatus* status)
    : session_(session),
      options_(std::move(options)),
      routed_(RouteReplies(session)),
      syncs_(options_.sync),
      status_(status) {}

int Transport::Run() {
  DeviceLoop loop(session_, options_.observer, &syncs_, options_.max_threads, [this] { OnInitialized(); });
  int error = loop.Run();
  if (rings_) rings_->Stop();
  return error;
}

uint64_t Transport::OnInit(uint64_t offered) {
  std::string why_not = PrepareRings(offered);
  if (!rings_) {
    status_->Set({"/dev/fuse", why_not});
    return 0;
  }
  status_->Set({"io_uring", fmt::format("{} queues of {} requests", rings_->queues(), rings_->depth())});
  return ring_abi::kOverIoUring;
}

std::string Transport::PrepareRings(uint64_t offered) {
  if (!options_.io_uring) return "";
  if ((offered & ring_abi::kOverIoUring) == 0) return WhatToEnable();
  if (!routed_)
    return "FUSE over io_uring needs a libfuse built with fuse_session_custom_io; packaging/libfuse.sh builds one";
  RingTransport::Options options{
      .observer = options_.observer,
      .syncs = &syncs_,
      .memory_bytes = options_.ring_memory_bytes,
      .max_threads = options_.max_threads,
      .failed = [this](int error) {
        options_.broken(
            fmt::format("the kernel refused FUSE over io_uring: {}; mount with -o noio_uring", std::strerror(-error)));
      }};
  auto rings = RingTransport::Create(session_, options);
  if (!rings) return fmt::format("no FUSE over io_uring: {}", rings.error().message());
  rings_ = *std::move(rings);
  return "";
}

void Transport::OnInitialized() {
  if (rings_) rings_->Start();
  options_.ready();
}

}  // namespace silt::mount
