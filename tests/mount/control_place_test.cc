#include "mount/control_place.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "mount/control_socket.h"
#include "mount/store_directory.h"
#include "tests/mount/temporary_directory.h"

namespace silt::mount {
namespace {

using nlohmann::json;

json Answer(const json&, const ControlServer::Emit&, const ControlServer::Unwanted&) {
  return {{"ok", true}, {"result", {{"here", true}}}};
}

class ControlPlaceTest : public testing::Test {
 protected:
  TemporaryDirectory runtime_;
  TemporaryDirectory store_;
  const uid_t user_ = ::geteuid();
};

TEST_F(ControlPlaceTest, TheRuntimeDirectoryIsMadeForItsUserAlone) {
  EXPECT_FALSE(OpenRuntimeDirectory(runtime_.path(), user_, /*create=*/false));
  EXPECT_TRUE(OpenRuntimeDirectory(runtime_.path(), user_, /*create=*/true));
  struct stat st {};
  ASSERT_EQ(::stat((runtime_.path() + "/siltfs").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  EXPECT_TRUE(OpenRuntimeDirectory(runtime_.path(), user_, /*create=*/false));
}

TEST_F(ControlPlaceTest, OneThatOthersMayEnterIsNotTrusted) {
  std::filesystem::create_directory(runtime_.path() + "/siltfs");
  ASSERT_EQ(::chmod((runtime_.path() + "/siltfs").c_str(), 0711), 0);
  EXPECT_FALSE(OpenRuntimeDirectory(runtime_.path(), user_, /*create=*/true));
}

TEST_F(ControlPlaceTest, OneOfAnotherUserIsNotTrusted) {
  ASSERT_TRUE(OpenRuntimeDirectory(runtime_.path(), user_, /*create=*/true));
  EXPECT_FALSE(OpenRuntimeDirectory(runtime_.path(), user_ + 1, /*create=*/false));
}

TEST_F(ControlPlaceTest, ALinkIsNotTrusted) {
  ASSERT_TRUE(OpenRuntimeDirectory(runtime_.path(), user_, /*create=*/true));
  TemporaryDirectory other;
  std::filesystem::create_directory_symlink(runtime_.path() + "/siltfs", other.path() + "/siltfs");
  EXPECT_FALSE(OpenRuntimeDirectory(other.path(), user_, /*create=*/true));
}

// A directory that is in the way stands for a filesystem without socket files.
TEST_F(ControlPlaceTest, WhereTheStoreCannotHaveASocketTheRuntimeDirectoryHasIt) {
  if (user_ != 0) ::setenv("XDG_RUNTIME_DIR", runtime_.path().c_str(), 1);
  std::filesystem::create_directories(store_.path() + "/control.sock/full");
  auto server = ControlServer::Start(store_.path(), &Answer);
  ASSERT_TRUE(server) << server.error().ToString();
  auto client = ControlClient::Connect(store_.path());
  ASSERT_TRUE(client);
  EXPECT_EQ(client->Call({{"verb", "x"}})->at("here"), true);
  EXPECT_EQ(ControlServer::Start(store_.path(), &Answer).error().code(), lsm::StatusCode::kBusy);
  server->reset();
  EXPECT_FALSE(ControlClient::Connect(store_.path()));
}

TEST_F(ControlPlaceTest, ASocketThatIsALinkIsNotFollowed) {
  auto server = ControlServer::Start(store_.path(), &Answer);
  TemporaryDirectory other;
  std::filesystem::create_symlink(store_.path() + "/control.sock", other.path() + "/control.sock");
  EXPECT_FALSE(ControlClient::Connect(other.path()));
  EXPECT_TRUE(ControlClient::Connect(store_.path()));
}

TEST_F(ControlPlaceTest, ARenamedStoreKnowsItsName) {
  auto directory = StoreDirectory::Open(store_.path());
  ASSERT_TRUE(directory);
  EXPECT_EQ(directory->CurrentPath(), store_.path());
  const std::string renamed = runtime_.path() + "/renamed";
  std::filesystem::rename(store_.path(), renamed);
  EXPECT_EQ(directory->CurrentPath(), renamed);
  std::filesystem::remove(renamed);
  EXPECT_EQ(directory->CurrentPath(), store_.path()) << "it has no name any more";
}

}  // namespace
}  // namespace silt::mount
