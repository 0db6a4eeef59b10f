// A whole store as format version 1 wrote it: every later version must read it, and mean the same. It has every kind of
// file and block: CURRENT, MANIFEST, two WALs (header, batches, markers), tables raw, snappy and zstd, with filters, a
// two-level index, range tombstones and several versions of a key.
//
// Only together with a new format version, and then into a folder of its own, it is written anew:
//   SILT_UPDATE_GOLDEN=1 build/release/bin/lsm_db_test --gtest_filter='GoldenStoreTest.*'
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "lsm/filenames.h"
#include "lsm/table/table_dump.h"
#include "lsm/version/manifest.h"
#include "lsm/version/version_set.h"
#include "lsm/wal/log_reader.h"
#include "tests/lsm/db/db_fixture.h"

namespace silt::lsm {
namespace {

constexpr FamilyId kRaw = 0;
constexpr FamilyId kFamilies = 3;

const std::string kGolden = SILT_TEST_DATA "/v1";

class StoppedClock final : public Clock {
 public:
  uint64_t MonotonicMicros() override { return 0; }
  uint64_t UnixSeconds() override { return 1'750'000'000; }
  void SleepMicros(uint64_t) override {}
};

class GoldenStoreTest : public DbTest {
 protected:
  using State = std::map<std::string, std::string>;

  GoldenStoreTest() {
    options_.families.clear();
    for (auto [name, compression] : {std::pair("raw", Compression::kNone), std::pair("snappy", Compression::kSnappy),
                                     std::pair("zstd", Compression::kZstd)}) {
      options_.families.push_back({.name = name, .block_bytes = 256, .compression = compression});
      options_.families.back().last_level_compression = compression;
    }
    options_.memtable_bytes = 1 << 20;
    options_.recycle_wal = false;
    options_.disable_auto_compaction = true;
    options_.clock = &stopped_;
  }

  // Long keys in the first family, so that a small table has an index of two levels.
  static std::string Key(FamilyId family, int i) {
    return family == kRaw ? fmt::format("{:d<180}/{:04}", "", i) : fmt::format("file{:04}", i);
  }
  static std::string Value(int i) { return fmt::format("{:>{}}, version {}", "value", 5 + i % 50, i); }

  void Write(const std::function<void(FamilyId, WriteBatch*)>& fill) {
    WriteBatch batch;
    for (FamilyId family = 0; family < kFamilies; ++family) fill(family, &batch);
    ASSERT_TRUE(db_->Write({.sync = true}, batch).ok());
  }
  void Put(FamilyId family, WriteBatch* batch, int i, int version) {
    batch->Put(family, Key(family, i), Value(version));
    state_[family][Key(family, i)] = Value(version);
  }
  void Delete(FamilyId family, WriteBatch* batch, int i) {
    batch->Delete(family, Key(family, i));
    state_[family].erase(Key(family, i));
  }
  void DeleteRange(FamilyId family, WriteBatch* batch, int begin, int end) {
    State& state = state_[family];
    batch->DeleteRange(family, Key(family, begin), Key(family, end));
    state.erase(state.lower_bound(Key(family, begin)), state.lower_bound(Key(family, end)));
  }

  // Fills state_ as well: what a reader of the golden store must find.
  void WriteStore() {
    Open();
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());  // the order of file numbers must not depend on the threads
    Write([&](FamilyId family, WriteBatch* batch) {
      for (int i = 0; i < 400; ++i) Put(family, batch, i, i);
      DeleteRange(family, batch, 50, 60);
    });
    for (FamilyId family = 0; family < kFamilies; ++family) {
      ASSERT_TRUE(db_->CompactRange(family, nullptr, nullptr).ok());
      ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    }
    Write([&](FamilyId family, WriteBatch* batch) { Put(family, batch, 7, 1000); });
    const Snapshot* snapshot = db_->GetSnapshot();  // keeps the version before
    Write([&](FamilyId family, WriteBatch* batch) {
      Put(family, batch, 7, 1001);
      for (int i = 100; i < 150; i += 3) Delete(family, batch, i);
      DeleteRange(family, batch, 200, 220);
      DeleteRange(family, batch, 210, 230);
      Put(family, batch, 215, 1002);
    });
    ASSERT_TRUE(db_->Flush().ok());
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    db_->ReleaseSnapshot(snapshot);
    Write([&](FamilyId family, WriteBatch* batch) { Put(family, batch, 500, 1003); });
    Reopen();
    ASSERT_TRUE(db_->WaitForBackgroundWork().ok());
    Write([&](FamilyId family, WriteBatch* batch) {
      Delete(family, batch, 1);
      DeleteRange(family, batch, 300, 310);
    });
    Write([&](FamilyId family, WriteBatch* batch) { Put(family, batch, 305, 1004); });
    db_.reset();
  }

  // Name in the store, contents.
  std::map<std::string, std::string> Written() {
    std::map<std::string, std::string> files;
    for (const std::string& path : disk_->AllFiles()) {
      std::string name = path.substr(path.rfind('/') + 1);
      if (name != kLockName) files[name] = *ReadFileToString(disk_.get(), path);
    }
    return files;
  }
  static std::map<std::string, std::string> OnDisk() {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
      files[entry.path().filename()] = *ReadFileToString(Storage::Posix(), entry.path());
    }
    return files;
  }
  // The golden files, on a disk that may be written to.
  void Load() {
    disk_ = std::make_unique<SimStorage>();
    options_.storage = disk_.get();
    ASSERT_TRUE(disk_->CreateDir(kStore).ok());
    for (const auto& [name, bytes] : OnDisk()) {
      auto file = disk_->NewWritableFile(JoinPath(kStore, name));
      ASSERT_TRUE(file.has_value() && (*file)->Append(bytes).ok() && (*file)->Sync().ok());
    }
    ASSERT_TRUE(disk_->SyncDir(kStore).ok() && disk_->SyncDir("/").ok());
  }
  // What the script of WriteStore leaves, from a run on another disk.
  void Expect() {
    disk_ = std::make_unique<SimStorage>();
    options_.storage = disk_.get();
    WriteStore();
  }

  void CheckContents() {
    for (FamilyId family = 0; family < kFamilies; ++family) {
      State found;
      auto it = db_->NewIterator({}, family);
      for (it->SeekToFirst(); it->Valid(); it->Next()) found[std::string(it->key())] = std::string(it->value());
      EXPECT_TRUE(it->status().ok()) << it->status().ToString();
      EXPECT_EQ(found, state_[family]) << "family " << int{family};
      for (int i = 0; i < 510; ++i) {
        auto expected = state_[family].find(Key(family, i));
        EXPECT_EQ(Get(Key(family, i), family), expected == state_[family].end() ? "-" : expected->second);
      }
    }
    Status verified =
        db_->Verify({.damage = [](const std::string& file,
                                  const Status& what) { ADD_FAILURE() << file << ": " << what.ToString(); },
                     .progress = {}});
    EXPECT_TRUE(verified.ok()) << verified.ToString();
  }

  // Everything of a log but its salt and its checksums, which follow from it.
  static std::string Records(const std::string& name, const std::string& bytes) {
    SimStorage disk;
    static_cast<void>((*disk.NewWritableFile("/log"))->Append(bytes));
    LogReader reader(*disk.NewRandomAccessFile("/log"), name, ParseFileName(name)->number);
    std::string text;
    std::string_view record;
    while (reader.ReadRecord(&record)) {
      std::string shown = EscapeBytes(record);
      if (name.starts_with("MANIFEST")) {
        // Sizes of compressed tables are the compression libraries' affair.
        shown = std::regex_replace(VersionEdit::Decode(record)->DebugString(), std::regex(" bytes=[0-9]*"), "");
      }
      text += fmt::format("{}: {}\n", name.starts_with("MANIFEST") ? 0 : reader.LastRecordOffset(), shown);
    }
    EXPECT_TRUE(reader.status().ok()) << reader.status().ToString();
    return text;
  }

  StoppedClock stopped_;
  State state_[kFamilies];
};

TEST_F(GoldenStoreTest, WritingTheSameGivesTheSameFiles) {
  WriteStore();
  auto written = Written();
  if (std::getenv("SILT_UPDATE_GOLDEN") != nullptr) {
    std::filesystem::remove_all(kGolden);
    std::filesystem::create_directories(kGolden);
    for (const auto& [name, bytes] : written) std::ofstream(kGolden + "/" + name, std::ios::binary) << bytes;
  }
  auto golden = OnDisk();
  ASSERT_EQ(written.size(), golden.size());
  int raw_tables = 0;
  for (const auto& [name, bytes] : written) {
    ASSERT_TRUE(golden.contains(name)) << name;
    EXPECT_TRUE(name != kCurrentName || bytes == golden[name]);
    if (name.ends_with(".wal") || name.starts_with("MANIFEST")) {
      EXPECT_EQ(Records(name, bytes), Records(name, golden[name])) << name;
    }
    if (!name.ends_with(".sst")) continue;
    std::string dump;
    ASSERT_TRUE(DumpTable(disk_.get(), JoinPath(kStore, name), {}, [&](std::string_view line) {
                  dump.append(line).append("\n");
                }).ok());
    if (dump.find("family 0,") == std::string::npos) continue;
    EXPECT_TRUE(bytes == golden[name]) << name;  // the output of a compression library may change
    ++raw_tables;
  }
  EXPECT_GE(raw_tables, 2);
}

TEST_F(GoldenStoreTest, HasEveryKindOfFileAndBlock) {
  Load();
  std::string dumps;
  std::string wals;
  for (const auto& [name, bytes] : OnDisk()) {
    if (name.ends_with(".sst")) {
      ASSERT_TRUE(DumpTable(disk_.get(), JoinPath(kStore, name), {.blocks = true}, [&](std::string_view line) {
                    dumps.append(line).append("\n");
                  }).ok());
    }
    if (name.ends_with(".wal")) wals += Records(name, bytes);
  }
  for (const char* kind : {"two-level index", "compression snappy", "compression zstd", "cache lines",
                           "[1-9][0-9]* range tombstones", "of them [1-9][0-9]* tombstones"}) {
    EXPECT_TRUE(std::regex_search(dumps, std::regex(kind))) << kind;
  }
  for (const char* kind : {"siltwalH", "siltwalD", "file0500"}) EXPECT_NE(wals.find(kind), std::string::npos) << kind;
}

TEST_F(GoldenStoreTest, IsReadAsItWasWritten) {
  Expect();
  Load();
  options_.read_only = true;
  Open();
  CheckContents();
  EXPECT_EQ(Written().size(), OnDisk().size());
}

TEST_F(GoldenStoreTest, IsWrittenOnAndCompacted) {
  Expect();
  Load();
  Open();
  CheckContents();
  Write([&](FamilyId family, WriteBatch* batch) { Put(family, batch, 0, 2000); });
  for (FamilyId family = 0; family < kFamilies; ++family) {
    ASSERT_TRUE(db_->CompactRange(family, nullptr, nullptr).ok());
  }
  Reopen();
  CheckContents();
}

TEST_F(GoldenStoreTest, IsRepairedWithoutItsManifest) {
  Expect();
  Load();
  for (const std::string& file : disk_->AllFiles()) {
    ASSERT_TRUE(file.find("MANIFEST") == std::string::npos || disk_->DeleteFile(file).ok());
  }
  auto report = Repair(options_, kStore);
  ASSERT_TRUE(report.has_value()) << report.error().ToString();
  Open();
  CheckContents();
}

}  // namespace
}  // namespace silt::lsm
