// The engine under one draw of options, with maintenance of its own between the operations, and with as many threads.
#pragma once

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lsm/db.h"
#include "lsm/storage/sim_storage.h"
#include "tests/lsm/db/metamorphic_operations.h"

namespace silt::lsm::metamorphic {

// Sleeping is skipped: backpressure delays would make tiny memtables very slow.
class ImpatientClock final : public Clock {
 public:
  uint64_t MonotonicMicros() override { return System()->MonotonicMicros() + slept_.load(); }
  uint64_t UnixSeconds() override { return System()->UnixSeconds(); }
  void SleepMicros(uint64_t micros) override {
    slept_ += micros;
    std::this_thread::yield();
  }

 private:
  std::atomic<uint64_t> slept_{0};
};

inline FamilyOptions DrawFamily(Random* random, int index) {
  FamilyOptions family{.name = fmt::format("f{}", index)};
  family.block_bytes = random->Pick<size_t>({1, 100, 1000, 8 << 10, 64 << 10});
  family.restart_interval = random->Pick({1, 2, 5, 16, 64});
  family.filter_bits_per_key = random->Pick({0, 1, 10, 20});
  family.filter_last_level = random->OneIn(2);
  auto compression = [&] { return random->Pick({Compression::kNone, Compression::kSnappy, Compression::kZstd}); };
  family.compression = compression();
  family.last_level_compression = compression();
  family.target_file_bytes = random->Pick<uint64_t>({1, 4 << 10, 100 << 10, 32 << 20});
  family.base_level_bytes = random->Pick<uint64_t>({4 << 10, 64 << 10, 128 << 20});
  return family;
}

inline Options DrawOptions(Random* random) {
  Options options;
  options.families.clear();
  for (int i = 0; i < kFamilies; ++i) options.families.push_back(DrawFamily(random, i));
  options.create_if_missing = true;
  options.memtable_bytes = random->Pick<size_t>({1, 4 << 10, 32 << 10, 256 << 10, 32 << 20});
  options.max_immutable_memtables = random->Pick({1, 2, 5});
  options.block_cache_bytes = random->Pick<size_t>({0, 1, 10 << 10, 64 << 20});
  options.max_open_tables = random->Pick({1, 5, 512});
  options.max_group_bytes = random->Pick<size_t>({1, 1 << 20});
  options.l0_compaction_runs = random->Pick({1, 2, 4, 8});
  options.l0_slowdown_runs = options.l0_compaction_runs + random->Pick({1, 8});
  options.l0_stop_runs = options.l0_slowdown_runs + random->Pick({1, 16});
  options.level_multiplier = random->Pick({2, 4, 10});
  options.tombstone_ratio = random->Pick({0.05, 0.25, 1.0});
  options.recycle_wal = random->OneIn(2);
  options.disable_auto_compaction = random->OneIn(4);
  if (options.disable_auto_compaction) options.l0_slowdown_runs = options.l0_stop_runs = 1'000'000;
  return options;
}

inline std::string Describe(const Options& o) {
  std::string text = fmt::format(
      "memtable {} immutables {} cache {} tables {} group {} l0 {}/{}/{} multiplier {} tombstones {} recycle {} auto "
      "{}",
      o.memtable_bytes, o.max_immutable_memtables, o.block_cache_bytes, o.max_open_tables, o.max_group_bytes,
      o.l0_compaction_runs, o.l0_slowdown_runs, o.l0_stop_runs, o.level_multiplier, o.tombstone_ratio, o.recycle_wal,
      !o.disable_auto_compaction);
  for (const auto& f : o.families) {
    text += fmt::format("\n  {}: block {} restart {} filter {} last {} compression {}/{} file {} base {}", f.name,
                        f.block_bytes, f.restart_interval, f.filter_bits_per_key, f.filter_last_level,
                        static_cast<int>(f.compression), static_cast<int>(f.last_level_compression),
                        f.target_file_bytes, f.base_level_bytes);
  }
  return text;
}

// What it does besides an operation is drawn from its seed and that operation's own number, so that the rest stays the
// same when operations are left out.
class Subject {
 public:
  explicit Subject(uint64_t seed)
      : seed_(seed), random_(seed), options_(DrawOptions(&random_)), storage_(std::make_unique<SimStorage>()) {
    maintenance_one_in_ = random_.Pick<uint64_t>({10, 100, 100'000});
    reopen_one_in_ = random_.Pick<uint64_t>({1, 3, 100'000});
    threads_ = random_.Pick<size_t>({1, 1, 4});
    options_.clock = &clock_;
  }
  ~Subject() { LetGo(); }

  std::string Describe() const { return fmt::format("threads {} ", threads_) + metamorphic::Describe(options_); }

  Status Open() {
    options_.storage = storage_.get();
    auto db = Db::Open(options_, "/db");
    if (!db) return db.error();
    db_ = std::move(*db);
    return Status::Ok();
  }

  std::string Apply(const Operation& operation) {
    random_ = Random(seed_ ^ (operation.id + 1) * 0x9e37'79b9'7f4a'7c15);
    if (random_.OneIn(maintenance_one_in_)) {
      if (Status status = StartMaintenance(); !status.ok()) return "maintenance: " + status.ToString();
    }
    switch (operation.kind) {
      case Kind::kWrite:
        return Write(operation);
      case Kind::kSync:
        return Text(db_->Sync(db_->LastSequence()));
      case Kind::kGet:
        return OnAllThreads(operation,
                            [&](const ReadOptions& read) { return Get(read, operation, operation.keys[0], nullptr); });
      case Kind::kMultiGet:
        return OnAllThreads(operation, [&](const ReadOptions& read) { return MultiGet(read, operation); });
      case Kind::kScan:
        return OnAllThreads(operation, [&](const ReadOptions& read) { return Scan(read, operation); });
      case Kind::kSnapshot:
        snapshots_[operation.slot] = db_->GetSnapshot();
        break;
      case Kind::kRelease:
        Release(operation.slot);
        break;
      case Kind::kCursorOpen:
        cursors_[operation.slot] = db_->NewIterator(Read(operation), operation.family);
        break;
      case Kind::kCursorStep:
        return MoveCursor(operation);
      case Kind::kCursorClose:
        cursors_[operation.slot].reset();
        break;
      case Kind::kPin:
        return Get(Read(operation), operation, operation.keys[0], &pins_[operation.slot]);
      case Kind::kUnpin:
        return Unpin(operation.slot);
      case Kind::kBarrier:
        return Barrier();
    }
    return {};
  }

  // At the end: no byte of what is left on disk is wrong.
  std::string Verify() {
    if (Status status = EndMaintenance(); !status.ok()) return status.ToString();
    std::string damage;
    Db::VerifyCallbacks callbacks;
    callbacks.damage = [&](const std::string& file, const Status& what) {
      damage += file + ": " + what.ToString() + "; ";
    };
    Status status = db_->Verify(callbacks);
    return damage + Text(status);
  }

 private:
  static std::string Text(const Status& status) { return status.ok() ? std::string() : status.ToString(); }

  ReadOptions Read(const Operation& operation) {
    ReadOptions read;
    if (operation.snapshot) read.snapshot = snapshots_[*operation.snapshot];
    read.fill_cache = random_.OneIn(2);
    read.lower_bound = operation.lower;
    read.upper_bound = operation.upper;
    return read;
  }

  std::string Write(const Operation& operation) {
    WriteBatch batch;
    for (const Update& update : operation.updates) {
      if (update.kind == EntryKind::kPut) batch.Put(update.family, update.key, update.value);
      if (update.kind == EntryKind::kDelete) batch.Delete(update.family, update.key);
      if (update.kind == EntryKind::kRangeDelete) batch.DeleteRange(update.family, update.key, update.value);
    }
    return Text(db_->Write({.sync = random_.OneIn(20)}, batch));
  }

  // What each of them reads at the same time must be the same.
  std::string OnAllThreads(const Operation& operation, const std::function<std::string(const ReadOptions&)>& read) {
    std::vector<ReadOptions> options;
    for (size_t i = 0; i < threads_; ++i) options.push_back(Read(operation));
    std::vector<std::string> results(threads_);
    std::vector<std::thread> others;
    for (size_t i = 1; i < threads_; ++i) others.emplace_back([&, i] { results[i] = read(options[i]); });
    results[0] = read(options[0]);
    for (std::thread& other : others) other.join();
    for (const std::string& result : results) {
      if (result != results[0]) return fmt::format("two threads read {} and {}", results[0], result);
    }
    return results[0];
  }

  std::string Get(const ReadOptions& read, const Operation& operation, const std::string& key, PinnedValue* pin) {
    PinnedValue own;
    PinnedValue* value = pin != nullptr ? pin : &own;
    value->Reset();
    Status status = db_->Get(read, operation.family, key, value);
    if (pin != nullptr) pin_found_[pin - pins_] = status.ok();
    if (status.IsNotFound()) return "none";
    return status.ok() ? Brief(value->view()) : status.ToString();
  }

  std::string Unpin(size_t slot) {
    std::string text = pin_found_[slot] ? Brief(pins_[slot].view()) : "none";
    pins_[slot].Reset();
    return text;
  }

  std::string MultiGet(const ReadOptions& read, const Operation& operation) {
    std::vector<std::string_view> keys(operation.keys.begin(), operation.keys.end());
    std::vector<PinnedValue> values(keys.size());
    std::vector<Status> statuses(keys.size());
    db_->MultiGet(read, operation.family, keys, values, statuses);
    std::string all;
    for (size_t i = 0; i < keys.size(); ++i) {
      all += (statuses[i].IsNotFound() ? "none"
              : statuses[i].ok()       ? Brief(values[i].view())
                                       : statuses[i].ToString()) +
             " ";
    }
    return all;
  }

  std::string Scan(const ReadOptions& read, const Operation& operation) {
    auto at = db_->NewIterator(read, operation.family);
    std::string out;
    size_t left = operation.limit;
    operation.backward ? at->SeekToLast() : at->SeekToFirst();
    for (; at->Valid() && left-- > 0; operation.backward ? at->Prev() : at->Next()) out += Pair(at->key(), at->value());
    return out + Text(at->status());
  }

  std::string MoveCursor(const Operation& operation) {
    Iterator& cursor = *cursors_[operation.slot];
    std::string out;
    for (size_t i = 0; i < operation.limit; ++i) {
      switch (operation.step) {
        case Step::kFirst:
          cursor.SeekToFirst();
          break;
        case Step::kLast:
          cursor.SeekToLast();
          break;
        case Step::kSeek:
          cursor.Seek(operation.keys[0]);
          break;
        case Step::kSeekForPrev:
          cursor.SeekForPrev(operation.keys[0]);
          break;
        case Step::kNext:
          cursor.Valid() ? cursor.Next() : cursor.SeekToFirst();
          break;
        case Step::kPrev:
          cursor.Valid() ? cursor.Prev() : cursor.SeekToLast();
          break;
      }
      out += cursor.Valid() ? Pair(cursor.key(), cursor.value()) : "end " + Text(cursor.status());
      if (operation.step != Step::kNext && operation.step != Step::kPrev) break;
    }
    return out;
  }

  // With more than one thread, beside the operations that follow.
  Status StartMaintenance() {
    SILT_RETURN_IF_ERROR(EndMaintenance());
    uint64_t what = random_.Below(6);
    auto family = static_cast<FamilyId>(random_.Below(kFamilies));
    std::string begin = fmt::format("dir{:02}", random_.Below(13));
    bool from = !random_.OneIn(4);
    bool to = !random_.OneIn(4);
    auto work = [this, what, family, begin, from, to] {
      std::string end = begin + "~";
      switch (what) {
        case 0:
        case 1:
          return db_->Flush();
        case 2:
          return db_->WaitForBackgroundWork();
        case 3:
          return ReadOnlyOpen();
        case 4:
          return db_->CompactRange(family, nullptr, nullptr);
        default:
          return db_->CompactRange(family, from ? &begin : nullptr, to ? &end : nullptr);
      }
    };
    if (threads_ == 1) return work();
    maintenance_ = std::thread([this, work] { maintenance_status_ = work(); });
    return Status::Ok();
  }
  Status EndMaintenance() {
    if (maintenance_.joinable()) maintenance_.join();
    return std::exchange(maintenance_status_, Status::Ok());
  }

  // Beside the store that is open and goes on: its files may be gone before they are read, which must be said. What
  // such a reader sees is checked at barriers, where the store rests.
  Status ReadOnlyOpen() {
    Options options = options_;
    options.read_only = true;
    auto db = Db::Open(options, "/db");
    bool gone = !db && db.error().message().find("is missing") != std::string::npos;
    return db || gone ? Status::Ok() : db.error();
  }

  std::string Barrier() {
    LetGoOfReads();
    if (Status status = EndMaintenance(); !status.ok()) return "maintenance: " + status.ToString();
    if (!random_.OneIn(reopen_one_in_)) return {};
    static constexpr std::array<std::pair<const char*, Status (Subject::*)()>, 5> kWays = {{
        {"reopen", &Subject::Reopen},
        {"read-only open", &Subject::CompareWithAReadOnlyOpen},
        {"power cut", &Subject::LosePower},
        {"crash", &Subject::Crash},
        {"move to a checkpoint", &Subject::MoveToCheckpoint},
    }};
    auto [name, way] = kWays[random_.Below(kWays.size())];
    Status status = (this->*way)();
    return status.ok() ? std::string() : fmt::format("{}: {}", name, status.ToString());
  }

  // Another process, as it were, that reads the closed store and the open one: both see what the open one reads.
  Status CompareWithAReadOnlyOpen() {
    Options options = options_;
    options.read_only = true;
    std::string expected = Everything(db_.get());
    SILT_RETURN_IF_ERROR(db_->WaitForBackgroundWork());  // that may delete tables while they are read
    for (bool closed : {false, true}) {
      if (closed) {
        SILT_RETURN_IF_ERROR(db_->Close());
        db_.reset();
      }
      auto reader = Db::Open(options, "/db");
      if (!reader) return reader.error();
      if (std::string found = Everything(reader->get()); found != expected) {
        size_t at = static_cast<size_t>(
            std::mismatch(found.begin(), found.end(), expected.begin(), expected.end()).first - found.begin());
        return Status::Corruption(
            fmt::format("it reads {} instead of {}", found.substr(at, 300), expected.substr(at, 300)));
      }
      if ((*reader)->Put(0, "k", "v").code() != StatusCode::kReadOnly) return Status::Corruption("it can be written");
    }
    return Open();
  }
  static std::string Everything(Db* db) {
    std::string out;
    for (FamilyId family = 0; family < kFamilies; ++family) {
      auto at = db->NewIterator({}, family);
      for (at->SeekToFirst(); at->Valid(); at->Next()) out += Pair(at->key(), at->value());
      out += Text(at->status()) + "\n";
    }
    return out;
  }

  Status Reopen() {
    SILT_RETURN_IF_ERROR(db_->Close());
    db_.reset();
    return Open();
  }

  // Everything was synced: any power cut leaves all of it.
  Status LosePower() {
    SILT_RETURN_IF_ERROR(db_->Sync(db_->LastSequence()));
    SimCrashOptions options;
    options.tear_sectors = random_.OneIn(2);
    auto after = storage_->CrashClone(random_.Below(1 << 30), options);
    db_.reset();
    storage_ = std::move(after);
    return Open();
  }

  // The process dies: nothing was synced, nothing that the operating system has is lost.
  Status Crash() {
    SimCrashOptions options;
    options.data = options.names = SimCrashOptions::Keep::kAll;
    auto after = storage_->CrashClone(random_.Below(1 << 30), options);
    db_.reset();
    storage_ = std::move(after);
    return Open();
  }

  // The copy takes the store's place.
  Status MoveToCheckpoint() {
    std::string copy = fmt::format("/copy{}", ++copies_);
    SILT_RETURN_IF_ERROR(db_->Checkpoint(copy));
    SILT_RETURN_IF_ERROR(db_->Close());
    db_.reset();
    for (const std::string& file : storage_->AllFiles()) {
      if (file.starts_with("/db/")) SILT_RETURN_IF_ERROR(storage_->DeleteFile(file));
    }
    auto files = storage_->ListDir(copy);
    if (!files) return files.error();
    for (const std::string& name : *files) SILT_RETURN_IF_ERROR(storage_->RenameFile(copy + "/" + name, "/db/" + name));
    SILT_RETURN_IF_ERROR(storage_->SyncDir("/db"));
    SILT_RETURN_IF_ERROR(storage_->SyncDir(copy));
    return Open();
  }

  void Release(size_t slot) {
    if (snapshots_[slot] != nullptr) db_->ReleaseSnapshot(snapshots_[slot]);
    snapshots_[slot] = nullptr;
  }
  void LetGoOfReads() {
    for (auto& cursor : cursors_) cursor.reset();
    for (auto& pin : pins_) pin.Reset();
    for (size_t slot = 0; slot < kSnapshots && db_ != nullptr; ++slot) Release(slot);
  }
  void LetGo() {
    if (maintenance_.joinable()) maintenance_.join();
    LetGoOfReads();
    db_.reset();
  }

  const uint64_t seed_;
  Random random_;
  Options options_;
  ImpatientClock clock_;
  std::unique_ptr<SimStorage> storage_;
  std::unique_ptr<Db> db_;
  uint64_t maintenance_one_in_, reopen_one_in_, copies_ = 0;
  size_t threads_ = 1;
  std::thread maintenance_;
  Status maintenance_status_;  // the thread's while it runs
  const Snapshot* snapshots_[kSnapshots] = {};
  std::unique_ptr<Iterator> cursors_[kCursors];
  PinnedValue pins_[kPins];
  bool pin_found_[kPins] = {};
};

}  // namespace silt::lsm::metamorphic
