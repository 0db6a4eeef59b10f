// A small store for tests of fsck, written key by key, so that it can be broken key by key.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "fs/check.h"
#include "fs/schema.h"
#include "lsm/db.h"

namespace silt::fs {

// Family and key.
using RawKey = std::pair<lsm::FamilyId, std::string>;
using Dump = std::map<RawKey, std::string>;

// "I 17", "N 1 name", "E 1 17", "D 17 0", "S": for people.
std::string Describe(const RawKey& key);
// Keys whose values differ, described.
std::set<std::string> Difference(const Dump& a, const Dump& b);

// Keeps every invariant of fs/FORMAT.md until told otherwise.
class Image {
 public:
  explicit Image(lsm::Db* db, uint32_t block_size = 4096);

  InodeNumber AddDirectory(InodeNumber parent, std::string_view name);
  // A file with `data`; blocks of zeros are holes.
  InodeNumber AddFile(InodeNumber parent, std::string_view name, std::string_view data);
  InodeNumber AddNode(InodeNumber parent, std::string_view name, uint32_t mode, std::string_view target = {});
  void AddLink(InodeNumber ino, InodeNumber parent, std::string_view name);
  void AddXattr(InodeNumber ino, std::string_view name, std::string_view value);
  InodeNumber AddOrphan(uint32_t mode, std::string_view data);
  void Preallocate(InodeNumber ino, uint64_t block);  // behind the end

  lsm::Db& db() { return *db_; }
  void Put(const RawKey& key, std::string_view value);
  void Delete(const RawKey& key);
  // The value; fails the test if there is none.
  std::string Get(const RawKey& key);
  Dump Read();
  void Replace(const Dump& dump);  // makes the store hold just this

  schema::InodeRecord Inode(InodeNumber ino);
  void PutInode(InodeNumber ino, const schema::InodeRecord& record);
  uint64_t EntryId(InodeNumber directory, std::string_view name);
  void PutName(InodeNumber directory, std::string_view name, uint64_t id, InodeNumber ino, uint32_t type);
  void PutEntry(InodeNumber directory, uint64_t id, std::string_view name, InodeNumber ino, uint32_t type);

  CheckReport Check(bool repair, const std::function<void(uint64_t, uint64_t)>& progress = {});

 private:
  InodeNumber NewNumber();
  void WriteData(InodeNumber ino, std::string_view data, schema::InodeRecord* record);
  lsm::Db* db_;
  uint32_t block_size_;
};

RawKey MetaKeyOf(std::string key);
RawKey DataKeyOf(InodeNumber ino, uint64_t block);
std::string Lines(const CheckReport& report);

}  // namespace silt::fs
