#include "mount/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace silt::mount {
namespace {

using lsm::Result;
using lsm::Status;
using nlohmann::json;

constexpr size_t kLongestLine = 16 << 20;
constexpr int kSendSeconds = 1;  // how often one that waits for a client looks whether the store is being closed

UniqueFd OpenDirectory(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

UniqueFd NewSocket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

Status SystemError(std::string_view call, const std::string& path) {
  return Status::IoError(fmt::format("{} {}: {}", call, path, std::strerror(errno)));
}

// Somebody listens to it: the place where that is.
std::optional<std::string> FindListener(int store_directory, const std::string& store) {
  for (const ControlPlace& place : ControlPlaces(store_directory, store)) {
    if (UniqueFd probe = NewSocket(); place.Connect(probe)) return place.path;
  }
  return std::nullopt;
}

// Nobody listens, so what is there was left behind by a daemon that died.
Status Bind(const ControlPlace& place, const UniqueFd& fd) {
  ::unlinkat(place.directory.get(), place.name.c_str(), 0);
  ::fchmod(fd.get(), 0600);  // a socket's name is created with the mode of its descriptor
  sockaddr_un address = place.Address();
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return Status::Ok();
  return SystemError("bind", place.path);
}

// In the store, or else in the runtime directory. `fd` may be another socket afterwards.
Result<ControlPlace> BindSomewhere(int store_directory, const std::string& store, UniqueFd* fd) {
  auto place = ControlPlaceInStore(store_directory, store);
  if (!place) return Fail(SystemError("open", store));
  Status status = Bind(*place, *fd);
  if (status.ok()) return *std::move(place);
  auto other = ControlPlaceAtRuntime(store_directory);
  *fd = NewSocket();  // one that could not be bound may be of no more use
  if (!other || !*fd || !Bind(*other, *fd).ok()) return Fail(std::move(status));
  return *std::move(other);
}

bool HasHungUp(const UniqueFd& fd) {
  pollfd state{fd.get(), 0, 0};  // POLLHUP: a client that only has nothing more to say is still there
  return ::poll(&state, 1, 0) == 1;
}

json Refusal(std::string_view error) {
  return {{"ok", false}, {"error", error}};
}

}  // namespace

bool JsonStream::Send(const json& object) {
  std::string line = object.dump(-1, ' ', false, json::error_handler_t::replace);
  line.push_back('\n');
  std::string_view left = line;
  while (!left.empty()) {
    ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN && give_up_ != nullptr && !give_up_->load()) continue;
    if (sent <= 0) return false;
    left.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::optional<json> JsonStream::Receive() {
  size_t newline = 0;
  while ((newline = buffer_.find('\n')) == std::string::npos) {
    char chunk[4096];
    ssize_t got = ::recv(fd_, chunk, sizeof(chunk), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || buffer_.size() > kLongestLine) return std::nullopt;
    buffer_.append(chunk, static_cast<size_t>(got));
  }
  json object = json::parse(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(newline), nullptr,
                            /*allow_exceptions=*/false);
  buffer_.erase(0, newline + 1);
  if (!object.is_object()) return std::nullopt;
  return object;
}

Result<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& store, Handler handler) {
  UniqueFd directory = OpenDirectory(store);
  if (!directory) return Fail(SystemError("open", store));
  return Start(directory.get(), store, std::move(handler));
}

Result<std::unique_ptr<ControlServer>> ControlServer::Start(int store_directory, const std::string& store,
                                                            Handler handler) {
  UniqueFd fd = NewSocket();
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!fd || !wake) return Fail(SystemError("a socket for", store));
  if (auto listener = FindListener(store_directory, store)) {
    return Fail(Status::Busy(fmt::format("{}: another daemon listens there", *listener)));
  }
  auto place = BindSomewhere(store_directory, store, &fd);
  if (!place) return Fail(place.error());
  if (::listen(fd.get(), 16) != 0) return Fail(SystemError("listen", place->path));
  return std::unique_ptr<ControlServer>(
      new ControlServer(*std::move(place), std::move(fd), std::move(wake), std::move(handler)));
}

ControlServer::ControlServer(ControlPlace place, UniqueFd socket, UniqueFd wake, Handler handler)
    : place_(std::move(place)),
      socket_(std::move(socket)),
      wake_(std::move(wake)),
      handler_(std::move(handler)),
      acceptor_([this] { AcceptLoop(); }) {}

ControlServer::~ControlServer() {
  Drain();
  ::eventfd_write(wake_.get(), 1);
  acceptor_.join();
  ::unlinkat(place_.directory.get(), place_.name.c_str(), 0);
  for (Connection& connection : connections_) {
    ::shutdown(connection.fd.get(), SHUT_RDWR);
    connection.thread.join();
  }
}

void ControlServer::Drain() {
  std::unique_lock lock(mutex_);
  draining_ = true;
  idle_.wait(lock, [this] { return active_ == 0; });
}

void ControlServer::AcceptLoop() {
  for (;;) {
    pollfd waiting[2] = {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    if ((waiting[0].revents & POLLIN) == 0) continue;
    UniqueFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    JoinFinished();
    if (!fd) continue;
    // A client that does not read what it asked for must not hold up the end of the mount.
    timeval limit{.tv_sec = kSendSeconds, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    std::lock_guard lock(mutex_);
    Connection& connection = connections_.emplace_back();
    connection.fd = std::move(fd);
    connection.thread = std::thread([this, &connection] { Serve(&connection); });
  }
}

void ControlServer::JoinFinished() {
  std::lock_guard lock(mutex_);
  connections_.remove_if([](Connection& connection) {
    if (!connection.finished.load()) return false;
    connection.thread.join();
    return true;
  });
}

void ControlServer::Serve(Connection* connection) {
  JsonStream stream(connection->fd.get(), &draining_);
  std::atomic<bool> sending{true};  // events may come from other threads than the handler's
  const Emit emit = [&](const json& event) {
    if (sending && !stream.Send(event)) sending = false;
  };
  const Unwanted unwanted = [&] { return !sending || draining_.load() || HasHungUp(connection->fd); };
  while (auto request = stream.Receive()) {
    if (!stream.Send(Answer(*request, emit, unwanted))) break;
  }
  ::shutdown(connection->fd.get(), SHUT_RDWR);
  connection->finished.store(true);
}

json ControlServer::Answer(const json& request, const Emit& emit, const Unwanted& unwanted) {
  {
    std::lock_guard lock(mutex_);
    if (draining_) return Refusal("the store is being closed");
    ++active_;
  }
  json answer = handler_(request, emit, unwanted);
  std::lock_guard lock(mutex_);
  if (--active_ == 0) idle_.notify_all();
  return answer;
}

std::optional<ControlClient> ControlClient::Connect(const std::string& store) {
  UniqueFd directory = OpenDirectory(store);
  if (!directory) return std::nullopt;
  UniqueFd fd;
  for (const ControlPlace& place : ControlPlaces(directory.get(), store)) {
    UniqueFd tried = NewSocket();
    if (!tried || !place.Connect(tried)) continue;
    fd = std::move(tried);
    break;
  }
  if (!fd) return std::nullopt;
  ucred peer{};
  socklen_t size = sizeof(peer);
  ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return ControlClient(std::move(fd), peer.pid);
}

Result<json> ControlClient::Call(const json& request, const OnEvent& on_event) {
  if (!stream_.Send(request)) return Fail(Status::IoError("the daemon closed its control socket"));
  while (auto object = stream_.Receive()) {
    auto ok = object->find("ok");
    if (ok == object->end()) {
      if (on_event) on_event(*object);
    } else if (ok->is_boolean() && ok->get<bool>()) {
      return object->value("result", json::object());
    } else {
      return Fail(Status::IoError(object->value("error", "the daemon gave no reason")));
    }
  }
  return Fail(Status::IoError("the daemon closed its control socket before it answered; see siltfs.log in the store"));
}

void ControlClient::Leave() {
  ::shutdown(fd_.get(), SHUT_RDWR);
}

bool ControlClient::WaitForClose(int seconds) {
  timeval limit{.tv_sec = std::max(seconds, 0), .tv_usec = 0};  // 0: none
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  char byte = 0;
  for (;;) {
    ssize_t got = ::recv(fd_.get(), &byte, 1, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got == 0 || (got < 0 && errno != EINTR)) return true;
  }
}

}  // namespace silt::mount
