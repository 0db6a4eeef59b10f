// siltfs mkfs, mkfs.siltfs
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <system_error>

#include "fs/filesystem.h"
#include "mount/cli.h"
#include "mount/mounting.h"
#include "mount/size.h"

namespace silt::mount {

int RunMkfs(const Words& words) {
  std::string store;
  std::string block_size = "4K";
  std::string compression = "snappy";
  bool force = false;
  const std::map<std::string, lsm::Compression> compressions = {
      {"none", lsm::Compression::kNone}, {"snappy", lsm::Compression::kSnappy}, {"zstd", lsm::Compression::kZstd}};

  CLI::App app("Makes a store: a directory that holds a siltfs filesystem.", "siltfs mkfs");
  app.add_option("STORE", store, "directory to make it in; created if missing, else empty")->required();
  app.add_option("--block-size", block_size, "a power of two, 4K to 64K")->capture_default_str();
  app.add_option("--compression", compression, "snappy, zstd or none")
      ->capture_default_str()
      ->check(CLI::IsMember({"snappy", "zstd", "none"}));
  app.add_flag("--force,-f", force, "destroy the store that is there");
  app.footer("Examples:\n  siltfs mkfs /srv/store\n  siltfs mkfs --block-size 16K --compression zstd /srv/store");
  if (auto exit_code = ParseArguments(app, "mkfs", words)) return *exit_code;

  auto block_bytes = ParseSize(block_size);
  if (!block_bytes || *block_bytes < 4096 || *block_bytes > 65536 || (*block_bytes & (*block_bytes - 1)) != 0) {
    Complain("mkfs", block_size, "no good block size; give a power of two from 4K to 64K");
    return kExitUsage;
  }
  if (std::error_code error; std::filesystem::exists(store, error) && !std::filesystem::is_directory(store, error)) {
    return Complain("mkfs", store, "not a directory; name one that is empty, or one to be made");
  }
  if (auto user = UserOfStore(store)) {
    return Complain("mkfs", store,
                    fmt::format("the store is mounted by pid {}; unmount it first", user->pid));
  }
  fs::FormatOptions format;
  format.block_size = static_cast<uint32_t>(*block_bytes);
  format.compression = compressions.at(compression);
  format.root_uid = ::geteuid();
  format.root_gid = ::getegid();
  ::umask(077);  // the store's files hold everybody's data
  lsm::Status status = fs::Filesystem::Format(lsm::Storage::Posix(), store, format, force);
  return status.ok() ? kExitOk : Complain("mkfs", store, status);
}

}  // namespace silt::mount
