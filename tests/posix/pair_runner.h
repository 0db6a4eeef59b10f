// Makes the same calls on the mount and on a native directory, and compares everything after each.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/posix/call.h"
#include "tests/posix/snapshot.h"

namespace silt::posix {

struct PairOptions {
  std::string mounted, native;  // directories that runs make theirs in
  bool writeback = false;       // the mount has the writeback cache: blocks are then allocated late
  bool controlled = false;      // without a controller, "remount" and "kill" do nothing
};

struct PairFailure {
  size_t index = 0;  // of the call
  std::string what;
};

class PairRunner {
 public:
  explicit PairRunner(PairOptions options) : options_(std::move(options)) {}

  // In two new directories, that are removed again. `blocks`: allocated blocks must be alike too, as they are where
  // nothing is punched or preallocated behind the end of a file, and no hole is copied.
  std::optional<PairFailure> Run(std::span<const Call> calls, bool blocks = false);
  uint64_t calls_made() const { return calls_made_; }

 private:
  using Wrong = std::optional<std::string>;

  Wrong Do(const Call& call);
  Wrong DoOnBoth(const Call& call, Span* span, CompareOptions* compare);
  Wrong CompareTrees(const Span& span, const CompareOptions& compare, bool every_byte);
  Wrong Remount(const std::string& how);
  Wrong Reopen();

  const PairOptions options_;
  std::string name_;  // of this run's directories
  std::unique_ptr<Side> mounted_, native_;
  Snapshot mounted_before_, native_before_;
  uint64_t calls_made_ = 0;
  uint64_t runs_ = 0;
  bool blocks_ = false;
};

// Whether a side knows the call, or it is one that the runner answers itself: "remount" and "kill".
bool IsKnown(const Call& call);

}  // namespace silt::posix
