// Does operations to a file and to a string of bytes that it must be equal to.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mount/unique_fd.h"
#include "tests/posix/data_operation.h"

namespace silt::posix {

struct DataRunOptions {
  std::string path;
  uint64_t max_size = 256 << 10;
  // Everything happens behind this offset, in front of which is one hole: for files of more than 4 GiB.
  uint64_t base = 0;
  // O_DIRECT is done at multiples of it.
  uint64_t direct_alignment = 1;
  // The kernel's writeback cache is on: until fsync the daemon has not seen what was written, so that a kill loses it
  // and SEEK_DATA does not find it.
  bool writeback = false;
  bool controlled = false;  // without a controller, remounts and kills are left out
};

struct DataFailure {
  size_t index = 0;  // of the operation
  std::string what;
};

class DataRunner {
 public:
  explicit DataRunner(DataRunOptions options) : options_(std::move(options)) {}
  ~DataRunner() { Close(); }
  DataRunner(const DataRunner&) = delete;
  DataRunner& operator=(const DataRunner&) = delete;

  // On a new file.
  std::optional<DataFailure> Run(std::span<const DataOperation> operations);

 private:
  using Wrong = std::optional<std::string>;  // what differs

  Wrong Open(bool create);
  void Close();
  Wrong Do(const DataOperation& operation);
  Wrong ReadBack(const DataOperation& operation);
  Wrong Change(const DataOperation& operation);
  Wrong Allocate(const DataOperation& operation);
  Wrong Copy(const DataOperation& operation);
  Wrong MapTail(const DataOperation& operation);
  Wrong Seek(const DataOperation& operation);
  Wrong Verify();
  Wrong Sync(const DataOperation& operation);
  Wrong Again(const DataOperation& operation);
  bool ShowToDaemon() const;
  Wrong CheckSize();
  Wrong Compare(uint64_t offset, std::string_view got, size_t wanted_size) const;

  bool ReadInto(const DataOperation& operation, std::string* got);
  bool SendThroughPipe(uint64_t offset, std::string* got) const;
  bool SpliceFromPipe(uint64_t offset, std::string_view bytes) const;
  void Apply(uint64_t offset, std::string_view bytes);

  const DataRunOptions options_;
  std::string model_;
  mount::UniqueFd file_, direct_, append_, direct_append_, sync_;
  char* map_ = nullptr;
};

}  // namespace silt::posix
