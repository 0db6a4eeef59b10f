// Answers GET /metrics over HTTP on a loopback address or a socket in the filesystem.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "lsm/status.h"
#include "mount/unique_fd.h"

namespace silt::mount {

// Where metrics are served.
struct MetricsAddress {
  std::string socket_path;  // absolute; empty for TCP
  bool ipv6 = false;        // [::1], else 127.0.0.0/8
  std::string host;
  uint16_t port = 0;  // 0: one that is free

  // "127.0.0.1:9099", "localhost:9099", "[::1]:9099" or "unix:/path". kInvalidArgument says what is wrong; addresses
  // that other machines can reach are refused, as anybody who reaches it may read.
  static lsm::Result<MetricsAddress> Parse(std::string_view text);
};

// One thread, one client at a time; each gets so much time and memory and no more, and the connection is closed after
// one answer.
class MetricsServer {
 public:
  // `text` makes the body; called by the server's thread. kBusy when the address is taken.
  static lsm::Result<std::unique_ptr<MetricsServer>> Start(const MetricsAddress& address,
                                                           std::function<std::string()> text);
  ~MetricsServer();
  uint16_t port() const { return port_; }  // that it listens on; 0 for a socket in the filesystem

 private:
  MetricsServer(UniqueFd socket, UniqueFd wake, std::string path, uint16_t port, std::function<std::string()> text);
  void Run();
  void Serve(const UniqueFd& client) const;

  const UniqueFd socket_;
  const UniqueFd wake_;  // readable: end
  const std::string path_;
  const uint16_t port_;
  const std::function<std::string()> text_;
  std::thread thread_;
};

}  // namespace silt::mount
