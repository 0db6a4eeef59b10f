// Files in memory for the tests of tables: bytes can be looked at and changed, reads are counted.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lsm/storage/storage.h"

namespace silt::lsm {

struct MemoryFileBytes {
  std::string bytes;
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> bytes_read{0};
};
using MemoryFileRef = std::shared_ptr<MemoryFileBytes>;

class MemoryReader final : public RandomAccessFile {
 public:
  explicit MemoryReader(MemoryFileRef file) : file_(std::move(file)) {}
  Result<size_t> Read(uint64_t offset, std::span<char> out) const override {
    ++file_->reads;
    if (offset >= file_->bytes.size()) return size_t{0};
    size_t size = std::min(out.size(), file_->bytes.size() - static_cast<size_t>(offset));
    if (size > 0) std::memcpy(out.data(), file_->bytes.data() + offset, size);
    file_->bytes_read += size;
    return size;
  }
  uint64_t Size() const override { return file_->bytes.size(); }
  void Advise(uint64_t, uint64_t, AccessPattern) const override {}
  void Prefetch(uint64_t, uint64_t) const override {}

 private:
  MemoryFileRef file_;
};

class MemoryWriter final : public WritableFile {
 public:
  explicit MemoryWriter(MemoryFileRef file) : file_(std::move(file)) {}
  Status Append(std::string_view data) override {
    ++appends;
    if (fail_after >= 0 && appends > fail_after) return Status::NoSpace("memory file: told to fail");
    file_->bytes.append(data);
    return Status::Ok();
  }
  Status Sync() override { return Status::Ok(); }
  void StartWriteback(uint64_t offset) override { written_back = offset; }
  Status Truncate(uint64_t size) override {
    file_->bytes.resize(size);
    return Status::Ok();
  }
  Status Preallocate(uint64_t) override { return Status::Ok(); }
    Status WriteZeros(uint64_t, uint64_t) override { return Status::Ok(); }
  uint64_t Position() const override { return file_->bytes.size(); }
  Status Close() override { return Status::Ok(); }

  int appends = 0;
  int fail_after = -1;
  uint64_t written_back = 0;

 private:
  MemoryFileRef file_;
};

// Only what a table cache and a dump ask for; `on_open` runs while a file is being opened.
class MemoryStorage final : public Storage {
 public:
  std::function<void(const std::string&)> on_open;

  void Put(const std::string& path, std::string bytes) {
    std::lock_guard lock(mutex_);
    auto file = std::make_shared<MemoryFileBytes>();
    file->bytes = std::move(bytes);
    files_[path] = std::move(file);
  }
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override {
    if (on_open) on_open(path);
    std::lock_guard lock(mutex_);
    auto it = files_.find(path);
    if (it == files_.end()) return Fail(Status::NotFound(path));
    return std::make_unique<MemoryReader>(it->second);
  }

  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string&) override { return Fail(No()); }
  Result<std::unique_ptr<WritableFile>> ReuseWritableFile(const std::string&, const std::string&) override {
    return Fail(No());
  }
  Status DeleteFile(const std::string&) override { return No(); }
  Status RenameFile(const std::string&, const std::string&) override { return No(); }
  Status LinkFile(const std::string&, const std::string&) override { return No(); }
  Status CreateDir(const std::string&) override { return No(); }
  Status SyncDir(const std::string&) override { return No(); }
  Result<std::vector<std::string>> ListDir(const std::string&) override { return Fail(No()); }
  bool FileExists(const std::string&) override { return false; }
  Result<uint64_t> FileSize(const std::string&) override { return Fail(No()); }
  Result<SpaceInfo> Space(const std::string&) override { return Fail(No()); }
  Result<std::unique_ptr<FileLock>> LockFile(const std::string&, std::string_view) override { return Fail(No()); }

 private:
  static Status No() { return Status::NotSupported("memory storage"); }
  std::mutex mutex_;
  std::map<std::string, MemoryFileRef> files_;
};

}  // namespace silt::lsm
