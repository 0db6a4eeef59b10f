// Making and opening stores on a disk: the engine's options, and what may be formatted.
#include <fmt/format.h>

#include <algorithm>

#include "fs/store.h"
#include "lsm/filenames.h"

namespace silt::fs {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr std::string_view kBallastName = "ballast";  // see lsm::Options::ballast_bytes

lsm::Storage* StorageOr(lsm::Storage* storage) {
  return storage ? storage : lsm::Storage::Posix();
}

// From here on the store is this directory, whatever is renamed or put in its place.
lsm::Result<std::shared_ptr<lsm::Storage>> OpenStoreDirectory(lsm::Storage* storage, const std::string& path) {
  auto directory = StorageOr(storage)->OpenDirectory(path);
  if (!directory && directory.error().IsNotFound()) {
    return lsm::Fail(lsm::Status::NotFound(path + ": there is no store"));
  }
  return directory;
}

SpaceProbe ProbeOf(std::shared_ptr<lsm::Storage> storage, const std::string& path) {
  return [storage = std::move(storage), path] { return storage->Space(path); };
}

void SetCompression(lsm::Options* options, lsm::Compression compression) {
  for (auto& family : options->families) {
    // What is written and soon rewritten should cost little; the last level holds nearly everything.
    family.compression = compression == lsm::Compression::kZstd ? lsm::Compression::kSnappy : compression;
    family.last_level_compression = compression;
  }
}

// A small disk cannot spare what large memtables take in logs and in runs that wait for compaction.
void FitToDisk(lsm::Options* options, lsm::Storage* storage, const std::string& path) {
  auto space = storage->Space(path);
  if (!space) return;
  options->memtable_bytes = std::clamp<uint64_t>(
      space->total_bytes / 64, std::min<uint64_t>(kMiB, options->memtable_bytes), options->memtable_bytes);
  options->ballast_bytes = std::min(options->ballast_bytes, SpaceGuard::Reserve(space->total_bytes) / 2);
  for (auto& family : options->families) {
    family.target_file_bytes = std::clamp<uint64_t>(space->total_bytes / 64, kMiB, family.target_file_bytes);
    family.base_level_bytes =
        std::clamp<uint64_t>(space->total_bytes / 16, 4 * kMiB, std::max(4 * kMiB, family.base_level_bytes));
  }
}

// What belongs to the engine, and nothing else that people may have put beside it.
lsm::Status RemoveStore(lsm::Storage* storage, const std::string& path) {
  auto lock = storage->LockFile(lsm::JoinPath(path, lsm::kLockName), "mkfs");
  if (!lock) return lock.error();
  auto names = storage->ListDir(path);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto parsed = lsm::ParseFileName(name);
    bool ours = (parsed && parsed->kind != lsm::FileKind::kLock) || name == kBallastName;
    if (ours) SILT_RETURN_IF_ERROR(storage->DeleteFile(lsm::JoinPath(path, name)));
  }
  if (auto lost = storage->ListDir(lsm::JoinPath(path, lsm::kLostDirName))) {
    for (const std::string& name : *lost) {
      SILT_RETURN_IF_ERROR(storage->DeleteFile(lsm::JoinPath(lsm::JoinPath(path, lsm::kLostDirName), name)));
    }
  }
  return storage->SyncDir(path);
}

}  // namespace

// Of memory_bytes: memtables at most 3/8 (one filling, two waiting), block cache 3/8, inodes 1/16; the rest is for open
// tables, iterators and requests under way.
lsm::Options Filesystem::EngineOptions(const OpenOptions& options) {
  lsm::Options engine;
  lsm::FamilyOptions meta;
  meta.name = "meta";
  meta.block_bytes = 4 << 10;
  meta.filter_bits_per_key = 10;
  meta.filter_last_level = true;  // every create and every ENOENT looks up what does not exist
  meta.target_file_bytes = 16 * kMiB;
  meta.base_level_bytes = 64 * kMiB;
  lsm::FamilyOptions data;
  data.name = "data";
  data.block_bytes = 32 << 10;
  data.filter_bits_per_key = 10;
  data.filter_last_level = false;  // blocks that are read mostly exist
  data.target_file_bytes = 64 * kMiB;
  data.base_level_bytes = 256 * kMiB;
  engine.families = {meta, data};
  SetCompression(&engine, lsm::Compression::kSnappy);

  engine.max_immutable_memtables = 2;
  engine.memtable_bytes = std::clamp<uint64_t>(options.memory_bytes / 8, 1 * kMiB, 64 * kMiB);
  engine.block_cache_bytes = std::max<uint64_t>(options.memory_bytes * 3 / 8, 2 * kMiB);
  engine.ballast_bytes = 64 * kMiB;
  engine.read_only = options.read_only;
  engine.lock_description = options.lock_description;
  engine.storage = options.storage;
  engine.clock = options.clock;
  engine.log = options.log;
  return engine;
}

lsm::Status Filesystem::Format(lsm::Storage* storage, const std::string& path, const FormatOptions& options,
                               bool force) {
  SILT_RETURN_IF_ERROR(StorageOr(storage)->CreateDir(path));
  auto directory = OpenStoreDirectory(storage, path);
  if (!directory) return directory.error();
  storage = directory->get();
  OpenOptions open;
  open.storage = storage;
  lsm::Options engine = EngineOptions(open);
  engine.storage = storage;
  engine.create_if_missing = true;
  auto names = storage->ListDir(path);
  if (!names) return names.error();
  if (!names->empty()) {
    if (!lsm::StoreExists(engine, path)) {
      return lsm::Status::InvalidArgument(fmt::format("{}: not empty, and no siltfs store", path));
    }
    if (!force) {
      return lsm::Status::InvalidArgument(fmt::format("{}: holds a store already; use --force to destroy it", path));
    }
    SILT_RETURN_IF_ERROR(RemoveStore(storage, path));
  }
  SetCompression(&engine, options.compression);
  FitToDisk(&engine, storage, path);
  auto db = lsm::Db::Open(engine, path);
  if (!db) return db.error();
  SILT_RETURN_IF_ERROR(FormatOn(db->get(), options, SystemTime()));
  return (*db)->Close();
}

lsm::Result<std::unique_ptr<Filesystem>> Filesystem::Open(const OpenOptions& options, const std::string& path) {
  auto directory = OpenStoreDirectory(options.storage, path);
  if (!directory) return lsm::Fail(directory.error());
  lsm::Storage* storage = directory->get();
  lsm::Options engine = EngineOptions(options);
  engine.storage = storage;
  FitToDisk(&engine, storage, path);
  auto db = lsm::Db::Open(engine, path);
  if (!db) return lsm::Fail(db.error());
  auto superblock = ReadSuperblock(db->get());
  if (!superblock) return lsm::Fail(superblock.error());
  if (superblock->compression != lsm::Compression::kSnappy) {
    // Only the open store tells what it was made with: open it once more.
    if (lsm::Status closed = (*db)->Close(); !closed.ok()) return lsm::Fail(closed);
    db->reset();
    SetCompression(&engine, superblock->compression);
    db = lsm::Db::Open(engine, path);
    if (!db) return lsm::Fail(db.error());
  }
  return OpenOn(std::move(*db), options, ProbeOf(*std::move(directory), path));
}

}  // namespace silt::fs
