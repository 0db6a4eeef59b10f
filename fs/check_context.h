// What the passes of fsck share. A check is a chain of passes over sorted key ranges, each of which reads one snapshot,
// reports what is wrong, and (with repair) writes batches that each leave the store no worse than before. Without
// repair the same decisions are taken and nothing is written, so that later passes judge the store as it would be.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/check.h"
#include "fs/check_nodes.h"
#include "fs/schema.h"
#include "lsm/db.h"

namespace silt::fs::check {

// Collects repairs and writes them; does nothing when repair is off.
class Mender {
 public:
  Mender(lsm::Db* db, bool enabled) : db_(db), enabled_(enabled) {}
  bool enabled() const { return enabled_; }

  void Put(lsm::FamilyId family, std::string_view key, std::string_view value) {
    if (enabled_) batch_.Put(family, key, value);
  }
  void Delete(lsm::FamilyId family, std::string_view key) {
    if (enabled_) batch_.Delete(family, key);
  }
  void DeleteRange(lsm::FamilyId family, const schema::KeyRange& range) {
    if (enabled_) batch_.DeleteRange(family, range.begin, range.end);
  }
  // Call where a repair is complete: what was collected since the last call is never split over two batches.
  lsm::Status Step() { return batch_.ByteSize() < kBatchBytes ? lsm::Status::Ok() : Flush(); }
  lsm::Status Flush();

 private:
  static constexpr size_t kBatchBytes = 256 << 10;
  lsm::Db* db_;
  bool enabled_;
  lsm::WriteBatch batch_;
};

// A snapshot for one pass, and reads through it.
class View {
 public:
  explicit View(lsm::Db* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  ~View() { db_->ReleaseSnapshot(snapshot_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  std::unique_ptr<lsm::Iterator> Scan(lsm::FamilyId family, const schema::KeyRange& range) const;
  std::unique_ptr<lsm::Iterator> ScanAll(lsm::FamilyId family) const;
  // kNotFound, or the value.
  lsm::Result<std::string> Get(lsm::FamilyId family, const std::string& key) const;
  // True if the range holds a key.
  lsm::Result<bool> Any(lsm::FamilyId family, const schema::KeyRange& range) const;
  // The name under which `directory` lists `ino`; `entry_id` (or 0) says which entry, if it is there. kNotFound.
  lsm::Result<std::string> EntryName(InodeNumber directory, uint64_t entry_id, InodeNumber ino) const;

 private:
  lsm::Db* db_;
  const lsm::Snapshot* snapshot_;
};

// Problems are named by path at the end, when the tree is known: until then they are remembered by number.
class Problems {
 public:
  // Whatever is broken, memory stays bounded: what comes after so many is mended too, but only counted.
  static constexpr size_t kMaxListed = 10'000;

  explicit Problems(bool repair) : repair_(repair) {}

  // Of an inode. `remedy` says what repair does ("set to 2"), with the verb in a form that follows "repair: ".
  void OfInode(InodeNumber ino, std::string what, std::string remedy) {
    Add({.ino = ino, .directory = 0, .name = {}, .what = std::move(what), .remedy = std::move(remedy)});
  }
  // Of a name in a directory.
  void OfEntry(InodeNumber directory, std::string_view name, std::string what, std::string remedy) {
    Add({.ino = 0,
         .directory = directory,
         .name = std::string(name),
         .what = std::move(what),
         .remedy = std::move(remedy)});
  }
  // Of the store as a whole.
  void OfStore(std::string what, std::string remedy) { OfEntry(0, {}, std::move(what), std::move(remedy)); }

  // Finds the paths and hands the lines over.
  lsm::Status Tell(const View& view, NodeTable* nodes, CheckReport* report);

 private:
  struct Problem {
    InodeNumber ino;
    InodeNumber directory;
    std::string name;
    std::string what, remedy;
  };
  void Add(Problem problem);

  bool repair_;
  uint64_t unlisted_ = 0;
  std::vector<Problem> list_;
};

// Turns bytes walked into calls of the progress callback.
class Meter {
 public:
  Meter(const std::function<void(uint64_t, uint64_t)>& progress, uint64_t done, uint64_t total)
      : progress_(progress), done_(done), total_(total) {}
  void Add(size_t bytes) {
    pending_ += bytes + 16;
    if (pending_ >= kStride) Tell();
  }

 private:
  static constexpr uint64_t kStride = 4 << 20;
  void Tell();
  const std::function<void(uint64_t, uint64_t)>& progress_;
  uint64_t done_, total_, pending_ = 0;
};

struct Context {
  lsm::Db* db;
  Mender mender;
  Problems problems;
  NodeTable nodes;
  Meter meter;
  CheckReport* report;
  std::function<Time()> now;

  schema::SuperblockRecord superblock;
  bool superblock_is_new = false;
  uint64_t highest_number = 0;  // of all inodes and entries that stay

  // Names under which repair leaves directories whose entry was not whole: the snapshot does not have them.
  std::map<InodeNumber, std::string> settled_names;

  void Saw(uint64_t number) {
    if (number > highest_number) highest_number = number;
  }
  // Puts N and E of one entry.
  void PutEntry(InodeNumber directory, uint64_t id, std::string_view name, InodeNumber ino, uint32_t type);
  void DeleteEntry(InodeNumber directory, uint64_t id, std::string_view name);
  // Takes the entry away that leads to a directory (its found_parent).
  lsm::Status DropEntryOf(const View& view, DirectoryNode* directory);
  // REQUIRES: highest_number is final, here and below.
  void CheckHighWaterMark();
  // A number that nothing uses, with the superblock that says so in the same batch.
  lsm::Result<uint64_t> NewNumber();
  // A record for an inode that repair makes, with the time of now.
  schema::InodeRecord NewInode(uint32_t mode, uint32_t nlink, uint32_t flags) const;
  void MalformedKey(lsm::FamilyId family, std::string_view key);
};

std::string TypeName(uint32_t type);  // "directory"

// The passes, in their order.
lsm::Status CheckSuperblock(Context* context);
lsm::Status CheckInodes(Context* context);    // fills the node table
lsm::Status CheckEntries(Context* context);   // pairs N with E, counts links; high-water mark
lsm::Status CheckTree(Context* context);      // cycles, orphan records, lost+found
lsm::Status CheckContents(Context* context);  // counts and sizes in records, data, xattrs

// All of them on an open engine. `done` of `total` is where progress stands already. kNotSupported for a newer format.
lsm::Status Walk(lsm::Db* db, const CheckOptions& options, uint64_t done, uint64_t total, CheckReport* report);

}  // namespace silt::fs::check
