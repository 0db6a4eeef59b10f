#include "lsm/storage/sim_disk.h"

#include <fmt/format.h>

#include <algorithm>

namespace silt::lsm {
namespace {

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    size_t slash = std::min(path.find('/'), path.size());
    std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

std::string Normalized(std::string_view path) {
  std::string result;
  for (const std::string& part : SplitPath(path)) result.append("/").append(part);
  return result.empty() ? "/" : result;
}

Status Missing(std::string_view call, const std::string& path) {
  return Status::NotFound(fmt::format("{}: {}: No such file or directory", call, path));
}

Status IsDirectory(std::string_view call, const std::string& path) {
  return Status::IoError(fmt::format("{}: {}: Is a directory", call, path));
}

Status DiskFull(std::string_view call, const std::string& path) {
  return Status::NoSpace(fmt::format("{}: {}: No space left on device", call, path));
}

}  // namespace

Status SimStorage::Disk::PowerStatus(const std::string& path) const {
  return power_off_ ? Status::IoError(fmt::format("{}: the simulated power is off", path)) : Status::Ok();
}

// Numbers the operation and asks the hook, without the lock, what shall become of it.
Status SimStorage::Disk::Begin(SimOperation* operation, std::optional<SimFault>* fault) {
  std::shared_ptr<SimFaultHook> hook;
  {
    std::lock_guard guard(mutex_);
    if (operations_ >= cut_at_) power_off_ = true;
    SILT_RETURN_IF_ERROR(PowerStatus(operation->path));
    operation->index = operations_++;
    ++operations_by_kind_[static_cast<size_t>(operation->op)];
    hook = hook_;
  }
  if (hook) *fault = (*hook)(*operation);
  return Status::Ok();
}

// `action` is called under the lock, with the fault if there is one and it has an effect.
template <class Action>
Status SimStorage::Disk::Run(SimOperation operation, Action&& action) {
  std::optional<SimFault> fault;
  SILT_RETURN_IF_ERROR(Begin(&operation, &fault));
  std::lock_guard guard(mutex_);
  SILT_RETURN_IF_ERROR(PowerStatus(operation.path));
  if (!fault) return action(nullptr);
  if (fault->effect == SimFault::Effect::kNothing) return fault->status;
  Status status = action(&*fault);
  return fault->status.ok() ? status : fault->status;
}

void SimStorage::Disk::DropName(const SimNodeRef& node) {
  if (--node->links == 0) used_blocks_ -= node->contents.live().allocated();
}

uint64_t SimStorage::Disk::FreeBlocks() const {
  return limit_blocks_ > used_blocks_ ? limit_blocks_ - used_blocks_ : 0;
}

SimNodeRef SimStorage::Disk::Find(const std::string& path) const {
  SimNodeRef node = root_;
  for (const std::string& part : SplitPath(path)) {
    if (!node || !node->is_directory) return nullptr;
    node = node->directory.Find(part);
  }
  return node;
}

Result<SimStorage::Disk::Place> SimStorage::Disk::FindPlace(std::string_view call, const std::string& path) const {
  std::vector<std::string> parts = SplitPath(path);
  if (parts.empty()) return Fail(IsDirectory(call, path));
  Place place{root_, parts.back()};
  parts.pop_back();
  for (const std::string& part : parts) {
    place.directory = place.directory->directory.Find(part);
    if (!place.directory || !place.directory->is_directory) return Fail(Missing(call, path));
  }
  return place;
}

Result<SimNodeRef> SimStorage::Disk::CreateLocked(const std::string& path) {
  auto place = FindPlace("open", path);
  if (!place) return Fail(place.error());
  SimNodeRef node = place->directory->directory.Find(place->name);
  if (node && node->is_directory) return Fail(IsDirectory("open", path));
  if (node) {
    if (node->contents.live().size() > 0) Account(node, [](SimContents& contents) { contents.Truncate(0); });
    return node;
  }
  node = std::make_shared<SimNode>();
  node->links = 1;
  place->directory->directory.Apply({{place->name, node}});
  return node;
}

Result<SimNodeRef> SimStorage::Disk::Create(const std::string& path) {
  SimNodeRef node;
  Status status = Run({.op = SimOp::kCreate, .path = path}, [&](const SimFault*) {
    auto created = CreateLocked(path);
    if (created) node = *created;
    return created ? Status::Ok() : created.error();
  });
  if (status.ok() && !node) status = Status::IoError(fmt::format("open: {}: the file was not created", path));
  if (!status.ok()) return Fail(std::move(status));
  return node;
}

Result<SimNodeRef> SimStorage::Disk::Open(const std::string& path) {
  std::lock_guard guard(mutex_);
  if (auto status = PowerStatus(path); !status.ok()) return Fail(std::move(status));
  SimNodeRef node = Find(path);
  if (!node) return Fail(Missing("open", path));
  if (node->is_directory) return Fail(IsDirectory("open", path));
  return node;
}

Status SimStorage::Disk::RenameLocked(const std::string& from, const std::string& to) {
  auto old_place = FindPlace("rename", from);
  auto new_place = FindPlace("rename", to);
  if (!old_place) return old_place.error();
  if (!new_place) return new_place.error();
  SimNodeRef node = old_place->directory->directory.Find(old_place->name);
  SimNodeRef replaced = new_place->directory->directory.Find(new_place->name);
  if (!node) return Missing("rename", from);
  if (node == replaced) return Status::Ok();
  if (replaced && (replaced->is_directory || node->is_directory)) return IsDirectory("rename", to);
  if (Normalized(to).starts_with(Normalized(from) + "/")) {
    return Status::IoError(fmt::format("rename: {} to {}: Invalid argument", from, to));
  }
  if (replaced) DropName(replaced);
  if (old_place->directory == new_place->directory) {
    old_place->directory->directory.Apply({{old_place->name, nullptr}, {new_place->name, node}});
  } else {
    uint64_t id = next_shared_id_++;
    new_place->directory->directory.ApplyShared({new_place->name, node}, id, nullptr);
    old_place->directory->directory.ApplyShared({old_place->name, nullptr}, id, new_place->directory);
  }
  return Status::Ok();
}

Status SimStorage::Disk::Rename(const std::string& from, const std::string& to) {
  return Run({.op = SimOp::kRename, .path = from, .to = to}, [&](const SimFault*) { return RenameLocked(from, to); });
}

Result<SimNodeRef> SimStorage::Disk::Reuse(const std::string& from, const std::string& to) {
  SimNodeRef node;
  Status status = Run({.op = SimOp::kReuse, .path = from, .to = to}, [&](const SimFault*) {
    SimNodeRef old = Find(from);
    if (old && old->is_directory) return IsDirectory("open", from);
    Status renamed = RenameLocked(from, to);
    if (renamed.ok()) node = old;
    return renamed;
  });
  if (status.ok() && !node) status = Status::IoError(fmt::format("open: {}: the file was not renamed", from));
  if (!status.ok()) return Fail(std::move(status));
  return node;
}

Status SimStorage::Disk::Link(const std::string& from, const std::string& to) {
  return Run({.op = SimOp::kLink, .path = from, .to = to}, [&](const SimFault*) {
    auto place = FindPlace("link", to);
    if (!place) return place.error();
    SimNodeRef node = Find(from);
    if (!node) return Missing("link", from);
    if (node->is_directory) return IsDirectory("link", from);
    if (place->directory->directory.Find(place->name)) {
      return Status::IoError(fmt::format("link: {} to {}: File exists", from, to));
    }
    ++node->links;
    place->directory->directory.Apply({{place->name, node}});
    return Status::Ok();
  });
}

Status SimStorage::Disk::Delete(const std::string& path) {
  return Run({.op = SimOp::kDelete, .path = path}, [&](const SimFault*) {
    auto place = FindPlace("unlink", path);
    if (!place) return place.error();
    SimNodeRef node = place->directory->directory.Find(place->name);
    if (!node) return Missing("unlink", path);
    if (node->is_directory) return IsDirectory("unlink", path);
    DropName(node);
    place->directory->directory.Apply({{place->name, nullptr}});
    return Status::Ok();
  });
}

Status SimStorage::Disk::CreateDir(const std::string& path) {
  return Run({.op = SimOp::kCreateDir, .path = path}, [&](const SimFault*) {
    if (SimNodeRef node = Find(path)) {
      if (node->is_directory) return Status::Ok();
      return Status::IoError(fmt::format("mkdir: {}: File exists", path));
    }
    auto place = FindPlace("mkdir", path);
    if (!place) return place.error();
    auto node = std::make_shared<SimNode>();
    node->is_directory = true;
    place->directory->directory.Apply({{place->name, node}});
    return Status::Ok();
  });
}

Status SimStorage::Disk::SyncDir(const std::string& path) {
  return Run({.op = SimOp::kSyncDir, .path = path}, [&](const SimFault*) {
    SimNodeRef node = Find(path);
    if (!node || !node->is_directory) return Missing("open", path);
    node->directory.Sync();
    return Status::Ok();
  });
}

Status SimStorage::Disk::WriteLocked(const SimNodeRef& node, const std::string& path, uint64_t offset,
                                     std::string_view data) {
  uint64_t fits = node->contents.BytesThatFit(offset, data.size(), FreeBlocks());
  if (fits > 0) Account(node, [&](SimContents& contents) { contents.Write(offset, data.substr(0, fits)); });
  return fits == data.size() ? Status::Ok() : DiskFull("pwrite", path);
}

Status SimStorage::Disk::Append(const SimNodeRef& node, const std::string& path, std::string_view data,
                                std::atomic<uint64_t>* position) {
  SimOperation operation{.op = SimOp::kWrite, .path = path, .offset = *position, .length = data.size()};
  return Run(std::move(operation), [&](const SimFault* fault) {
    bool part = fault && fault->effect == SimFault::Effect::kPartial;
    Status status = WriteLocked(node, path, *position, part ? data.substr(0, fault->bytes) : data);
    // A failed append leaves the position where it was, whatever was written; a liar's moves on.
    if (status.ok() && (!fault || fault->status.ok())) *position += data.size();
    return status;
  });
}

Status SimStorage::Disk::Truncate(const SimNodeRef& node, const std::string& path, uint64_t size,
                                  std::atomic<uint64_t>* position) {
  return Run({.op = SimOp::kTruncate, .path = path, .offset = size}, [&](const SimFault*) {
    Account(node, [&](SimContents& contents) { contents.Truncate(size); });
    *position = size;
    return Status::Ok();
  });
}

Status SimStorage::Disk::Preallocate(const SimNodeRef& node, const std::string& path, uint64_t size) {
  return Run({.op = SimOp::kPreallocate, .path = path, .offset = size}, [&](const SimFault*) {
    if (node->contents.BlocksToReserve(size) > FreeBlocks()) return DiskFull("fallocate", path);
    Account(node, [&](SimContents& contents) { contents.Reserve(size); });
    return Status::Ok();
  });
}

Status SimStorage::Disk::WriteZeros(const SimNodeRef& node, const std::string& path, uint64_t begin, uint64_t end) {
  return Run({.op = SimOp::kPreallocate, .path = path, .offset = end}, [&](const SimFault*) {
    return WriteLocked(node, path, begin, std::string(end > begin ? end - begin : 0, '\0'));
  });
}

Status SimStorage::Disk::Sync(const SimNodeRef& node, const std::string& path) {
  return Run({.op = SimOp::kSync, .path = path}, [&](const SimFault* fault) {
    if (fault && fault->effect == SimFault::Effect::kDropped) {
      node->contents.DropDirty();
    } else {
      node->contents.Sync();
    }
    return Status::Ok();
  });
}

Result<size_t> SimStorage::Disk::Read(const SimNodeRef& node, const std::string& path, uint64_t offset,
                                      std::span<char> out) {
  std::shared_ptr<SimReadHook> hook;
  {
    std::lock_guard guard(mutex_);
    if (auto status = PowerStatus(path); !status.ok()) return Fail(std::move(status));
    hook = read_hook_;
    if (!hook) return node->contents.live().Read(offset, out);
  }
  if (auto status = (*hook)(path, offset, out.size()); !status.ok()) return Fail(std::move(status));
  std::lock_guard guard(mutex_);
  return node->contents.live().Read(offset, out);
}

uint64_t SimStorage::Disk::SizeOf(const SimNodeRef& node) {
  std::lock_guard guard(mutex_);
  return node->contents.live().size();
}

Result<std::vector<std::string>> SimStorage::Disk::List(const std::string& path) {
  std::lock_guard guard(mutex_);
  if (auto status = PowerStatus(path); !status.ok()) return Fail(std::move(status));
  SimNodeRef node = Find(path);
  if (!node || !node->is_directory) return Fail(Missing("opendir", path));
  std::vector<std::string> names;
  for (const auto& [name, child] : node->directory.live()) names.push_back(name);
  return names;
}

bool SimStorage::Disk::Exists(const std::string& path) {
  std::lock_guard guard(mutex_);
  return !power_off_ && Find(path) != nullptr;
}

Status SimStorage::Disk::Lock(const std::string& path, std::string_view description, std::string* key) {
  return Run({.op = SimOp::kCreate, .path = path}, [&](const SimFault*) {
    *key = Normalized(path);
    if (auto at = locks_.find(*key); at != locks_.end()) {
      return Status::Busy(fmt::format("{}: held by {}", path, at->second));
    }
    auto node = CreateLocked(path);
    if (!node) return node.error();
    static_cast<void>(WriteLocked(*node, path, 0, description));  // a full disk must not keep a store from being opened
    locks_.emplace(*key, description);
    return Status::Ok();
  });
}

void SimStorage::Disk::Unlock(const std::string& key) {
  std::lock_guard guard(mutex_);
  locks_.erase(key);
}

}  // namespace silt::lsm
