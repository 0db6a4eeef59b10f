// The state behind SimStorage and its open files. Part of SimStorage.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lsm/storage/sim_directory.h"

namespace silt::lsm {

// Thread-safe.
class SimStorage::Disk {
 public:
  Disk() : root_(std::make_shared<SimNode>()) { root_->is_directory = true; }

  std::shared_ptr<Disk> CrashClone(uint64_t seed, const SimCrashOptions& options);
  void SetFaultHook(SimFaultHook hook);
  void SetReadHook(SimReadHook hook);
  void CutPowerAt(uint64_t operation_index);
  bool PowerIsOff();
  uint64_t OperationCount(std::optional<SimOp> op);  // nullopt: of all kinds
  void SetSpaceLimit(uint64_t bytes);
  uint64_t UsedBytes();
  Result<SpaceInfo> Space(const std::string& path);
  Status FlipBit(const std::string& path, uint64_t byte_offset, int bit);
  Status Overwrite(const std::string& path, uint64_t offset, std::string_view bytes);
  Status CutFile(const std::string& path, uint64_t size);
  std::vector<std::string> AllFiles();

  Result<SimNodeRef> Create(const std::string& path);
  Result<SimNodeRef> Open(const std::string& path);
  Result<SimNodeRef> Reuse(const std::string& from, const std::string& to);
  Status Delete(const std::string& path);
  Status Rename(const std::string& from, const std::string& to);
  Status Link(const std::string& from, const std::string& to);
  Status CreateDir(const std::string& path);
  Status SyncDir(const std::string& path);
  Result<std::vector<std::string>> List(const std::string& path);
  bool Exists(const std::string& path);
  uint64_t SizeOf(const SimNodeRef& node);

  Status Append(const SimNodeRef& node, const std::string& path, std::string_view data,
                std::atomic<uint64_t>* position);
  Status Truncate(const SimNodeRef& node, const std::string& path, uint64_t size, std::atomic<uint64_t>* position);
  Status Preallocate(const SimNodeRef& node, const std::string& path, uint64_t size);
  Status WriteZeros(const SimNodeRef& node, const std::string& path, uint64_t begin, uint64_t end);
  Status Sync(const SimNodeRef& node, const std::string& path);
  Result<size_t> Read(const SimNodeRef& node, const std::string& path, uint64_t offset, std::span<char> out);

  Status Lock(const std::string& path, std::string_view description, std::string* key);
  void Unlock(const std::string& key);

 private:
  struct Place {  // of a name
    SimNodeRef directory;
    std::string name;
  };
  template <class Action>
  Status Run(SimOperation operation, Action&& action);
  Status Begin(SimOperation* operation, std::optional<SimFault>* fault);
  Status PowerStatus(const std::string& path) const;

  SimNodeRef Find(const std::string& path) const;
  Result<SimNodeRef> FindFile(const std::string& path, uint64_t end) const;
  Result<Place> FindPlace(std::string_view call, const std::string& path) const;
  Result<SimNodeRef> CreateLocked(const std::string& path);
  Status RenameLocked(const std::string& from, const std::string& to);
  Status WriteLocked(const SimNodeRef& node, const std::string& path, uint64_t offset, std::string_view data);
  uint64_t FreeBlocks() const;
  // Changes a file's contents by `change` and keeps the account of blocks.
  template <class Change>
  void Account(const SimNodeRef& node, Change&& change) {
    uint64_t before = node->contents.live().allocated();
    change(node->contents);
    if (node->links != 0) used_blocks_ += node->contents.live().allocated() - before;
  }
  void DropName(const SimNodeRef& node);

  std::mutex mutex_;  // guards everything below
  SimNodeRef root_;
  std::map<std::string, std::string> locks_;  // path to description
  std::shared_ptr<SimFaultHook> hook_;
  std::shared_ptr<SimReadHook> read_hook_;
  uint64_t operations_ = 0;
  std::array<uint64_t, kSimOps> operations_by_kind_{};
  uint64_t cut_at_ = UINT64_MAX;
  bool power_off_ = false;
  uint64_t limit_blocks_ = (uint64_t{1} << 40) / kSimBlockSize;
  uint64_t used_blocks_ = 0;
  uint64_t next_shared_id_ = 1;
};

}  // namespace silt::lsm
