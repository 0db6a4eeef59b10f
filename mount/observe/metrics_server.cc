#include "mount/observe/metrics_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

namespace silt::mount {
namespace {

using lsm::Fail;
using lsm::Result;
using lsm::Status;
using Clock = std::chrono::steady_clock;

constexpr size_t kLongestRequest = 8192;
constexpr auto kTimeForClient = std::chrono::seconds(2);

Status Invalid(std::string_view text, std::string_view why) {
  return Status::InvalidArgument(
      fmt::format("'{}': {}; 127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:/PATH", text, why));
}

// Room for either family.
union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

socklen_t Fill(const MetricsAddress& wanted, Address* address) {
  std::memset(address, 0, sizeof(*address));
  if (!wanted.socket_path.empty()) {
    address->local.sun_family = AF_UNIX;
    std::memcpy(address->local.sun_path, wanted.socket_path.data(), wanted.socket_path.size());
    return sizeof(sockaddr_un);
  }
  if (wanted.ipv6) {
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(wanted.port);
    address->v6.sin6_addr = in6addr_loopback;
    return sizeof(sockaddr_in6);
  }
  address->v4.sin_family = AF_INET;
  address->v4.sin_port = htons(wanted.port);
  ::inet_pton(AF_INET, wanted.host.c_str(), &address->v4.sin_addr);
  return sizeof(sockaddr_in);
}

std::string Shown(const MetricsAddress& address) {
  return address.socket_path.empty() ? fmt::format("{}:{}", address.host, address.port) : address.socket_path;
}

// Left behind by a daemon that died: a socket that nobody listens on.
void RemoveDeadSocket(const std::string& path, const Address& address, socklen_t size) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode)) return;
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), &address.any, size) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
}

uint16_t PortOf(const UniqueFd& socket, bool ipv6) {
  Address address{};
  socklen_t size = sizeof(address);
  if (::getsockname(socket.get(), &address.any, &size) != 0) return 0;
  return ntohs(ipv6 ? address.v6.sin6_port : address.v4.sin_port);
}

// False when there is nothing in time.
bool WaitFor(int fd, short events, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd waiting{fd, events, 0};
  return left > 0 && ::poll(&waiting, 1, static_cast<int>(left)) == 1;
}

// The request's first line, once all of its header is there. Empty: none came in time, or it was too long.
std::string ReceiveRequestLine(int fd, Clock::time_point deadline) {
  std::string request;
  char chunk[1024];
  while (request.find("\r\n\r\n") == std::string::npos) {
    if (request.size() > kLongestRequest || !WaitFor(fd, POLLIN, deadline)) return {};
    const ssize_t got = ::recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (got <= 0) return {};
    request.append(chunk, static_cast<size_t>(got));
  }
  return request.substr(0, request.find("\r\n"));
}

void SendAll(int fd, std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty() && WaitFor(fd, POLLOUT, deadline)) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string Response(std::string_view status, std::string_view type, std::string_view body, bool with_body) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}", status,
                     type, body.size(), status.starts_with("405") ? "Allow: GET, HEAD\r\n" : "",
                     with_body ? body : std::string_view{});
}

}  // namespace

Result<MetricsAddress> MetricsAddress::Parse(std::string_view text) {
  MetricsAddress address;
  if (text.starts_with("unix:")) {
    address.socket_path = text.substr(5);
    if (!address.socket_path.starts_with('/')) return Fail(Invalid(text, "a socket's path begins with /"));
    if (address.socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
      return Fail(Invalid(text, fmt::format("a socket's path has {} bytes at most", sizeof(sockaddr_un::sun_path) - 1)));
    }
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Fail(Invalid(text, "no port"));
  const std::string_view port = text.substr(colon + 1);
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) return Fail(Invalid(text, "no such port"));
  address.host = text.substr(0, colon);
  if (address.host == "localhost") address.host = "127.0.0.1";
  address.ipv6 = address.host == "[::1]";
  in_addr v4{};
  const bool loopback = address.ipv6 || (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1 &&
                                         ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET);
  if (!loopback) return Fail(Invalid(text, "only loopback addresses are served, as whoever reaches it may read"));
  return address;
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(const MetricsAddress& wanted,
                                                            std::function<std::string()> text) {
  Address address;
  const socklen_t size = Fill(wanted, &address);
  UniqueFd socket(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!socket || !wake) return Fail(Status::IoError(fmt::format("metrics: {}", std::strerror(errno))));
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (!wanted.socket_path.empty()) {
    RemoveDeadSocket(wanted.socket_path, address, size);
    ::fchmod(socket.get(), 0600);
  }
  if (::bind(socket.get(), &address.any, size) != 0 || ::listen(socket.get(), 8) != 0) {
    const int error = errno;
    const std::string why = fmt::format("metrics={}: {}", Shown(wanted), std::strerror(error));
    return Fail(error == EADDRINUSE ? Status::Busy(why + "; choose another") : Status::IoError(why));
  }
  const uint16_t port = wanted.socket_path.empty() ? PortOf(socket, wanted.ipv6) : 0;
  return std::unique_ptr<MetricsServer>(
      new MetricsServer(std::move(socket), std::move(wake), wanted.socket_path, port, std::move(text)));
}

MetricsServer::MetricsServer(UniqueFd socket, UniqueFd wake, std::string path, uint16_t port,
                             std::function<std::string()> text)
    : socket_(std::move(socket)),
      wake_(std::move(wake)),
      path_(std::move(path)),
      port_(port),
      text_(std::move(text)),
      thread_([this] { Run(); }) {}

MetricsServer::~MetricsServer() {
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void MetricsServer::Run() {
  for (;;) {
    pollfd waiting[2] = {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    if (waiting[0].revents == 0) continue;
    UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) Serve(client);
  }
}

void MetricsServer::Serve(const UniqueFd& client) const {
  const auto deadline = Clock::now() + kTimeForClient;
  const std::string line = ReceiveRequestLine(client.get(), deadline);
  const std::string method = line.substr(0, line.find(' '));
  std::string path = line.substr(std::min(line.size(), method.size() + 1));
  path = path.substr(0, path.find_first_of(" ?"));
  constexpr std::string_view kPlain = "text/plain; charset=utf-8";
  std::string response;
  if (line.empty()) {
    response = Response("400 Bad Request", kPlain, "no request\n", true);
  } else if (method != "GET" && method != "HEAD") {
    response = Response("405 Method Not Allowed", kPlain, "GET only\n", true);
  } else if (path != "/metrics") {
    response = Response("404 Not Found", kPlain, "see /metrics\n", method == "GET");
  } else {
    response = Response("200 OK", "text/plain; version=0.0.4; charset=utf-8", text_(), method == "GET");
  }
  SendAll(client.get(), response, deadline);
  ::shutdown(client.get(), SHUT_WR);
}

}  // namespace silt::mount
