// A filesystem for tests, on an engine in memory or on the real one over a simulated disk, with a clock of its own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/filesystem.h"
#include "lsm/storage/sim_storage.h"
#include "tests/fs/memory_db.h"

namespace silt::fs::test {

enum class Backend { kMemory, kEngine };

class TestFilesystem {
 public:
  explicit TestFilesystem(Backend backend, const FormatOptions& format = {});
  ~TestFilesystem();

  Filesystem& operator*() { return *fs_; }
  Filesystem* operator->() { return fs_.get(); }
  // Closes and opens again; `crash`: without closing first what memory held is gone (engine: the process dies).
  void Reopen();
  void Close();
  // Runs fsck's walk over the open store: no problems, or a test failure for each.
  void ExpectConsistent();

  MemoryStore& memory() { return *memory_; }
  lsm::SimStorage& disk() { return *disk_; }
  void ReplaceDisk(std::unique_ptr<lsm::SimStorage> disk);  // REQUIRES: closed
  void Open();
  OpenOptions& options() { return options_; }

  // Shorthand. Path components are looked up from the root, references are given back.
  InodeNumber File(std::string_view name, InodeNumber parent = kRootInode);  // creates; fails the test if it cannot
  InodeNumber Directory(std::string_view name, InodeNumber parent = kRootInode);  // ...
  int Write(InodeNumber ino, uint64_t offset, std::string_view data);             // errno, 0: well
  std::string Read(InodeNumber ino, uint64_t offset, size_t size);
  std::vector<std::string> List(InodeNumber ino);
  Attributes Stat(InodeNumber ino);
  // Number of keys of the store.
  size_t CountKeys();

 private:
  const Backend backend_;
  OpenOptions options_;
  std::shared_ptr<MemoryStore> memory_;
  std::unique_ptr<lsm::SimStorage> disk_;
  std::unique_ptr<Filesystem> fs_;
  std::shared_ptr<std::atomic<int64_t>> ticks_ = std::make_shared<std::atomic<int64_t>>(1'700'000'000);
};

class FsTest : public ::testing::TestWithParam<Backend> {
 protected:
  TestFilesystem fs{GetParam()};
};

#define SILT_FS_BACKENDS(suite)                                                                                       \
  INSTANTIATE_TEST_SUITE_P(, suite,                                                                                   \
                           ::testing::Values(::silt::fs::test::Backend::kMemory, ::silt::fs::test::Backend::kEngine), \
                           [](const auto& param_info) {                                                               \
                             return param_info.param == ::silt::fs::test::Backend::kMemory ? "Memory" : "Engine";     \
                           })

inline int ErrorOf(const Outcome& outcome) {
  return outcome ? 0 : outcome.error().value();
}
template <class T>
int ErrorOf(const Result<T>& result) {
  return result ? 0 : result.error().value();
}

}  // namespace silt::fs::test
