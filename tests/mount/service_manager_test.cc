#include "mount/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "mount/unique_fd.h"

namespace silt::mount {
namespace {

// A service manager's end, bound to a path or, with a leading @, to a name in the abstract namespace.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0) << std::strerror(errno);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~NotifySocket() { ::unsetenv("NOTIFY_SOCKET"); }

  // What was sent; a datagram is there as soon as sendto(2) returned.
  std::string Received() {
    std::array<char, 256> message;
    ssize_t got = ::recv(fd_.get(), message.data(), message.size(), 0);
    return got < 0 ? std::string("nothing") : std::string(message.data(), static_cast<size_t>(got));
  }

 private:
  UniqueFd fd_;
};

TEST(ServiceManagerTest, LinesArriveAtAPath) {
  const std::string path = "/tmp/siltfs-notify-" + std::to_string(::getpid());
  NotifySocket socket(path);
  TellServiceManager("READY=1\nSTATUS=here");
  EXPECT_EQ(socket.Received(), "READY=1\nSTATUS=here");
  std::filesystem::remove(path);
}

TEST(ServiceManagerTest, LinesArriveAtAnAbstractName) {
  NotifySocket socket("@siltfs-notify-" + std::to_string(::getpid()));
  TellServiceManager("STOPPING=1");
  EXPECT_EQ(socket.Received(), "STOPPING=1");
}

TEST(ServiceManagerTest, WithoutAListenerNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  TellServiceManager("READY=1");
  for (const std::string& name : {std::string("/nonexistent/socket"), std::string("relative"), std::string(4096, '/')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    TellServiceManager("READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace silt::mount
