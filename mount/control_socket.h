// The socket through which verbs reach a mounted store: STORE/control.sock, for its owner only (mode 0600).
//
// Requests and answers are JSON, one object a line. A request names a verb: {"verb":"status"}. It is answered by any
// number of events ({"progress":{"done":1,"total":2}}, {"damage":{"file":"...","what":"..."}}) and then by one last
// object: {"ok":true,"result":{...}} or {"ok":false,"error":"..."}. The daemon keeps a connection open until the store
// is closed, so that a client that waits for the end of the stream knows when that is.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "lsm/status.h"
#include "mount/control_place.h"
#include "mount/unique_fd.h"

namespace silt::mount {

// Lines over a socket. Not thread-safe.
class JsonStream {
 public:
  // `give_up`: while it is not set, a peer that does not read is waited for, also on a socket with a time limit.
  explicit JsonStream(int fd, const std::atomic<bool>* give_up = nullptr) : fd_(fd), give_up_(give_up) {}
  bool Send(const nlohmann::json& object);
  // nullopt at the end of the stream, or when a line is no JSON object or longer than any honest one.
  std::optional<nlohmann::json> Receive();

 private:
  int fd_;
  const std::atomic<bool>* give_up_;
  std::string buffer_;
};

// Serves requests, each connection on a thread of its own.
class ControlServer {
 public:
  using Emit = std::function<void(const nlohmann::json& event)>;
  // True when nobody waits for the answer any more: the client has gone, or the store is being closed. Work that takes
  // long asks now and then.
  using Unwanted = std::function<bool()>;
  // Answers one request with the last object (see above). Called from many threads.
  using Handler = std::function<nlohmann::json(const nlohmann::json& request, const Emit& emit, const Unwanted& unwanted)>;

  // Binds STORE/control.sock, or where that is impossible a socket in the runtime directory (control_place.h),
  // replacing one that nobody listens on. kBusy when somebody does. `store` is what messages call the directory.
  static lsm::Result<std::unique_ptr<ControlServer>> Start(int store_directory, const std::string& store,
                                                           Handler handler);
  static lsm::Result<std::unique_ptr<ControlServer>> Start(const std::string& store, Handler handler);
  // Ends the connections and removes the socket.
  ~ControlServer();

  // From now on requests are refused, and those being answered are unwanted; returns when there is none. Connections
  // stay open.
  void Drain();

 private:
  struct Connection {
    UniqueFd fd;
    std::thread thread;
    std::atomic<bool> finished{false};
  };

  ControlServer(ControlPlace place, UniqueFd socket, UniqueFd wake, Handler handler);
  void AcceptLoop();
  void Serve(Connection* connection);
  nlohmann::json Answer(const nlohmann::json& request, const Emit& emit, const Unwanted& unwanted);
  void JoinFinished();

  const ControlPlace place_;
  UniqueFd socket_;
  UniqueFd wake_;  // readable: stop accepting
  Handler handler_;
  std::thread acceptor_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::list<Connection> connections_;  // guarded by mutex_
  int active_ = 0;                     // guarded by mutex_: requests being answered
  std::atomic<bool> draining_{false};  // written under mutex_
};

class ControlClient {
 public:
  // Looks in all the places where the store's daemon may listen. nullopt when nobody does: the store is not mounted (or
  // not by this machine).
  static std::optional<ControlClient> Connect(const std::string& store);

  using OnEvent = std::function<void(const nlohmann::json& event)>;
  // The result, or what went wrong. `on_event` may be empty.
  lsm::Result<nlohmann::json> Call(const nlohmann::json& request, const OnEvent& on_event = {});
  // Ends the connection, also for a call that another thread makes.
  void Leave();
  // Returns when the daemon has closed the store, or is gone.
  // False when it is still there after so long; -1 waits without end.
  bool WaitForClose(int seconds = -1);
  pid_t daemon_pid() const { return pid_; }

 private:
  ControlClient(UniqueFd fd, pid_t pid) : fd_(std::move(fd)), stream_(fd_.get()), pid_(pid) {}
  UniqueFd fd_;
  JsonStream stream_;
  pid_t pid_;
};

}  // namespace silt::mount
