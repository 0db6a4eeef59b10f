// What tests do to the simulated disk, as opposed to what the engine does (sim_disk.cc).
#include <fmt/format.h>

#include <functional>
#include <set>

#include "lsm/storage/sim_disk.h"

namespace silt::lsm {
namespace {

void ForEachFile(const SimNodeRef& node, const std::string& path,
                 const std::function<void(const std::string& path, const SimNodeRef& file)>& visit) {
  for (const auto& [name, child] : node->directory.live()) {
    std::string child_path = path + "/" + name;
    if (child->is_directory) {
      ForEachFile(child, child_path, visit);
    } else {
      visit(child_path, child);
    }
  }
}

}  // namespace

std::shared_ptr<SimStorage::Disk> SimStorage::Disk::CrashClone(uint64_t seed, const SimCrashOptions& options) {
  std::lock_guard guard(mutex_);
  std::mt19937_64 random(seed);
  auto clone = std::make_shared<Disk>();
  clone->root_ = CopyAfterCrash(root_, random, options);
  clone->limit_blocks_ = limit_blocks_;
  std::set<const SimNode*> counted;  // hard links
  ForEachFile(clone->root_, "", [&](const std::string&, const SimNodeRef& file) {
    if (counted.insert(file.get()).second) clone->used_blocks_ += file->contents.live().allocated();
  });
  return clone;
}

void SimStorage::Disk::SetFaultHook(SimFaultHook hook) {
  auto shared = hook ? std::make_shared<SimFaultHook>(std::move(hook)) : nullptr;
  std::lock_guard guard(mutex_);
  hook_.swap(shared);
}

void SimStorage::Disk::SetReadHook(SimReadHook hook) {
  auto shared = hook ? std::make_shared<SimReadHook>(std::move(hook)) : nullptr;
  std::lock_guard guard(mutex_);
  read_hook_.swap(shared);
}

void SimStorage::Disk::CutPowerAt(uint64_t operation_index) {
  std::lock_guard guard(mutex_);
  cut_at_ = operation_index;
  if (operation_index < operations_ || operation_index == 0) power_off_ = true;
}

bool SimStorage::Disk::PowerIsOff() {
  std::lock_guard guard(mutex_);
  return power_off_;
}

uint64_t SimStorage::Disk::OperationCount(std::optional<SimOp> op) {
  std::lock_guard guard(mutex_);
  return op ? operations_by_kind_[static_cast<size_t>(*op)] : operations_;
}

void SimStorage::Disk::SetSpaceLimit(uint64_t bytes) {
  std::lock_guard guard(mutex_);
  limit_blocks_ = bytes / kSimBlockSize;
}

uint64_t SimStorage::Disk::UsedBytes() {
  std::lock_guard guard(mutex_);
  return used_blocks_ * kSimBlockSize;
}

Result<SpaceInfo> SimStorage::Disk::Space(const std::string& path) {
  std::lock_guard guard(mutex_);
  if (auto status = PowerStatus(path); !status.ok()) return Fail(std::move(status));
  return SpaceInfo{.total_bytes = limit_blocks_ * kSimBlockSize, .free_bytes = FreeBlocks() * kSimBlockSize};
}

// A file of at least `end` bytes.
Result<SimNodeRef> SimStorage::Disk::FindFile(const std::string& path, uint64_t end) const {
  SimNodeRef node = Find(path);
  if (!node || node->is_directory) return Fail(Status::NotFound(fmt::format("{}: no such file", path)));
  if (end > node->contents.live().size()) {
    return Fail(Status::InvalidArgument(fmt::format("{}: shorter than {} bytes", path, end)));
  }
  return node;
}

Status SimStorage::Disk::FlipBit(const std::string& path, uint64_t byte_offset, int bit) {
  std::lock_guard guard(mutex_);
  auto node = FindFile(path, byte_offset + 1);
  if (!node) return node.error();
  char byte = 0;
  (*node)->contents.live().Read(byte_offset, {&byte, 1});
  byte = static_cast<char>(byte ^ (1 << bit));
  Account(*node, [&](SimContents& contents) { contents.Damage(byte_offset, {&byte, 1}); });
  return Status::Ok();
}

Status SimStorage::Disk::Overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  std::lock_guard guard(mutex_);
  auto node = FindFile(path, offset + bytes.size());
  if (!node) return node.error();
  Account(*node, [&](SimContents& contents) { contents.Damage(offset, bytes); });
  return Status::Ok();
}

Status SimStorage::Disk::CutFile(const std::string& path, uint64_t size) {
  std::lock_guard guard(mutex_);
  auto node = FindFile(path, size);
  if (!node) return node.error();
  Account(*node, [&](SimContents& contents) { contents.Cut(size); });
  return Status::Ok();
}

std::vector<std::string> SimStorage::Disk::AllFiles() {
  std::lock_guard guard(mutex_);
  std::vector<std::string> paths;
  ForEachFile(root_, "", [&](const std::string& path, const SimNodeRef&) { paths.push_back(path); });
  return paths;
}

}  // namespace silt::lsm
