// A store on a simulated disk, with small sizes so that a few thousand writes reach every level.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lsm/db.h"
#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"

namespace silt::lsm {

// Waits for nothing; minutes pass between any two looks at the calendar.
class ImpatientClock final : public Clock {
 public:
  uint64_t MonotonicMicros() override { return System()->MonotonicMicros() + slept_.load(); }
  uint64_t UnixSeconds() override { return 1'700'000'000 + 100 * asked_++ + passed_; }
  void LetPass(uint64_t seconds) { passed_ += seconds; }
  void SleepMicros(uint64_t micros) override {
    slept_ += micros;
    std::this_thread::yield();
  }

 private:
  std::atomic<uint64_t> slept_{0};
  std::atomic<uint64_t> asked_{0};
  std::atomic<uint64_t> passed_{0};
};

inline Options SmallOptions(Storage* storage) {
  Options options;
  options.families = {FamilyOptions{.name = "meta"}, FamilyOptions{.name = "data"}};
  for (FamilyOptions& family : options.families) {
    family.block_bytes = 512;
    family.target_file_bytes = 4 << 10;
    family.base_level_bytes = 16 << 10;
  }
  options.create_if_missing = true;
  options.memtable_bytes = 16 << 10;
  options.block_cache_bytes = 256 << 10;
  options.level_multiplier = 4;
  options.storage = storage;
  return options;
}

inline constexpr const char* kStore = "/store";

class DbTest : public ::testing::Test {
 protected:
  DbTest() : disk_(std::make_unique<SimStorage>()), options_(SmallOptions(disk_.get())) { options_.clock = &clock_; }

  void Open() {
    auto db = Db::Open(options_, kStore);
    ASSERT_TRUE(db.has_value()) << db.error().ToString();
    db_ = std::move(*db);
  }
  void Reopen() {
    db_.reset();
    Open();
  }
  // The daemon dies, the machine lives: everything that was written is there.
  void Kill() { Crash(0, {.data = SimCrashOptions::Keep::kAll, .names = SimCrashOptions::Keep::kAll}); }
  // The machine dies. The store is left closed.
  void Crash(uint64_t seed, const SimCrashOptions& how = {}) {
    auto after = disk_->CrashClone(seed, how);
    disk_->CutPower();
    db_.reset();
    disk_ = std::move(after);
    options_.storage = disk_.get();
  }

  void Put(std::string_view key, std::string_view value, FamilyId family = 0) {
    Status status = db_->Put(family, key, value);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Delete(std::string_view key, FamilyId family = 0) { ASSERT_TRUE(db_->Delete(family, key).ok()); }
  void DeleteRange(std::string_view begin, std::string_view end, FamilyId family = 0) {
    WriteBatch batch;
    batch.DeleteRange(family, begin, end);
    ASSERT_TRUE(db_->Write({}, batch).ok());
  }
  // Table files in the store's directory.
  size_t Tables() const {
    size_t tables = 0;
    const auto names = disk_->ListDir(kStore);
    for (const std::string& name : *names) {
      auto parsed = ParseFileName(name);
      tables += parsed && parsed->kind == FileKind::kTable ? 1 : 0;
    }
    return tables;
  }
  // The value, "-" if there is none, else the error.
  std::string Get(std::string_view key, FamilyId family = 0, const Snapshot* snapshot = nullptr) {
    PinnedValue value;
    Status status = db_->Get({.snapshot = snapshot}, family, key, &value);
    if (status.ok()) return std::string(value.view());
    return status.IsNotFound() ? "-" : status.ToString();
  }
  // "a=1 b=2 ", and the error if it ends with one.
  std::string Scan(const ReadOptions& options = {}, FamilyId family = 0) {
    std::string text;
    auto it = db_->NewIterator(options, family);
    for (it->SeekToFirst(); it->Valid(); it->Next()) Describe(*it, &text);
    return it->status().ok() ? text : text + it->status().ToString();
  }
  std::string ScanBack(const ReadOptions& options = {}, FamilyId family = 0) {
    std::string text;
    auto it = db_->NewIterator(options, family);
    for (it->SeekToLast(); it->Valid(); it->Prev()) Describe(*it, &text);
    return it->status().ok() ? text : text + it->status().ToString();
  }
  static void Describe(const Iterator& it, std::string* text) {
    text->append(it.key()).append("=").append(it.value()).append(" ");
  }
  std::vector<std::string> FilesEndingWith(std::string_view suffix) const {
    std::vector<std::string> found;
    for (const std::string& name : disk_->AllFiles()) {
      if (name.ends_with(suffix)) found.push_back(name);
    }
    return found;
  }

  ImpatientClock clock_;
  std::unique_ptr<SimStorage> disk_;
  Options options_;
  std::unique_ptr<Db> db_;
};

}  // namespace silt::lsm
