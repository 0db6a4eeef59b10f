// The life of a filesystem on an engine that is open: format, start, sync, statfs, close.
#include <fmt/format.h>

#include <chrono>
#include <random>

#include "fs/store.h"

namespace silt::fs {

using schema::InodeRecord;
using schema::SuperblockRecord;

Time SystemTime() {
  auto since = std::chrono::system_clock::now().time_since_epoch();
  auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
  return {.seconds = ns / 1'000'000'000, .nanoseconds = static_cast<uint32_t>(ns % 1'000'000'000)};
}

namespace {

std::array<uint8_t, 16> RandomUuid() {
  std::random_device random;
  std::array<uint8_t, 16> uuid{};
  for (uint8_t& byte : uuid) byte = static_cast<uint8_t>(random());
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);  // RFC 9562, version 4
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

Superblock PublicSuperblock(const SuperblockRecord& record) {
  return {.uuid = schema::FormatUuid(record.uuid),
          .format_version = record.format_version,
          .block_size = record.block_size,
          .compression = record.compression,
          .next_inode = record.next_number};
}

// The part of the memory budget that holds recently used inodes; the rest is the engine's (EngineOptions).
size_t MaxCachedInodes(uint64_t memory_bytes) {
  constexpr size_t kBytesEach = 512;  // InodeState, its two table nodes, the allocator's share
  return std::clamp<uint64_t>(memory_bytes / 16 / kBytesEach, 1024, 1 << 18);
}

// What is in memtables has been acknowledged, and takes space as soon as it is flushed.
SpaceProbe WithoutUnflushed(SpaceProbe probe, const lsm::Db* db) {
  if (!probe) return probe;
  return [probe = std::move(probe), db]() -> lsm::Result<lsm::SpaceInfo> {
    auto info = probe();
    if (info) info->free_bytes -= std::min(info->free_bytes, db->MemtableBytes());
    return info;
  };
}

// How much deleted data may lie about until a memtable fills: what nobody misses on a disk of this size.
uint64_t WorthReclaiming(SpaceGuard* space) {
  auto seen = space->Look();
  return SpaceGuard::Reserve(seen ? seen->total : 0) / 4;
}

}  // namespace

lsm::Status FormatOn(lsm::Db* db, const FormatOptions& options, Time now) {
  SuperblockRecord superblock;
  superblock.uuid = RandomUuid();
  superblock.block_size = options.block_size;
  superblock.compression = options.compression;
  if (!SuperblockRecord::Decode(superblock.Encode())) {
    return lsm::Status::InvalidArgument(fmt::format("block size {}: must be a power of two from {} to {}",
                                                    options.block_size, schema::kMinBlockSize, schema::kMaxBlockSize));
  }
  InodeRecord root;
  root.mode = S_IFDIR | (options.root_mode & 07777u);
  root.uid = options.root_uid;
  root.gid = options.root_gid;
  root.nlink = 2;
  root.parent = kRootInode;
  root.atime = root.mtime = root.ctime = root.btime = now;
  lsm::WriteBatch batch;
  batch.Put(schema::kMeta, schema::SuperblockKey(), superblock.Encode());
  batch.Put(schema::kMeta, schema::InodeKey(kRootInode), root.Encode());
  return db->Write({.sync = true}, batch);
}

lsm::Result<SuperblockRecord> ReadSuperblock(lsm::Db* db) {
  lsm::PinnedValue value;
  lsm::Status status = db->Get({}, schema::kMeta, schema::SuperblockKey(), &value);
  if (status.IsNotFound()) return lsm::Fail(lsm::Status::Corruption("no superblock in the store; run fsck"));
  if (!status.ok()) return lsm::Fail(status);
  auto record = SuperblockRecord::Decode(value.view());
  if (!record) return lsm::Fail(lsm::Status::Corruption("the superblock does not decode; run fsck"));
  if (record->format_version > schema::kFormatVersion) {
    return lsm::Fail(lsm::Status::NotSupported(
        fmt::format("filesystem format {} is newer than this program's {}; use a newer siltfs", record->format_version,
                    schema::kFormatVersion)));
  }
  if (record->features_incompatible != 0) {
    return lsm::Fail(lsm::Status::NotSupported(fmt::format(
        "filesystem features {:#x} are unknown to this program; use a newer siltfs", record->features_incompatible)));
  }
  return *record;
}

lsm::Result<std::unique_ptr<Filesystem>> OpenOn(std::unique_ptr<lsm::Db> db, const OpenOptions& options,
                                                SpaceProbe probe) {
  auto superblock = ReadSuperblock(db.get());
  if (!superblock) return lsm::Fail(superblock.error());
  if (superblock->features_read_only != 0 && !options.read_only) {
    return lsm::Fail(lsm::Status::NotSupported(
        fmt::format("filesystem features {:#x} are unknown to this program; open it read-only or use a newer siltfs",
                    superblock->features_read_only)));
  }
  if (superblock->format_version < schema::kFormatVersion && !options.read_only) {
    // From now on there may be what an older program does not know.
    superblock->format_version = schema::kFormatVersion;
    lsm::WriteBatch batch;
    batch.Put(schema::kMeta, schema::SuperblockKey(), superblock->Encode());
    if (auto status = db->Write({}, batch); !status.ok()) return lsm::Fail(status);
  }
  auto store = std::make_unique<Store>(std::move(db), options, *superblock, std::move(probe));
  store->Start();
  return store;
}

Store::Store(std::unique_ptr<lsm::Db> db, const OpenOptions& options, const SuperblockRecord& superblock,
             SpaceProbe probe)
    : db_(std::move(db)),
      read_only_(options.read_only),
      commit_interval_micros_(options.commit_interval_micros),
      now_(options.now ? options.now : SystemTime),
      superblock_(PublicSuperblock(superblock)),
      records_(db_.get(), options.log),
      inodes_(&records_, MaxCachedInodes(options.memory_bytes)),
      numbers_(&records_, superblock),
      inode_count_(&records_),
      space_(WithoutUnflushed(std::move(probe), db_.get()), options.clock),
      data_(&records_, superblock.block_size),
      timer_(&records_),
      reclaimer_(&records_, &space_, WorthReclaiming(&space_)) {}

Store::~Store() {
  (void)Close();
}

void Store::Start() {
  LoadPromises();
  if (!read_only_) ReapAll();
  inode_count_.Start();
  if (read_only_) return;
  reclaimer_.Freed(db_->UnflushedDeletions());  // before a crash that came first
  if (commit_interval_micros_ > 0) timer_.Start(commit_interval_micros_);
}

lsm::Status Store::Close() {
  if (closed_.exchange(true)) return lsm::Status::Ok();
  inode_count_.Stop();
  reclaimer_.Stop();
  timer_.Stop();
  lsm::Status synced = read_only_ ? lsm::Status::Ok() : db_->Sync(db_->LastSequence());
  lsm::Status closed = db_->Close();
  return synced.ok() ? closed : synced;
}

Outcome Store::SyncAll() {
  if (closed_) return Fail(EIO);
  if (read_only_) return {};  // fsync(2) of what was opened for reading only is no error elsewhere
  return records_.Sync(db_->LastSequence());
}

Result<FilesystemStats> Store::Stat() {
  if (closed_) return Fail(EIO);
  auto space = space_.Look();
  if (!space) return Fail(ErrnoOf(space.error()));
  FilesystemStats stats;
  stats.block_size = superblock_.block_size;
  stats.total_bytes = space->total;
  stats.free_bytes = space->free;
  stats.available_bytes = space->available;
  for (const auto& family : db_->GetStats().families) {
    for (const auto& level : family.levels) stats.used_bytes += level.bytes;
  }
  if (!space->known) stats.total_bytes += stats.used_bytes;
  if (space_.IsTight()) {
    // Who writes on has the space of what was deleted, having waited until it is reclaimed. Elsewhere nobody misses it.
    reclaimer_.Freed(0);
    const uint64_t coming = std::min(reclaimer_.Pending(space->free), stats.total_bytes - stats.free_bytes);
    stats.free_bytes += coming;
    stats.available_bytes += coming;
  }
  // Inodes are made as they are needed: what small files would take stands for those that are free. Until those in use
  // are counted, numbers given out stand for them (a bound: none is used twice).
  constexpr uint64_t kBytesPerInode = 512;
  stats.free_inodes = stats.available_bytes / kBytesPerInode;
  const std::optional<uint64_t> counted = inode_count_.Get();
  stats.inodes_counted = counted.has_value();
  stats.inodes = counted.value_or(numbers_.next() - schema::kFirstNumber + 1) + stats.free_inodes;
  return stats;
}

}  // namespace silt::fs
