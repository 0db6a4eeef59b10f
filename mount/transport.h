// How requests reach the daemon: FUSE over io_uring where kernel and libfuse offer it, /dev/fuse elsewhere. On either,
// the start of the connection, forgets and interrupts come over /dev/fuse.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mount/device_loop.h"
#include "mount/ring_transport.h"
#include "mount/transport_status.h"

namespace silt::mount {

class Transport {
 public:
  struct Options {
    RequestObserver* observer = nullptr;  // outlives it
    bool io_uring = true;            // use it if it is there
    uint64_t ring_memory_bytes = 0;  // see RingTransport
    unsigned max_threads = 16;
    std::function<int()> sync;                           // see SyncQueue
    std::function<void()> ready;                         // called once: requests are served from now on
    std::function<void(const std::string& why)> broken;  // the mount cannot be used and should be taken away
  };
  // REQUIRES: mounted. `status` is told when the kernel has said hello.
  Transport(fuse_session* session, Options options, TransportStatus* status);

  // Serves until the kernel ends the connection. 0 or -errno.
  int Run();

  // While INIT is answered, with what the kernel offers: what to accept beyond what libfuse has a name for.
  uint64_t OnInit(uint64_t offered);

 private:
  void OnInitialized();
  // Makes rings_, or says why not; neither when they are not wanted.
  std::string PrepareRings(uint64_t offered);

  fuse_session* const session_;
  const Options options_;
  const bool routed_;
  SyncQueue syncs_;
  std::unique_ptr<RingTransport> rings_;
  TransportStatus* const status_;
};

}  // namespace silt::mount
