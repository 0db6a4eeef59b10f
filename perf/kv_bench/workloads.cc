// The workloads themselves. Names and meanings follow LevelDB's db_bench where it has them.
#include <algorithm>

#include "perf/kv_bench/workload.h"

namespace silt::bench {
namespace {

void PutOne(Worker& w, const std::string& key, bool sync = false) {
  std::string_view value = w.values.Next();
  w.Time([&] { w.store.Put(key, value, sync); });
  w.bytes += key.size() + value.size();
}

void GetOne(Worker& w, const std::string& key) {
  int64_t size = -1;
  w.Time([&] { size = w.store.Get(key); });
  if (size < 0) return;
  ++w.found;
  w.bytes += key.size() + static_cast<uint64_t>(size);
}

void FillSequential(Worker& w) {
  for (uint64_t i = 0; i < w.operations; ++i) PutOne(w, KeyOf(w.first + i));
}

void FillRandom(Worker& w) {
  for (uint64_t i = 0; i < w.operations; ++i) PutOne(w, w.RandomKey());
}

// A thousandth of the operations, as each waits for the disk.
void FillSync(Worker& w) {
  for (uint64_t i = 0; i < std::max<uint64_t>(w.operations / 1000, 1); ++i) PutOne(w, w.RandomKey(), true);
}

void FillBatch(Worker& w) {
  Batch batch;
  for (uint64_t i = 0; i < w.operations;) {
    batch.Clear();
    uint64_t size = std::min(w.load.batch, w.operations - i);
    for (uint64_t j = 0; j < size; ++j) {
      std::string key = w.RandomKey();
      std::string_view value = w.values.Next();
      batch.Put(key, value);
      w.bytes += key.size() + value.size();
    }
    w.Time([&] { w.store.Write(batch, false); }, size);
    i += size;
  }
}

// Values of 100 KiB, a thousandth of the operations.
void Fill100K(Worker& w) {
  ValueSource values(w.load.seed, 100 << 10, w.load.compressibility);
  for (uint64_t i = 0; i < std::max<uint64_t>(w.operations / 1000, 1); ++i) {
    std::string key = w.RandomKey();
    std::string_view value = values.Next();
    w.Time([&] { w.store.Put(key, value, false); });
    w.bytes += key.size() + value.size();
  }
}

void ReadRandom(Worker& w) {
  for (uint64_t i = 0; i < w.operations; ++i) GetOne(w, w.RandomKey());
}

// Keys that sort between those that exist, so that only a filter can tell.
void ReadMissing(Worker& w) {
  for (uint64_t i = 0; i < w.operations; ++i) GetOne(w, w.RandomKey() + ".");
}

void ReadHot(Worker& w) {
  uint64_t hot = std::max<uint64_t>(w.load.num / 100, 1);
  for (uint64_t i = 0; i < w.operations; ++i) GetOne(w, KeyOf(w.random.Below(hot)));
}

void MultiGet(Worker& w) {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < w.operations; i += keys.size()) {
    keys.resize(std::min(w.load.batch, w.operations - i));
    for (auto& key : keys) key = w.RandomKey();
    std::sort(keys.begin(), keys.end());
    int64_t found = 0;
    w.Time([&] { found = w.store.MultiGet(keys); }, keys.size());
    w.found += static_cast<uint64_t>(found);
    w.bytes += static_cast<uint64_t>(found) * (keys.front().size() + w.load.value_bytes);
  }
}

// Seeks, then reads a few entries on.
void ReadOn(Worker& w, Cursor& cursor) {
  for (int n = 0; n < w.load.seek_nexts && cursor.Valid(); ++n) {
    w.bytes += cursor.key().size() + cursor.value().size();
    cursor.Next();
  }
}

void SeekRandom(Worker& w) {
  auto cursor = w.store.NewCursor();
  for (uint64_t i = 0; i < w.operations; ++i) {
    std::string target = w.RandomKey();
    bool exact = false;
    w.Time([&] {
      cursor->Seek(target);
      exact = cursor->Valid() && cursor->key() == target;
      ReadOn(w, *cursor);
    });
    w.found += exact ? 1 : 0;
  }
}

// Four fifths of the keys, from the tenth on.
uint64_t FirstDeleted(const LoadOptions& load) { return load.num / 10; }
uint64_t LastDeleted(const LoadOptions& load) { return load.num - load.num / 10; }

void DeleteMost(Worker& w) {
  for (uint64_t i = FirstDeleted(w.load); i < LastDeleted(w.load); ++i) w.store.Delete(KeyOf(i));
}

// Seeks to where all keys were deleted one by one, so that the next entry is far away; a thousandth of the operations.
// The store gets no time to clean up between the deletes and this, but each seek is a scan of its own.
void ScanAfterDelete(Worker& w) {
  uint64_t first = FirstDeleted(w.load);
  for (uint64_t i = 0; i < std::max<uint64_t>(w.operations / 1000, 1); ++i) {
    std::string target = KeyOf(first + w.random.Below(LastDeleted(w.load) - first));
    w.Time([&] {
      auto cursor = w.store.NewCursor();
      cursor->Seek(target);
      ReadOn(w, *cursor);
    });
  }
}

// Steps over the store, timed by the hundred: reading the clock costs as much as a step.
template <class Step>
void Walk(Worker& w, Cursor& cursor, Step&& step) {
  constexpr uint64_t kStepsTimed = 100;
  while (cursor.Valid() && w.done < w.operations) {
    uint64_t steps = 0;
    w.Time([&] {
      for (; steps < kStepsTimed && cursor.Valid(); ++steps) {
        w.bytes += cursor.key().size() + cursor.value().size();
        step();
      }
    }, kStepsTimed);
  }
}

void ReadSequential(Worker& w) {
  auto cursor = w.store.NewCursor();
  w.Time([&] { cursor->SeekToFirst(); }, 0);
  Walk(w, *cursor, [&] { cursor->Next(); });
}

void ReadReverse(Worker& w) {
  auto cursor = w.store.NewCursor();
  w.Time([&] { cursor->SeekToLast(); }, 0);
  Walk(w, *cursor, [&] { cursor->Prev(); });
}

void WriteUntilStopped(Worker& w) {
  while (!w.stop.load(std::memory_order_relaxed)) w.store.Put(w.RandomKey(), w.values.Next(), false);
}

void DeleteRandom(Worker& w) {
  for (uint64_t i = 0; i < w.operations; ++i) {
    std::string key = w.RandomKey();
    w.Time([&] { w.store.Delete(key); });
    w.bytes += key.size();
  }
}

// Ranges of a hundred keys each, a hundredth of the operations.
void DeleteRanges(Worker& w) {
  for (uint64_t i = 0; i < std::max<uint64_t>(w.operations / 100, 1); ++i) {
    uint64_t begin = w.random.Below(w.load.num);
    w.Time([&] { w.emulated |= !w.store.DeleteRange(KeyOf(begin), KeyOf(begin + 100)); });
    w.bytes += 2 * KeyOf(begin).size();
  }
}

// Keys as siltfs has them in spirit: attributes by inode, entries by directory and
// name, blocks by inode and number.
struct FsKeys {
  static std::string Inode(uint64_t inode) { return fmt::format("I{:016x}", inode); }
  static std::string Entry(uint64_t directory, uint64_t file) { return fmt::format("N{:08x}file-{}", directory, file); }
  static std::string Listed(uint64_t directory, uint64_t file) {
    return fmt::format("E{:08x}{:016x}", directory, file);
  }
  static std::string Block(uint64_t inode, uint64_t block) { return fmt::format("D{:016x}{:08x}", inode, block); }
};

// What a filesystem asks of its store for a write of 4 KiB somewhere in a large file: a block, and the inode's times.
void FsOverwrite(Worker& w) {
  ValueSource blocks(w.load.seed, 4096, w.load.compressibility);
  const std::string attributes(96, 'a');
  for (uint64_t i = 0; i < w.operations; ++i) {
    Batch batch;
    batch.Put(FsKeys::Block(w.index, w.random.Below(std::max<uint64_t>(w.operations / 4, 1))), blocks.Next());
    batch.Put(FsKeys::Inode(w.index), attributes);
    w.Time([&] { w.store.Write(batch, false); });
    for (const auto& op : batch.operations) w.bytes += op.key.size() + op.value.size();
  }
}

// Of 100 operations: 15 creates with a block of 4 KiB, 45 lookups (entry, then attributes), 10 lookups of what is not
// there, 15 reads of a block, 5 listings of 32 entries, 10 unlinks.
void FsMix(Worker& w) {
  constexpr uint64_t kFilesPerDirectory = 1000;
  ValueSource blocks(w.load.seed, 4096, w.load.compressibility);
  const std::string attributes(96, 'a');
  uint64_t base = static_cast<uint64_t>(w.index) << 40;
  uint64_t created = 0;
  auto directory_of = [&](uint64_t file) { return (base >> 32) + file / kFilesPerDirectory; };
  auto create = [&] {
    uint64_t file = created++;
    Batch batch;
    batch.Put(FsKeys::Inode(base + file), attributes);
    batch.Put(FsKeys::Entry(directory_of(file), file), attributes.substr(0, 17));
    batch.Put(FsKeys::Listed(directory_of(file), file), attributes.substr(0, 24));
    batch.Put(FsKeys::Block(base + file, 0), blocks.Next());
    w.Time([&] { w.store.Write(batch, false); });
    for (const auto& op : batch.operations) w.bytes += op.key.size() + op.value.size();
  };
  while (created < 1000) create();
  while (w.done < w.operations) {
    uint64_t dice = w.random.Below(100);
    uint64_t file = w.random.Below(created);
    if (dice < 15) {
      create();
    } else if (dice < 60) {
      w.Time([&] {
        if (w.store.Get(FsKeys::Entry(directory_of(file), file)) >= 0) w.store.Get(FsKeys::Inode(base + file));
      });
    } else if (dice < 70) {
      w.Time([&] { w.store.Get(FsKeys::Entry(directory_of(file), file) + "~"); });
    } else if (dice < 85) {
      w.Time([&] { w.store.Get(FsKeys::Block(base + file, 0)); });
    } else if (dice < 90) {
      w.Time([&] {
        auto cursor = w.store.NewCursor();
        cursor->Seek(FsKeys::Listed(directory_of(file), file));
        for (int i = 0; i < 32 && cursor->Valid(); ++i) cursor->Next();
      });
    } else {
      Batch batch;
      batch.Delete(FsKeys::Inode(base + file));
      batch.Delete(FsKeys::Entry(directory_of(file), file));
      batch.Delete(FsKeys::Listed(directory_of(file), file));
      batch.Delete(FsKeys::Block(base + file, 0));
      w.Time([&] { w.store.Write(batch, false); });
    }
  }
}

}  // namespace

const std::vector<Workload>& Workloads() {
  static const std::vector<Workload> workloads = {
      {"fillseq", "write keys in order", true, true, false, FillSequential},
      {"fillrandom", "write keys in random order", true, true, false, FillRandom},
      {"fillbatch", "the same in batches of --batch", true, true, false, FillBatch},
      {"fillsync", "write, each write durable before it returns (num/1000)", true, true, false, FillSync},
      {"fill100K", "write values of 100 KiB (num/1000)", true, true, false, Fill100K},
      {"overwrite", "write keys in random order into a filled store", false, true, false, FillRandom},
      {"readrandom", "read keys in random order", false, false, true, ReadRandom},
      {"readmissing", "read keys that do not exist", false, false, true, ReadMissing},
      {"readhot", "read the first hundredth of the keys in random order", false, false, true, ReadHot},
      {"multiget", "read --batch sorted random keys a call", false, false, true, MultiGet},
      {"seekrandom", "seek to random keys, read --seek_nexts entries", false, false, true, SeekRandom},
      {"readseq", "read all in order", false, false, false, ReadSequential},
      {"readreverse", "read all in reverse order", false, false, false, ReadReverse},
      {"readwhilewriting", "readrandom while one more thread writes", false, false, true, ReadRandom,
       WriteUntilStopped},
      {"deleterandom", "delete keys in random order", false, true, false, DeleteRandom},
      {"deleterange", "delete ranges of 100 keys (num/100)", false, true, false, DeleteRanges},
      {"scanafterdelete", "seek into a range whose keys were all deleted (num/1000)", false, false, false, ScanAfterDelete,
       nullptr, DeleteMost},
      {"fsmix", "what a filesystem does: create, look up, read, list, unlink", true, true, false, FsMix},
      {"fsoverwrite", "what random writes of 4 KiB to a large file are: a block and its inode", true, true, false, FsOverwrite},
  };
  return workloads;
}

}  // namespace silt::bench
