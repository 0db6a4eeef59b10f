// No engine at all: what the disk asks for a durable write. Puts go, one behind the other, over a file that has been
// written before, each with its own fdatasync when it is to be durable; nothing can be read back.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include "perf/kv_bench/kv_store.h"

namespace silt::bench {
namespace {

constexpr uint64_t kFileBytes = 64 << 20;
constexpr std::string_view kEngine = "pwrite";

class PwriteStore : public KvStore {
 public:
  explicit PwriteStore(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)) {
    if (fd_ < 0) Fail(kEngine, std::strerror(errno));
    for (uint64_t i = 0; i < kFileBytes >> 20; ++i) Append(std::string(1 << 20, '.'));
    position_ = 0;
    Sync();
  }
  ~PwriteStore() override { ::close(fd_); }

  void Put(std::string_view key, std::string_view value, bool sync) override {
    std::lock_guard lock(mutex_);
    scratch_.assign(key);
    scratch_.append(value);
    Append(scratch_);
    if (sync) Sync();
  }
  void Write(const Batch& batch, bool sync) override {
    for (const auto& op : batch.operations) Put(op.key, op.value, false);
    if (sync) Sync();
  }
  void Delete(std::string_view) override { Unsupported(); }
  bool DeleteRange(std::string_view, std::string_view) override { Unsupported(); }
  int64_t Get(std::string_view) override { Unsupported(); }
  int64_t MultiGet(const std::vector<std::string>&) override { Unsupported(); }
  std::unique_ptr<Cursor> NewCursor() override { Unsupported(); }
  void Settle() override {}
  bool Readable() const override { return false; }

 private:
  [[noreturn]] static void Unsupported() { Fail(kEngine, "can only write: use fillsync"); }
  void Append(std::string_view bytes) {
    if (position_ + bytes.size() > kFileBytes) position_ = 0;
    if (::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(position_)) != static_cast<ssize_t>(bytes.size())) {
      Fail(kEngine, std::strerror(errno));
    }
    position_ += bytes.size();
  }
  void Sync() {
    if (::fdatasync(fd_) != 0) Fail(kEngine, std::strerror(errno));
  }

  std::mutex mutex_;
  int fd_;
  uint64_t position_ = 0;
  std::string scratch_;
};

}  // namespace

std::unique_ptr<KvStore> OpenPwrite(const StoreOptions& options) { return std::make_unique<PwriteStore>(options.path); }

}  // namespace silt::bench
