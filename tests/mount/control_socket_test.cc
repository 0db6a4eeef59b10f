#include "mount/control_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "tests/mount/temporary_directory.h"

namespace silt::mount {
namespace {

using nlohmann::json;

class ControlSocketTest : public testing::Test {
 protected:
  static json Echo(const json& request, const ControlServer::Emit& emit, const ControlServer::Unwanted&) {
    for (int i = 0; i < request.value("events", 0); ++i) emit({{"event", i}});
    if (request.contains("fail")) return {{"ok", false}, {"error", request["fail"]}};
    return {{"ok", true}, {"result", {{"echo", request}}}};
  }

  std::string SocketPath() const { return store_ + "/control.sock"; }

  TemporaryDirectory directory_;
  const std::string store_ = directory_.path();
};

TEST_F(ControlSocketTest, ARequestIsAnsweredAfterItsEvents) {
  auto server = ControlServer::Start(store_, &Echo);
  ASSERT_TRUE(server) << server.error().ToString();
  auto client = ControlClient::Connect(store_);
  ASSERT_TRUE(client);
  std::vector<int> events;
  auto result =
      client->Call({{"verb", "x"}, {"events", 3}}, [&](const json& event) { events.push_back(event["event"]); });
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ((*result)["echo"]["verb"], "x");
  EXPECT_THAT(events, testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(client->daemon_pid(), ::getpid());
}

TEST_F(ControlSocketTest, WorkIsUnwantedOnceItsClientHasGone) {
  std::promise<void> begun, ended;
  auto server = ControlServer::Start(store_, [&](const json&, const ControlServer::Emit& emit,
                                                 const ControlServer::Unwanted& unwanted) {
    EXPECT_FALSE(unwanted());
    emit({{"begun", true}});
    while (!unwanted()) std::this_thread::yield();
    ended.set_value();
    return json{{"ok", true}};
  });
  {
    auto client = ControlClient::Connect(store_);
    std::thread caller([&] { (void)client->Call({{"verb", "x"}}, [&](const json&) { begun.set_value(); }); });
    begun.get_future().wait();
    client->Leave();
    caller.join();
  }
  EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(ControlSocketTest, WorkIsUnwantedOnceTheServerDrains) {
  std::promise<void> begun;
  auto server = ControlServer::Start(store_, [&](const json&, const ControlServer::Emit&,
                                                 const ControlServer::Unwanted& unwanted) {
    begun.set_value();
    while (!unwanted()) std::this_thread::yield();
    return json{{"ok", true}, {"result", {{"ended", true}}}};
  });
  auto client = ControlClient::Connect(store_);
  auto answer = std::async(std::launch::async, [&] { return client->Call({{"verb", "x"}}); });
  begun.get_future().wait();
  (*server)->Drain();
  EXPECT_EQ(answer.get()->at("ended"), true) << "the client is still answered";
}

TEST_F(ControlSocketTest, AFailureIsAStatus) {
  auto server = ControlServer::Start(store_, &Echo);
  auto client = ControlClient::Connect(store_);
  auto result = client->Call({{"fail", "no luck"}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "no luck");
  EXPECT_TRUE(client->Call({{"verb", "again"}})) << "the connection goes on";
}

TEST_F(ControlSocketTest, OnlyTheOwnerMayConnect) {
  auto server = ControlServer::Start(store_, &Echo);
  struct stat st {};
  ASSERT_EQ(::lstat(SocketPath().c_str(), &st), 0);
  EXPECT_TRUE(S_ISSOCK(st.st_mode));
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(ControlSocketTest, APathLongerThanASocketAddressWorks) {
  std::string deep = store_ + "/" + std::string(200, 'a');
  ASSERT_TRUE(std::filesystem::create_directory(deep));
  auto server = ControlServer::Start(deep, &Echo);
  ASSERT_TRUE(server) << server.error().ToString();
  EXPECT_TRUE(ControlClient::Connect(deep));
}

TEST_F(ControlSocketTest, ALiveDaemonIsNotPushedAside) {
  auto first = ControlServer::Start(store_, &Echo);
  auto second = ControlServer::Start(store_, &Echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), lsm::StatusCode::kBusy);
  EXPECT_TRUE(ControlClient::Connect(store_));
}

TEST_F(ControlSocketTest, ASocketLeftByADeadDaemonIsReplaced) {
  { auto server = ControlServer::Start(store_, &Echo); }
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
  // What a killed daemon leaves: a socket that nobody listens on.
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::mknod(SocketPath().c_str(), S_IFSOCK | 0600, 0), 0);
  EXPECT_FALSE(ControlClient::Connect(store_));
  auto server = ControlServer::Start(store_, &Echo);
  ASSERT_TRUE(server) << server.error().ToString();
  EXPECT_TRUE(ControlClient::Connect(store_));
}

TEST_F(ControlSocketTest, WaitForCloseReturnsWhenTheServerIsGone) {
  auto server = ControlServer::Start(store_, &Echo);
  auto client = ControlClient::Connect(store_);
  ASSERT_TRUE(client->Call({{"verb", "x"}}));
  auto waiting = std::async(std::launch::async, [&] { client->WaitForClose(); });
  server->reset();
  waiting.get();
}

TEST_F(ControlSocketTest, DrainWaitsForRequestsAndRefusesNewOnes) {
  std::promise<void> entered;
  std::promise<void> release;
  auto server = ControlServer::Start(store_, [&](const json&, const ControlServer::Emit&, const ControlServer::Unwanted&) {
    entered.set_value();
    release.get_future().wait();
    return json{{"ok", true}};
  });
  auto client = ControlClient::Connect(store_);
  auto call = std::async(std::launch::async, [&] { return client->Call({{"verb", "slow"}}).has_value(); });
  entered.get_future().wait();
  auto drain = std::async(std::launch::async, [&] { (*server)->Drain(); });
  EXPECT_EQ(drain.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  release.set_value();
  drain.get();
  EXPECT_TRUE(call.get());
  auto late = client->Call({{"verb", "late"}});
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message(), testing::HasSubstr("being closed"));
}

TEST_F(ControlSocketTest, NonsenseEndsTheConnectionAndNothingElse) {
  auto server = ControlServer::Start(store_, &Echo);
  UniqueFd directory(::open(store_.c_str(), O_PATH | O_DIRECTORY));
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  UniqueFd ours(pair[0]), theirs(pair[1]);
  ASSERT_EQ(::send(ours.get(), "{nonsense\n", 10, 0), 10);
  EXPECT_FALSE(JsonStream(theirs.get()).Receive());
  auto client = ControlClient::Connect(store_);
  EXPECT_TRUE(client->Call({{"verb", "x"}}));
}

}  // namespace
}  // namespace silt::mount
