// A log on a simulated disk, for the tests of writer and reader.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/storage/sim_storage.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"

namespace silt::lsm {

inline constexpr uint32_t kTestSalt = 0x5a17c0de;
inline constexpr FileNumber kTestNumber = 12;
inline const std::string kTestLog = "/log";

struct ReadLog {
  std::vector<std::string> records;
  std::vector<uint64_t> ends;  // where each record ends
  Status status;
  LogEnd end = LogEnd::kClean;
};

inline ReadLog ReadAll(Storage* storage, const std::string& path = kTestLog, FileNumber number = kTestNumber) {
  ReadLog result;
  auto file = storage->NewRandomAccessFile(path);
  if (!file) {
    result.status = file.error();
    return result;
  }
  LogReader reader(std::move(*file), path, number);
  std::string_view record;
  while (reader.ReadRecord(&record)) {
    result.records.emplace_back(record);
    result.ends.push_back(reader.EndOfLastRecord());
    EXPECT_LT(reader.LastRecordOffset(), reader.EndOfLastRecord());
  }
  EXPECT_FALSE(reader.ReadRecord(&record)) << "the end stays the end";
  result.status = reader.status();
  result.end = reader.end();
  return result;
}

inline std::unique_ptr<LogWriter> NewLog(SimStorage* disk, const std::string& path = kTestLog,
                                         FileNumber number = kTestNumber, uint32_t salt = kTestSalt) {
  auto file = disk->NewWritableFile(path);
  EXPECT_TRUE(file) << file.error().ToString();
  EXPECT_TRUE(disk->SyncDir("/").ok());
  return std::make_unique<LogWriter>(std::move(*file), path, number, salt);
}

inline std::string RandomBytes(std::mt19937_64& random, size_t length) {
  std::string bytes(length, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// True if `found` is the beginning of `written`.
inline bool IsPrefix(const std::vector<std::string>& found, const std::vector<std::string>& written) {
  return found.size() <= written.size() && std::equal(found.begin(), found.end(), written.begin());
}

}  // namespace silt::lsm
