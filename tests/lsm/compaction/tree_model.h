// A tree of tables that exist only in memory: what the picker's choices do to real keys, without any table format.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lsm/compaction/picker.h"
#include "lsm/version/live_files.h"

namespace silt::lsm::testing {

struct ModelEntry {
  std::string key;
  SequenceNumber sequence;
  bool tombstone;
};

struct ModelRange {
  std::string begin;
  std::string end;
  SequenceNumber sequence;
};

struct ModelTable {
  std::vector<ModelEntry> entries;  // by key, then newest first
  std::vector<ModelRange> ranges;
};

// One family. Writes go to tables of level 0 at once; compactions are applied as an honest job would, with outputs cut
// at random.
class TreeModel {
 public:
  TreeModel(const Options& options, uint32_t seed);

  // A new table of level 0 with the given operations; `keys` as puts, `deletes`, and ranges.
  void Flush(const std::vector<std::string>& puts, const std::vector<std::string>& deletes,
             const std::vector<std::pair<std::string, std::string>>& ranges = {});
  // Carries out a picked compaction. Fails the test when its outputs do not fit the version.
  void Finish(const Compaction& compaction);

  const VersionRef& version() const { return version_; }
  const FamilyVersion& family() const { return version_->families[0]; }
  SequenceNumber last_sequence() const { return last_sequence_; }
  SequenceNumber oldest_snapshot() const { return oldest_snapshot_; }
  void SetOldestSnapshot(SequenceNumber sequence) { oldest_snapshot_ = sequence; }
  // An exact answer to the picker's question.
  CoveredWhole covered_whole() const;

  // Every key reads as it was written, at the oldest snapshot and now; sources are in order; levels are disjoint.
  void CheckContents() const;
  uint64_t TombstonesLeft() const;

 private:
  void Add(VersionEdit* edit, int level, ModelTable table);
  void Apply(const VersionEdit& edit);
  std::vector<std::vector<FileRef>> Sources() const;  // newest first
  bool Read(const std::vector<std::vector<FileRef>>& sources, const std::string& key, SequenceNumber snapshot,
            SequenceNumber* sequence) const;
  void CheckOrder(const std::vector<std::vector<FileRef>>& sources) const;
  bool Expected(const std::string& key, SequenceNumber snapshot, SequenceNumber* sequence) const;
  ModelTable Merge(const Compaction& compaction) const;
  std::vector<ModelTable> Cut(ModelTable merged);

  const Options options_;
  std::mt19937 random_;
  VersionRef version_;
  LiveFiles live_{1};
  FileNumber next_number_ = 1;
  SequenceNumber last_sequence_ = 0;
  SequenceNumber oldest_snapshot_ = 0;
  std::map<FileNumber, ModelTable> tables_;
  std::map<std::string, std::vector<ModelEntry>> history_;  // oldest first
  std::vector<ModelRange> all_ranges_;
};

}  // namespace silt::lsm::testing
