#include "lsm/storage/sim_storage.h"

#include <fmt/format.h>

#include "lsm/storage/sim_disk.h"

namespace silt::lsm {
namespace {

class SimWritableFile final : public WritableFile {
 public:
  SimWritableFile(std::shared_ptr<SimStorage::Disk> disk, SimNodeRef node, std::string path)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)) {}

  Status Append(std::string_view data) override {
    SILT_RETURN_IF_ERROR(CheckOpen("pwrite"));
    return disk_->Append(node_, path_, data, &position_);
  }
  Status Sync() override {
    SILT_RETURN_IF_ERROR(CheckOpen("fdatasync"));
    return disk_->Sync(node_, path_);
  }
  void StartWriteback(uint64_t) override {}
  Status Truncate(uint64_t size) override {
    SILT_RETURN_IF_ERROR(CheckOpen("ftruncate"));
    return disk_->Truncate(node_, path_, size, &position_);
  }
  Status Preallocate(uint64_t size) override {
    SILT_RETURN_IF_ERROR(CheckOpen("fallocate"));
    return disk_->Preallocate(node_, path_, size);
  }
  Status WriteZeros(uint64_t begin, uint64_t end) override {
    SILT_RETURN_IF_ERROR(CheckOpen("pwrite"));
    return disk_->WriteZeros(node_, path_, begin, end);
  }
  uint64_t Position() const override { return position_; }
  Status Close() override {
    closed_ = true;
    return Status::Ok();
  }

 private:
  Status CheckOpen(std::string_view call) const {
    return closed_ ? Status::IoError(fmt::format("{}: {}: Bad file descriptor", call, path_)) : Status::Ok();
  }

  std::shared_ptr<SimStorage::Disk> disk_;
  SimNodeRef node_;
  std::string path_;
  std::atomic<uint64_t> position_{0};
  std::atomic<bool> closed_{false};
};

class SimRandomAccessFile final : public RandomAccessFile {
 public:
  SimRandomAccessFile(std::shared_ptr<SimStorage::Disk> disk, SimNodeRef node, std::string path)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)), size_(disk_->SizeOf(node_)) {}

  Result<size_t> Read(uint64_t offset, std::span<char> out) const override {
    return disk_->Read(node_, path_, offset, out);
  }
  uint64_t Size() const override { return size_; }
  void Advise(uint64_t, uint64_t, AccessPattern) const override {}
  void Prefetch(uint64_t, uint64_t) const override {}

 private:
  std::shared_ptr<SimStorage::Disk> disk_;
  SimNodeRef node_;
  std::string path_;
  uint64_t size_;
};

class SimFileLock final : public FileLock {
 public:
  SimFileLock(std::shared_ptr<SimStorage::Disk> disk, std::string key) : disk_(std::move(disk)), key_(std::move(key)) {}
  ~SimFileLock() override { disk_->Unlock(key_); }

 private:
  std::shared_ptr<SimStorage::Disk> disk_;
  std::string key_;
};

}  // namespace

SimStorage::SimStorage() : disk_(std::make_shared<Disk>()) {}
SimStorage::SimStorage(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
SimStorage::~SimStorage() = default;

std::unique_ptr<SimStorage> SimStorage::CrashClone(uint64_t seed, const SimCrashOptions& options) const {
  return std::unique_ptr<SimStorage>(new SimStorage(disk_->CrashClone(seed, options)));
}

void SimStorage::SetFaultHook(SimFaultHook hook) {
  disk_->SetFaultHook(std::move(hook));
}
void SimStorage::SetReadHook(SimReadHook hook) {
  disk_->SetReadHook(std::move(hook));
}
void SimStorage::CutPowerAt(uint64_t operation_index) {
  disk_->CutPowerAt(operation_index);
}
void SimStorage::CutPower() {
  disk_->CutPowerAt(0);
}
bool SimStorage::PowerIsOff() const {
  return disk_->PowerIsOff();
}
uint64_t SimStorage::OperationCount() const {
  return disk_->OperationCount(std::nullopt);
}
uint64_t SimStorage::OperationCount(SimOp op) const {
  return disk_->OperationCount(op);
}
void SimStorage::SetSpaceLimit(uint64_t bytes) {
  disk_->SetSpaceLimit(bytes);
}
uint64_t SimStorage::UsedBytes() const {
  return disk_->UsedBytes();
}

Status SimStorage::FlipBit(const std::string& path, uint64_t byte_offset, int bit) {
  return disk_->FlipBit(path, byte_offset, bit);
}
Status SimStorage::Overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  return disk_->Overwrite(path, offset, bytes);
}
Status SimStorage::CutFile(const std::string& path, uint64_t size) {
  return disk_->CutFile(path, size);
}
std::vector<std::string> SimStorage::AllFiles() const {
  return disk_->AllFiles();
}

Result<std::unique_ptr<WritableFile>> SimStorage::NewWritableFile(const std::string& path) {
  auto node = disk_->Create(path);
  if (!node) return Fail(node.error());
  return std::make_unique<SimWritableFile>(disk_, std::move(*node), path);
}

Result<std::unique_ptr<WritableFile>> SimStorage::ReuseWritableFile(const std::string& old_path,
                                                                    const std::string& path) {
  auto node = disk_->Reuse(old_path, path);
  if (!node) return Fail(node.error());
  return std::make_unique<SimWritableFile>(disk_, std::move(*node), path);
}

Result<std::unique_ptr<RandomAccessFile>> SimStorage::NewRandomAccessFile(const std::string& path) {
  auto node = disk_->Open(path);
  if (!node) return Fail(node.error());
  return std::make_unique<SimRandomAccessFile>(disk_, std::move(*node), path);
}

Status SimStorage::DeleteFile(const std::string& path) {
  return disk_->Delete(path);
}
Status SimStorage::RenameFile(const std::string& from, const std::string& to) {
  return disk_->Rename(from, to);
}
Status SimStorage::LinkFile(const std::string& from, const std::string& to) {
  return disk_->Link(from, to);
}
Status SimStorage::CreateDir(const std::string& path) {
  return disk_->CreateDir(path);
}
Status SimStorage::SyncDir(const std::string& path) {
  return disk_->SyncDir(path);
}
Result<std::vector<std::string>> SimStorage::ListDir(const std::string& path) {
  return disk_->List(path);
}
bool SimStorage::FileExists(const std::string& path) {
  return disk_->Exists(path);
}

Result<uint64_t> SimStorage::FileSize(const std::string& path) {
  auto node = disk_->Open(path);
  if (!node) return Fail(node.error());
  return disk_->SizeOf(*node);
}

Result<SpaceInfo> SimStorage::Space(const std::string& path) {
  return disk_->Space(path);
}

Result<std::unique_ptr<FileLock>> SimStorage::LockFile(const std::string& path, std::string_view description) {
  std::string key;
  if (auto status = disk_->Lock(path, description, &key); !status.ok()) return Fail(std::move(status));
  return std::make_unique<SimFileLock>(disk_, std::move(key));
}

}  // namespace silt::lsm
