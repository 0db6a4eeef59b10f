// Attributes, xattrs, space, commit, format and open, failures of the engine.
#include "fs/store.h"

#include <sys/xattr.h>

#include <condition_variable>
#include <thread>

#include "fs/commit_timer.h"
#include "fs/lock_order.h"
#include "fs/lookup_counts.h"
#include "fs/number_allocator.h"
#include "fs/schema.h"
#include "fs/space.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

class StoreTest : public FsTest {};
SILT_FS_BACKENDS(StoreTest);

TEST_P(StoreTest, SetAttributesChangesWhatItIsTold) {
  InodeNumber file = fs.File("f");
  AttributeChange change;
  change.mode = 0600;
  change.uid = 5;
  change.atime = Time{.seconds = -3, .nanoseconds = 999'999'999};
  change.mtime_now = true;
  auto before = fs.Stat(file);
  auto after = fs->SetAttributes(file, change);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->mode, S_IFREG | 0600u);
  EXPECT_EQ(after->uid, 5u);
  EXPECT_EQ(after->gid, before.gid);
  EXPECT_EQ(after->atime, *change.atime);
  EXPECT_GT(after->mtime, before.mtime);
  EXPECT_GT(after->ctime, before.ctime);
  EXPECT_EQ(after->btime, before.btime);
  fs.Reopen();
  EXPECT_EQ(fs.Stat(file).atime, *change.atime);
}

TEST_P(StoreTest, ChownDropsSetuidWhenAsked) {
  InodeNumber file = fs.File("f");
  AttributeChange change;
  change.mode = 06644;
  ASSERT_TRUE(fs->SetAttributes(file, change));
  AttributeChange chown;
  chown.uid = 3;
  chown.clear_set_id = ClearSetId::kSuidAndExecutableSgid;
  EXPECT_EQ(fs->SetAttributes(file, chown)->mode & 07777, 02644u);  // sgid without x is no sgid program
  chown.clear_set_id = ClearSetId::kSuidAndSgid;
  EXPECT_EQ(fs->SetAttributes(file, chown)->mode & 07777, 0644u);
}

TEST_P(StoreTest, XattrsFlagsAndLimits) {
  InodeNumber file = fs.File("f");
  EXPECT_EQ(ErrorOf(fs->GetXattr(file, "user.a")), ENODATA);
  EXPECT_EQ(ErrorOf(fs->RemoveXattr(file, "user.a")), ENODATA);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "user.a", "1", XATTR_REPLACE)), ENODATA);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "user.a", "1", XATTR_CREATE)), 0);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "user.a", "2", XATTR_CREATE)), EEXIST);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "user.a", std::string_view("\0x", 2), 0)), 0);
  EXPECT_EQ(*fs->GetXattr(file, "user.a"), std::string("\0x", 2));
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, std::string(256, 'n'), "", 0)), ERANGE);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "user.b", std::string(65537, 'v'), 0)), E2BIG);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "user.b", std::string(65536, 'v'), 0)), 0);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file, "system.other", "", 0)), EOPNOTSUPP);
  EXPECT_EQ(ErrorOf(fs->GetXattr(file, "nonsense")), EOPNOTSUPP);
  EXPECT_EQ(*fs->ListXattr(file), (std::vector<std::string>{"user.a", "user.b"}));
  EXPECT_TRUE(fs->ListXattr(kRootInode)->empty());
  fs.ExpectConsistent();
}

TEST(MemoryStoreTest, FailedCommitLeavesNoTrace) {
  TestFilesystem fs(Backend::kMemory);
  InodeNumber file = fs.File("a");
  Attributes before = fs.Stat(file);
  Attributes root = fs.Stat(kRootInode);
  fs.memory().on_write = [](const lsm::WriteBatch&) { return lsm::Status::NoSpace("full"); };
  EXPECT_EQ(fs.Write(file, 0, "x"), ENOSPC);
  EXPECT_EQ(ErrorOf(fs->MakeNode({}, kRootInode, "b", S_IFREG, 0)), ENOSPC);
  EXPECT_EQ(ErrorOf(fs->Unlink(kRootInode, "a")), ENOSPC);
  EXPECT_EQ(ErrorOf(fs->Rename({}, kRootInode, "a", kRootInode, "c", 0)), ENOSPC);
  fs.memory().on_write = nullptr;
  EXPECT_EQ(fs.Stat(file).mtime, before.mtime);
  EXPECT_EQ(fs.Stat(file).nlink, 1u);
  EXPECT_EQ(fs.Stat(kRootInode).mtime, root.mtime);
  EXPECT_EQ(fs.Read(file, 0, 9), "");
  // The failed unlink must not leave the file marked as an orphan.
  fs->Forget(file, 1);
  EXPECT_TRUE(fs->Lookup(kRootInode, "a"));
  fs.ExpectConsistent();
}

TEST(MemoryStoreTest, DamageIsEioForThatFileAndLoggedOnce) {
  TestFilesystem fs(Backend::kMemory);
  std::vector<std::string> lines;
  fs.options().log = [&](lsm::LogLevel, std::string_view line) { lines.emplace_back(line); };
  fs.Reopen();
  InodeNumber a = fs.File("a");
  InodeNumber b = fs.File("b");
  ASSERT_EQ(fs.Write(a, 0, "1"), 0);
  ASSERT_EQ(fs.Write(b, 0, "2"), 0);
  fs.memory().on_get = [&](lsm::FamilyId family, std::string_view key) {
    bool bad = family == schema::kData && schema::ParseDataKey(key)->ino == a;
    return bad ? lsm::Status::Corruption("000012.sst at offset 4096: checksum mismatch") : lsm::Status::Ok();
  };
  std::string out(10, 'x');
  EXPECT_EQ(ErrorOf(fs->Read(a, 0, out)), EIO);
  EXPECT_EQ(ErrorOf(fs->Read(a, 0, out)), EIO);
  EXPECT_EQ(fs.Read(b, 0, 10), "2");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("inode " + std::to_string(a)), std::string::npos);
  EXPECT_NE(lines[0].find("000012.sst"), std::string::npos);
}

TEST(MemoryStoreTest, ReferencedInodesCostLittleAndTheCacheIsBounded) {
  TestFilesystem fs(Backend::kMemory);
  for (int i = 0; i < 5000; ++i) fs.File(std::to_string(i));
  EXPECT_EQ(fs->LiveInodes(), 5000u);
}

// The counts that nobody reaches by linking: EMLINK comes before they overflow.
TEST(MemoryStoreTest, LinksEndHonestly) {
  TestFilesystem fs(Backend::kMemory);
  InodeNumber file = fs.File("f");
  InodeNumber directory = fs.Directory("d");
  lsm::WriteBatch batch;
  for (InodeNumber ino : {file, directory}) {
    lsm::PinnedValue value;
    ASSERT_TRUE(fs->db().Get({}, schema::kMeta, schema::InodeKey(ino), &value).ok());
    auto record = schema::InodeRecord::Decode(value.view());
    record->nlink = kMaxLinks;
    batch.Put(schema::kMeta, schema::InodeKey(ino), record->Encode());
  }
  ASSERT_TRUE(fs->db().Write({}, batch).ok());
  fs.Reopen();
  EXPECT_EQ(ErrorOf(fs->Link(file, kRootInode, "l")), EMLINK);
  EXPECT_EQ(ErrorOf(fs->MakeDirectory({}, directory, "sub", 0755)), EMLINK);
  EXPECT_EQ(ErrorOf(fs->MakeNode({}, directory, "file", S_IFREG | 0644, 0)), 0);  // no link of the directory
}

// A full disk: what grows fails, what shrinks goes on.
TEST(MemoryStoreTest, FullDiskStillDeletes) {
  auto memory = std::make_shared<MemoryStore>();
  auto db = NewMemoryDb(memory);
  ASSERT_TRUE(FormatOn(db.get(), {}, {}).ok());
  lsm::SpaceInfo info{.total_bytes = 1 << 30, .free_bytes = 1 << 30};
  OpenOptions options;
  options.commit_interval_micros = 0;
  auto fs = std::move(*OpenOn(std::move(db), options, [&]() -> lsm::Result<lsm::SpaceInfo> { return info; }));
  auto file = fs->MakeNode({}, kRootInode, "f", S_IFREG | 0644, 0);
  ASSERT_TRUE(file);
  ASSERT_TRUE(fs->Write(file->ino, 0, std::string(10'000, 'x'), {}));
  EXPECT_EQ(ErrorOf(fs->Allocate(file->ino, 0, 0, 2ull << 30)), ENOSPC);
  info.free_bytes = SpaceGuard::Reserve(info.total_bytes);
  EXPECT_EQ(fs->Stat()->available_bytes, 0u);  // also the fresh look
  EXPECT_EQ(ErrorOf(fs->Write(file->ino, 1 << 20, std::string_view("x"), {})), ENOSPC);
  EXPECT_EQ(ErrorOf(fs->Write(file->ino, 0, std::string_view("x"), {})), 0);  // takes the place of what is there
  EXPECT_EQ(ErrorOf(fs->MakeDirectory({}, kRootInode, "d", 0755)), ENOSPC);
  EXPECT_EQ(ErrorOf(fs->SetXattr(file->ino, "user.a", "b", 0)), ENOSPC);
  EXPECT_EQ(ErrorOf(fs->Rename({}, kRootInode, "f", kRootInode, "g", 0)), 0);
  AttributeChange cut;
  cut.size = 5;
  EXPECT_EQ(ErrorOf(fs->SetAttributes(file->ino, cut)), 0);
  EXPECT_EQ(ErrorOf(fs->Unlink(kRootInode, "g")), 0);
  info.free_bytes = 1 << 30;
  ASSERT_TRUE(fs->Stat());
  EXPECT_EQ(ErrorOf(fs->MakeDirectory({}, kRootInode, "d", 0755)), 0);
}

TEST(CommitTimerTest, SyncsOnlyWhatIsNew) {
  auto memory = std::make_shared<MemoryStore>();
  auto db = NewMemoryDb(memory);
  RecordStore records(db.get(), {});
  CommitTimer timer(&records);
  ASSERT_TRUE(FormatOn(db.get(), {}, {}).ok());
  uint64_t before = memory->syncs;
  timer.Tick();
  timer.Tick();
  EXPECT_EQ(memory->syncs, before + 1);
  EXPECT_EQ(memory->synced, memory->last);
}

TEST(CommitTimerTest, ThreadSyncsByItselfAndCloseJoinsIt) {
  auto memory = std::make_shared<MemoryStore>();
  auto db = NewMemoryDb(memory);
  ASSERT_TRUE(FormatOn(db.get(), {}, {}).ok());
  std::mutex mutex;
  std::condition_variable synced;
  uint64_t syncs = 0;
  memory->on_sync = [&] {
    std::lock_guard lock(mutex);
    ++syncs;
    synced.notify_all();
  };
  OpenOptions options;
  options.commit_interval_micros = 1000;
  auto fs = std::move(*OpenOn(std::move(db), options, {}));
  ASSERT_TRUE(fs->MakeNode({}, kRootInode, "f", S_IFREG | 0644, 0));
  std::unique_lock lock(mutex);
  EXPECT_TRUE(synced.wait_for(lock, std::chrono::seconds(60), [&] { return syncs > 0; }));
  lock.unlock();
  EXPECT_TRUE(fs->Close().ok());
}

TEST(NumberAllocatorTest, HighWaterMarkIsWrittenBeforeNumbersAreUsed) {
  auto memory = std::make_shared<MemoryStore>();
  auto db = NewMemoryDb(memory);
  ASSERT_TRUE(FormatOn(db.get(), {}, {}).ok());
  RecordStore records(db.get(), {});
  NumberAllocator numbers(&records, *ReadSuperblock(db.get()));
  for (uint64_t i = 0; i < NumberAllocator::kStride + 5; ++i) {
    uint64_t number = *numbers.Take();
    if (i % 1000 == 0 || i + 10 > NumberAllocator::kStride) {
      ASSERT_LT(number, ReadSuperblock(db.get())->next_number);
    }
  }
  memory->on_write = [](const lsm::WriteBatch&) { return lsm::Status::NoSpace("full"); };
  NumberAllocator reopened(&records, *ReadSuperblock(db.get()));
  EXPECT_EQ(ErrorOf(reopened.Take()), ENOSPC);
}

TEST(LookupCountsTest, MatchesAMapUnderRandomUse) {
  CountMap counts;
  std::map<InodeNumber, uint64_t> model;
  uint64_t state = 1;
  for (int i = 0; i < 200'000; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    InodeNumber ino = 1 + (state >> 33) % 3000 * 64;
    if ((state >> 20) % 2 == 0) {
      EXPECT_EQ(counts.Add(ino, 1), ++model[ino]);
    } else {
      uint64_t left = model.count(ino) && model[ino] > 1 ? model[ino] - 1 : 0;
      EXPECT_EQ(counts.Subtract(ino, 1), left);
      if (left == 0) {
        model.erase(ino);
      } else {
        model[ino] = left;
      }
    }
    ASSERT_EQ(counts.size(), model.size());
  }
  for (const auto& [ino, count] : model) EXPECT_EQ(counts.Find(ino), count);
}

#ifndef NDEBUG
int violations = 0;
TEST(LockOrderTest, InversionIsNoticed) {
  lock_order::SetHandler([](lock_order::Position, lock_order::Position) { ++violations; });
  lock_order::Acquire({lock_order::kDirectory, 5});
  lock_order::Acquire({lock_order::kFile, 3});
  EXPECT_EQ(violations, 0);
  lock_order::Acquire({lock_order::kDirectory, 7});
  EXPECT_EQ(violations, 1);
  lock_order::Release({lock_order::kDirectory, 7});
  lock_order::Release({lock_order::kFile, 3});
  lock_order::Release({lock_order::kDirectory, 5});
  lock_order::SetHandler(nullptr);
}
#endif

TEST(FormatTest, RefusesWhatItWouldDestroy) {
  lsm::SimStorage disk;
  ASSERT_TRUE(disk.CreateDir("/full").ok());
  ASSERT_TRUE(disk.NewWritableFile("/full/precious"));
  lsm::Status status = Filesystem::Format(&disk, "/full", {}, true);
  EXPECT_EQ(status.code(), lsm::StatusCode::kInvalidArgument);
  EXPECT_TRUE(disk.FileExists("/full/precious"));
  ASSERT_TRUE(Filesystem::Format(&disk, "/store", {}, false).ok());
  status = Filesystem::Format(&disk, "/store", {}, false);
  EXPECT_EQ(status.code(), lsm::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("--force"), std::string::npos);
  EXPECT_TRUE(Filesystem::Format(&disk, "/store", {.block_size = 16384}, true).ok());
  EXPECT_EQ(Filesystem::Format(&disk, "/other", {.block_size = 5000}, false).code(), lsm::StatusCode::kInvalidArgument);
  OpenOptions options;
  options.storage = &disk;
  auto fs = Filesystem::Open(options, "/store");
  ASSERT_TRUE(fs) << fs.error().ToString();
  EXPECT_EQ((*fs)->superblock().block_size, 16384u);
  EXPECT_EQ(Filesystem::Open(options, "/store").error().code(), lsm::StatusCode::kBusy);
  EXPECT_EQ(Filesystem::Format(&disk, "/store", {}, true).code(), lsm::StatusCode::kBusy);
  EXPECT_EQ(Filesystem::Open(options, "/full").error().code(), lsm::StatusCode::kNotFound);
}

TEST(FormatTest, CompressionIsRememberedByTheStore) {
  lsm::SimStorage disk;
  ASSERT_TRUE(Filesystem::Format(&disk, "/store", {.compression = lsm::Compression::kZstd}, false).ok());
  OpenOptions options;
  options.storage = &disk;
  auto fs = Filesystem::Open(options, "/store");
  ASSERT_TRUE(fs) << fs.error().ToString();
  EXPECT_EQ((*fs)->superblock().compression, lsm::Compression::kZstd);
}

TEST(OpenTest, MissingDamagedAndNewerSuperblocks) {
  auto memory = std::make_shared<MemoryStore>();
  auto open = [&](const char* value, size_t size) {
    auto db = NewMemoryDb(memory);
    if (value) {
      EXPECT_TRUE(db->Put(schema::kMeta, schema::SuperblockKey(), {value, size}).ok());
    }
    return OpenOn(std::move(db), {}, {}).error().code();
  };
  EXPECT_EQ(open(nullptr, 0), lsm::StatusCode::kCorruption);
  EXPECT_EQ(open("\1\1\0\0\0cut off", 12), lsm::StatusCode::kCorruption);
  schema::SuperblockRecord newer;
  newer.format_version = schema::kFormatVersion + 1;
  std::string record = newer.Encode() + "fields that are not known yet";
  EXPECT_EQ(open(record.data(), record.size()), lsm::StatusCode::kNotSupported);
  schema::SuperblockRecord feature;
  feature.features_incompatible = 1;
  record = feature.Encode();
  EXPECT_EQ(open(record.data(), record.size()), lsm::StatusCode::kNotSupported);
}

}  // namespace
}  // namespace silt::fs::test
