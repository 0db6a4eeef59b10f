// Tables of given or random entries, built in memory, and a sorted map to compare them with.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/internal_key.h"
#include "lsm/table/table.h"
#include "lsm/table/table_builder.h"
#include "tests/lsm/table/memory_storage.h"

namespace silt::lsm {

struct InternalOrder {
  bool operator()(const std::string& a, const std::string& b) const { return CompareInternal(a, b) < 0; }
};
// Internal key -> value.
using Entries = std::map<std::string, std::string, InternalOrder>;

inline constexpr const char* kTestTableName = "000007.sst";

struct BuiltTable {
  MemoryFileRef file = std::make_shared<MemoryFileBytes>();
  TableProperties properties;
};

inline BuiltTable Build(const TableBuilderOptions& options, const Entries& entries,
                        const std::vector<RangeTombstone>& tombstones = {}) {
  BuiltTable built;
  MemoryWriter writer(built.file);
  TableBuilder builder(options, &writer, kTestTableName);
  for (const RangeTombstone& t : tombstones) builder.AddRangeTombstone(t);
  for (const auto& [key, value] : entries) builder.Add(key, value);
  Status status = builder.Finish();
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(builder.FileSize(), built.file->bytes.size());
  built.properties = builder.properties();
  return built;
}

inline Result<std::shared_ptr<Table>> OpenTable(const MemoryFileRef& file, BlockCache* cache = nullptr,
                                                FileNumber number = 7) {
  return Table::Open(std::make_unique<MemoryReader>(file), kTestTableName, number, file->bytes.size(), cache);
}

inline std::string RandomBytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// User keys with long shared prefixes, short ones, binary ones and the empty key.
inline std::string RandomUserKey(std::mt19937_64& random) {
  switch (random() % 5) {
    case 0:
      return std::string(random() % 3, static_cast<char>("a\xff\0b"[random() % 4]));
    case 1:
      return "shared/prefix/of/some/length/" + std::to_string(random() % 200);
    case 2:
      return RandomBytes(random, random() % 12);
    case 3:
      return std::string(random() % 300, 'x') + std::to_string(random() % 10);
    default: {
      char number[8];
      for (size_t i = 0; i < 8; ++i) number[i] = static_cast<char>(i < 6 ? 0 : random() % 5);
      return "I" + std::string(number, 8);
    }
  }
}

inline std::string RandomValue(std::mt19937_64& random, size_t largest) {
  size_t size = random() % 4 == 0 ? 0 : random() % (largest + 1);
  return random() % 2 == 0 ? RandomBytes(random, size) : std::string(size, static_cast<char>('a' + random() % 26));
}

inline Entries RandomEntries(std::mt19937_64& random, size_t count, size_t largest_value) {
  Entries entries;
  for (SequenceNumber sequence = 1; sequence <= count; ++sequence) {
    bool put = random() % 4 != 0;
    entries[MakeInternalKey(RandomUserKey(random), sequence, put ? EntryKind::kPut : EntryKind::kDelete)] =
        put ? RandomValue(random, largest_value) : "";
  }
  return entries;
}

// What Table::Get must say, as one string; errors are the caller's business.
inline std::string ExpectedGet(const Entries& entries, std::string_view user_key, SequenceNumber snapshot) {
  auto it = entries.lower_bound(MakeSeekKey(user_key, snapshot));
  if (it == entries.end() || ExtractUserKey(it->first) != user_key) return "absent";
  std::string at = "@" + std::to_string(ExtractSequence(it->first));
  bool put = (ExtractTrailer(it->first) & 0xff) == static_cast<uint64_t>(EntryKind::kPut);
  return put ? "put" + at + ":" + it->second : "delete" + at;
}

inline std::string DescribeGet(const Table& table, std::string_view user_key, SequenceNumber snapshot,
                               Status* error = nullptr, const TableReadOptions& options = {}) {
  PinnedValue value;
  SequenceNumber sequence = 0;
  auto found = table.Get(options, user_key, snapshot, &value, &sequence);
  if (!found) {
    if (error != nullptr) *error = found.error();
    return "error: " + found.error().ToString();
  }
  std::string at = "@" + std::to_string(sequence);
  switch (*found) {
    case Table::Lookup::kAbsent:
    case Table::Lookup::kFilteredOut:
      return "absent";
    case Table::Lookup::kFound:
      return "put" + at + ":" + std::string(value.view());
    case Table::Lookup::kDeleted:
      return "delete" + at;
  }
  return "?";
}

}  // namespace silt::lsm
