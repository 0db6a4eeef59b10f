// What users scan with: the merge of all sources, seen at one sequence number.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lsm/compaction/merging_iterator.h"
#include "lsm/db/cover.h"
#include "lsm/db/read_view.h"
#include "lsm/internal_key.h"
#include "lsm/iterator.h"
#include "lsm/options.h"

namespace silt::lsm {

// Everything of one family that a scan reads, pinned. The merge's sources are in the order of a ReadView: newest first.
struct ScanSources {
  ReadViewRef view;
  SequenceNumber sequence = 0;
  std::optional<std::string> lower;  // user keys: lower <= k < upper
  std::optional<std::string> upper;
  std::unique_ptr<CoverTracker> cover;
  std::unique_ptr<MergingIterator> merged;
  size_t memtables = 0;  // sources of the merge, the first ones
};

// Whom a scan belongs to. Let go after everything that the scan reads.
class ScanOwner {
 public:
  virtual ~ScanOwner() = default;
  // The scan met an error; once for each.
  virtual void OnError(const Status& error) = 0;
  // One step had to pass over very many entries of memtables that are deleted.
  virtual void OnDeletedInMemory() = 0;
};
// The options' snapshot is not looked at: `sequence` is what the scan sees.
ScanSources OpenScan(ReadViewRef view, SequenceNumber sequence, FamilyId family, const ReadOptions& options,
                     TableCache* tables);

// Going forwards the merge stands on the current entry; going backwards it stands before all versions of the current
// key, which is copied: only after the oldest comes the newest visible one.
class DbIterator final : public Iterator {
 public:
  DbIterator(ScanSources sources, std::unique_ptr<ScanOwner> owner);

  bool Valid() const override { return valid_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view target) override;
  void SeekForPrev(std::string_view target) override;
  void Next() override;
  void Prev() override;
  std::string_view key() const override { return backwards_ ? saved_key_ : ExtractUserKey(merged_->key()); }
  std::string_view value() const override { return backwards_ ? saved_value_ : merged_->value(); }
  Status status() const override { return status_; }

 private:
  // What the walk over one key's versions, from the oldest on, has found.
  struct Candidate {
    bool found = false;
    ParsedInternalKey entry;  // user_key unset
    size_t source = 0;
  };

  void FindForward(bool skip_saved);
  void FindBackward();
  void StepOver(std::string_view user_key, SequenceNumber sequence, int* steps);
  Candidate NewestVisible();
  void TakeCandidate(const ParsedInternalKey& entry, Candidate* candidate);
  void CountDeleted(size_t source, int* deleted);
  void Stop(const Status& status);

  std::unique_ptr<ScanOwner> owner_;  // first, so that it goes last
  ScanSources sources_;
  MergingIterator* const merged_;
  bool valid_ = false;
  bool backwards_ = false;
  std::string saved_key_;
  std::string saved_value_;
  std::string invisible_key_;  // the key whose too new versions are being stepped over
  std::string seek_key_;       // scratch
  Status status_;
};

}  // namespace silt::lsm
