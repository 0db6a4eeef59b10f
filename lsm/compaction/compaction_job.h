// Merges the inputs of a compaction into new tables. Touches no MANIFEST: the caller makes the outputs live.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/compaction/entry_filter.h"
#include "lsm/compaction/merging_iterator.h"
#include "lsm/compaction/picker.h"
#include "lsm/compaction/retention.h"
#include "lsm/compaction/table_writer.h"
#include "lsm/options.h"
#include "lsm/storage/storage.h"
#include "lsm/table/table_cache.h"

namespace silt::lsm {

struct CompactionContext {
  const Options& options;
  Storage* storage;
  std::string dir;
  TableCache* tables;
  std::vector<SequenceNumber> snapshots;  // ascending
  std::function<FileNumber()> new_number;
  const std::atomic<bool>* stop;  // ends it early, with kAborted
  // Told now and then how many more bytes of keys and values it has gone through; may be empty.
  std::function<void(uint64_t bytes)> merged = {};
};

// Not thread-safe; runs once.
//
// The outputs divide the whole key space among them: output i has what lies in [cut i, cut i+1), points and pieces of
// range tombstones alike. So no user key's versions and no tombstone's reach cross an output's bounds, and a table
// never deletes anything outside of its own range, wherever it is moved to later.
//
//   points        a  c     f g          m   p
//   tombstones      [b------------------n)
//   cuts                |           |
//   outputs       a..e)    [e..k)     [k..p
class CompactionJob {
 public:
  CompactionJob(CompactionContext context, const Compaction& compaction);

  // On success the outputs are durable, names included. After a failure the caller deletes outputs().
  Status Run();
  const std::vector<FileRef>& outputs() const { return outputs_; }

 private:
  Status CollectTombstones();
  Status AddTombstonesOf(const std::vector<FileRef>& files, std::vector<RangeTombstone>* all) const;
  std::unique_ptr<MergingIterator> MergeInputs();
  Status MergeEntries();
  Status AddEntry(std::string_view internal_key, std::string_view user_key, std::string_view value);
  // Ends outputs where they should end before `key`; nullptr: before the end of everything.
  Status CutBefore(const std::string_view* key);
  bool OutputHasContentBefore(std::string_view key) const;
  Status OpenOutput();
  // `end`: exclusive; nullptr: no bound.
  Status FinishOutput(const std::string_view* end);
  void Pace(uint64_t bytes);

  const CompactionContext context_;
  const Compaction& compaction_;
  const FamilyOptions& family_;
  const Retention retention_;
  FragmentedRangeTombstones tombstones_;  // of all inputs, and of Compaction::covers
  std::vector<RangeTombstone> kept_;      // those that must go on, in key order; equal ranges side by side
  size_t next_kept_ = 0;                  // the first that reaches into the current output or lies behind it
  std::vector<FileRef> inputs_;           // of levels >= 1, in key order: what the iterators borrow
  std::vector<FileRef> output_inputs_;

  std::unique_ptr<TableWriter> writer_;
  std::string output_begin_;  // the cut at which the current output begins
  std::string last_user_key_;
  bool has_last_user_key_ = false;
  size_t next_grandparent_ = 0;
  uint64_t overlap_ = 0;  // bytes of grandparents that the current output overlaps
  uint64_t pace_debt_ = 0;
  std::vector<FileRef> outputs_;
};

}  // namespace silt::lsm
