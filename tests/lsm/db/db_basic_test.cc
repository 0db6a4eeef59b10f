// Open, write, read, flush, reopen.
#include <cstdio>
#include <utility>

#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

std::string Key(int i) {
  char text[16];
  std::snprintf(text, sizeof text, "key%06d", i);
  return text;
}

TEST_F(DbTest, ReadsWhatWasWritten) {
  Open();
  Put("a", "1");
  Put("b", "2", 1);
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "-");
  EXPECT_EQ(Get("b", 1), "2");
  Put("a", "3");
  EXPECT_EQ(Get("a"), "3");
  Delete("a");
  EXPECT_EQ(Get("a"), "-");
}

TEST_F(DbTest, FindsEverythingAfterACloseWithAndWithoutAFlush) {
  Open();
  Put("flushed", "1");
  ASSERT_TRUE(db_->Flush().ok());
  Put("logged", "2");
  Reopen();
  EXPECT_EQ(Get("flushed"), "1");
  EXPECT_EQ(Get("logged"), "2");
  Put("later", "3");
  Reopen();
  EXPECT_EQ(Scan(), "flushed=1 later=3 logged=2 ");
  EXPECT_EQ(ScanBack(), "logged=2 later=3 flushed=1 ");
}

TEST_F(DbTest, FindsEverythingAfterTheProcessWasKilled) {
  Open();
  for (int i = 0; i < 3000; ++i) Put(Key(i), std::to_string(i));
  Kill();
  Open();
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(Get(Key(i)), std::to_string(i));
}

TEST_F(DbTest, AStoreOfFewKeysHasOneLogAndTheNextIsReadyBeforeTheMemtableIsFull) {
  options_.memtable_bytes = 1 << 20;
  Open();
  const std::string value(1000, 'v');
  for (int i = 0; i < 100; ++i) Put(Key(i), value);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_EQ(db_->GetStats().wal_files, 1u);
  for (int i = 100; i < 700; ++i) Put(Key(i), value);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_EQ(db_->GetStats().wal_files, 2u);
  EXPECT_EQ(db_->GetStats().flushes, 0u);
}

TEST_F(DbTest, AnOverwriteNeverShowsTheOldValueThroughFlushesAndCompactions) {
  Open();
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 500; ++i) Put(Key(i), std::to_string(i * 10 + round));
  }
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  for (int i = 0; i < 500; ++i) ASSERT_EQ(Get(Key(i)), std::to_string(i * 10 + 4));
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  for (int i = 0; i < 500; ++i) ASSERT_EQ(Get(Key(i)), std::to_string(i * 10 + 4));
  DbStats stats = db_->GetStats();
  EXPECT_GT(stats.flushes, 2u);
  EXPECT_EQ(stats.families[0].levels[kNumLevels - 1].entries, 500u);
}

// A read may be the last to hold what was compacted away under it; nothing else may come afterwards to clean up.
TEST_F(DbTest, TablesThatOnlyAReadStillHeldAreDeletedWhenItEnds) {
  Open();
  for (int i = 0; i < 500; ++i) Put(Key(i), "some value of a few bytes");
  ASSERT_TRUE(db_->Flush().ok());
  bool compacted = false;
  Db::VerifyCallbacks callbacks;
  callbacks.progress = [&](uint64_t, uint64_t) {
    if (std::exchange(compacted, true)) return;
    for (int i = 0; i < 500; ++i) Delete(Key(i));
    ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
    EXPECT_GT(Tables(), 0u) << "the read has nothing left to read";
  };
  ASSERT_TRUE(db_->Verify(callbacks).ok());
  ASSERT_TRUE(compacted);
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  EXPECT_EQ(Tables(), 0u);
}

TEST_F(DbTest, AcceptsABatchLargerThanTheMemtable) {
  Open();
  WriteBatch batch;
  for (int i = 0; i < 4000; ++i) batch.Put(0, Key(i), "some value of a few bytes");
  ASSERT_GT(batch.ByteSize(), 4 * options_.memtable_bytes);
  ASSERT_TRUE(db_->Write({.sync = true}, batch).ok());
  Reopen();
  EXPECT_EQ(Get(Key(3999)), "some value of a few bytes");
}

TEST_F(DbTest, RefusesAnUnknownFamilyBeforeAnythingIsLogged) {
  Open();
  WriteBatch batch;
  batch.Put(0, "a", "1");
  batch.Put(2, "b", "2");
  EXPECT_EQ(db_->Write({}, batch).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(db_->LastSequence(), 0u);
  EXPECT_EQ(Get("a"), "-");
  PinnedValue value;
  EXPECT_EQ(db_->Get({}, 2, "a", &value).code(), StatusCode::kInvalidArgument);
}

// Logged, it could never be flushed, and the store would be stuck for ever.
TEST_F(DbTest, RefusesAnEntryThatNoTableCouldHoldBeforeAnythingIsLogged) {
  Open();
  std::string half(kMaxUserEntryBytes / 2, 'v');
  WriteBatch batch;
  batch.Put(0, "k", half, half);  // one byte too many
  uint64_t writes = disk_->OperationCount(SimOp::kWrite);
  Status status = db_->Write({}, batch);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("268435449 bytes"), std::string::npos) << status.message();
  EXPECT_EQ(disk_->OperationCount(SimOp::kWrite), writes);
  EXPECT_EQ(db_->LastSequence(), 0u);
  EXPECT_EQ(Get("k"), "-");
}

TEST_F(DbTest, SequenceNumbersCountOperations) {
  Open();
  WriteBatch batch;
  batch.Put(0, "a", "1");
  batch.Delete(0, "b");
  SequenceNumber sequence = 0;
  ASSERT_TRUE(db_->Write({}, batch, &sequence).ok());
  EXPECT_EQ(sequence, 2u);
  ASSERT_TRUE(db_->Write({}, WriteBatch(), &sequence).ok());
  EXPECT_EQ(sequence, 2u);
  EXPECT_EQ(db_->LastSequence(), 2u);
}

TEST_F(DbTest, ASecondOpenerIsToldWhoHasTheStore) {
  options_.lock_description = "siltfs mount, pid 42";
  Open();
  auto second = Db::Open(options_, kStore);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), StatusCode::kBusy);
  EXPECT_NE(second.error().message().find("pid 42"), std::string::npos) << second.error().message();
}

TEST_F(DbTest, OpenSaysWhetherThereIsAStore) {
  options_.create_if_missing = false;
  EXPECT_EQ(Db::Open(options_, kStore).error().code(), StatusCode::kNotFound);
  EXPECT_FALSE(StoreExists(options_, kStore));
  options_.create_if_missing = true;
  Open();
  EXPECT_TRUE(StoreExists(options_, kStore));
  db_.reset();
  options_.error_if_exists = true;
  EXPECT_EQ(Db::Open(options_, kStore).error().code(), StatusCode::kInvalidArgument);
}

TEST_F(DbTest, AfterCloseEverythingIsAborted) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Close().ok());
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_EQ(db_->Put(0, "b", "2").code(), StatusCode::kAborted);
  PinnedValue value;
  EXPECT_EQ(db_->Get({}, 0, "a", &value).code(), StatusCode::kAborted);
  EXPECT_EQ(db_->Sync(1).code(), StatusCode::kAborted);
  EXPECT_EQ(db_->Flush().code(), StatusCode::kAborted);
}

TEST_F(DbTest, AReadOnlyOpenSeesTheWalsAndWritesNothing) {
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  Put("b", "2");
  Kill();
  options_.read_only = true;
  std::vector<std::string> before = disk_->AllFiles();
  uint64_t operations = disk_->OperationCount();
  Open();
  EXPECT_EQ(Scan(), "a=1 b=2 ");
  EXPECT_EQ(db_->Put(0, "c", "3").code(), StatusCode::kReadOnly);
  EXPECT_EQ(db_->Flush().code(), StatusCode::kReadOnly);
  db_.reset();
  EXPECT_EQ(disk_->AllFiles(), before);
  EXPECT_EQ(disk_->OperationCount(), operations);
}

TEST_F(DbTest, MultiGetAnswersEachKey) {
  Open();
  for (int i = 0; i < 2000; i += 2) Put(Key(i), std::to_string(i));
  std::vector<std::string> keys;
  for (int i = 0; i < 2000; i += 7) keys.push_back(Key(i));
  std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db_->MultiGet({}, 0, views, values, statuses);
  for (size_t i = 0; i < keys.size(); ++i) {
    int number = static_cast<int>(i) * 7;
    ASSERT_EQ(statuses[i].ok(), number % 2 == 0) << statuses[i].ToString();
    if (number % 2 == 0) {
      ASSERT_EQ(values[i].view(), std::to_string(number));
    }
  }
}

TEST_F(DbTest, APinnedValueOutlivesOverwritesFlushesAndCompactions) {
  Open();
  Put("k", "first");
  PinnedValue from_memtable;
  ASSERT_TRUE(db_->Get({}, 0, "k", &from_memtable).ok());
  ASSERT_TRUE(db_->Flush().ok());
  PinnedValue from_table;
  ASSERT_TRUE(db_->Get({}, 0, "k", &from_table).ok());
  for (int i = 0; i < 2000; ++i) Put(Key(i), std::to_string(i));
  Put("k", "second");
  ASSERT_TRUE(db_->CompactRange(0, nullptr, nullptr).ok());
  EXPECT_EQ(from_memtable.view(), "first");
  EXPECT_EQ(from_table.view(), "first");
  EXPECT_EQ(Get("k"), "second");
}

TEST_F(DbTest, OpeningAgainAndAgainGathersNoWals) {
  for (int i = 0; i < 20; ++i) {
    Open();
    Put(Key(i), "x");
    db_.reset();
  }
  EXPECT_LE(FilesEndingWith(".wal").size(), 8u);
  Open();
  ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Get(Key(i)), "x");
}

}  // namespace
}  // namespace silt::lsm
