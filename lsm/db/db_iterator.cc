#include "lsm/db/db_iterator.h"

#include <algorithm>

#include "lsm/compaction/level_iterator.h"
#include "lsm/db/db_impl.h"

namespace silt::lsm {
namespace {

// So many versions of one key are stepped over before it is cheaper to seek past the rest.
constexpr int kStepsBeforeSeek = 8;

// So many tombstones of memtables in one step cost some 100 us, and every scan would pay them again.
constexpr int kDeletedWorthAFlush = 2000;

// What NewIterator returns when it cannot return a scan.
class ErrorIterator final : public Iterator {
 public:
  explicit ErrorIterator(Status status) : status_(std::move(status)) {}
  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(std::string_view) override {}
  void SeekForPrev(std::string_view) override {}
  void Next() override {}
  void Prev() override {}
  std::string_view key() const override { return {}; }
  std::string_view value() const override { return {}; }
  Status status() const override { return status_; }

 private:
  Status status_;
};

bool InBounds(const FileRef& file, const ScanSources& scan) {
  if (scan.upper && file->properties.smallest >= *scan.upper) return false;
  return !scan.lower || !EndsBefore(*file, *scan.lower);
}

// The files of a sorted level that reach into the bounds.
std::span<const FileRef> FilesInBounds(const std::vector<FileRef>& files, const ScanSources& scan) {
  auto begin = files.begin();
  auto end = files.end();
  if (scan.lower) {
    begin = std::partition_point(begin, end, [&](const FileRef& file) { return EndsBefore(*file, *scan.lower); });
  }
  if (scan.upper) {
    end = std::partition_point(begin, end, [&](const FileRef& f) { return f->properties.smallest < *scan.upper; });
  }
  return {begin, end};
}

bool HasRangeTombstones(std::span<const FileRef> files) {
  return std::any_of(files.begin(), files.end(), [](auto& file) { return file->properties.range_tombstones > 0; });
}

}  // namespace

ScanSources OpenScan(ReadViewRef view, SequenceNumber sequence, FamilyId family, const ReadOptions& options,
                     TableCache* tables) {
  ScanSources scan;
  scan.view = std::move(view);
  scan.sequence = sequence;
  scan.lower = options.lower_bound;
  scan.upper = options.upper_bound;
  scan.cover = std::make_unique<CoverTracker>(tables, sequence);
  TableReadOptions read{options.fill_cache, options.readahead_bytes};
  std::vector<std::unique_ptr<InternalIterator>> sources;

  auto add_memtable = [&](const MemTable& memtable) {
    if (memtable.Empty()) return;  // and what comes later is not visible
    const GrowingRangeTombstones& tombstones = memtable.range_tombstones(family);
    if (!tombstones.Empty()) scan.cover->AddMemTable(sources.size(), &tombstones);
    sources.push_back(memtable.NewIterator(family));
  };
  auto add_files = [&](std::span<const FileRef> files, bool may_have_tombstones) {
    if (files.empty()) return;
    if (may_have_tombstones && HasRangeTombstones(files)) scan.cover->AddFiles(sources.size(), files);
    sources.push_back(std::make_unique<LevelIterator>(files, tables, read));
  };

  add_memtable(*scan.view->memtable);
  for (const auto& memtable : scan.view->immutables) add_memtable(*memtable);
  scan.memtables = sources.size();
  const FamilyVersion& version = scan.view->version->families[family];
  for (const FileRef& file : version.levels[0]) {
    if (InBounds(file, scan)) add_files({&file, 1}, version.has_range_tombstones[0]);
  }
  for (int level = 1; level < kNumLevels; ++level) {
    add_files(FilesInBounds(version.levels[level], scan), version.has_range_tombstones[level]);
  }
  scan.merged = std::make_unique<MergingIterator>(std::move(sources));
  return scan;
}

DbIterator::DbIterator(ScanSources sources, std::unique_ptr<ScanOwner> owner)
    : owner_(std::move(owner)), sources_(std::move(sources)), merged_(sources_.merged.get()) {}

void DbIterator::Stop(const Status& status) {
  valid_ = false;
  status_ = status;
  if (!status.ok()) owner_->OnError(status);
}

// `source` has a tombstone. In a table, the table's own count of them has it compacted away.
void DbIterator::CountDeleted(size_t source, int* deleted) {
  if (source < sources_.memtables && ++*deleted == kDeletedWorthAFlush) owner_->OnDeletedInMemory();
}

void DbIterator::SeekToFirst() {
  if (sources_.lower) return Seek(*sources_.lower);
  status_ = Status::Ok();
  merged_->SeekToFirst();
  FindForward(false);
}

void DbIterator::Seek(std::string_view target) {
  status_ = Status::Ok();
  if (sources_.lower && target < *sources_.lower) target = *sources_.lower;
  seek_key_.clear();
  AppendInternalKey(&seek_key_, target, SeekTrailer(sources_.sequence));
  merged_->Seek(seek_key_);
  FindForward(false);
}

void DbIterator::SeekToLast() {
  status_ = Status::Ok();
  if (sources_.upper) {
    merged_->SeekForPrev(MakeSeekKey(*sources_.upper, kMaxSequence));
  } else {
    merged_->SeekToLast();
  }
  FindBackward();
}

void DbIterator::SeekForPrev(std::string_view target) {
  if (sources_.upper && target >= *sources_.upper) return SeekToLast();
  status_ = Status::Ok();
  merged_->SeekForPrev(MakeInternalKey(target, 0, EntryKind::kDelete));
  FindBackward();
}

void DbIterator::Next() {
  if (backwards_) {
    merged_->Seek(MakeInternalKey(saved_key_, 0, EntryKind::kDelete));
  } else {
    saved_key_.assign(ExtractUserKey(merged_->key()));
    merged_->Next();
  }
  FindForward(true);
}

void DbIterator::Prev() {
  if (!backwards_) {
    saved_key_.assign(ExtractUserKey(merged_->key()));
    merged_->SeekForPrev(MakeSeekKey(saved_key_, kMaxSequence));
  }
  FindBackward();
}

// Steps over an entry, or seeks to (user_key, sequence) when this was done often for the same key.
void DbIterator::StepOver(std::string_view user_key, SequenceNumber sequence, int* steps) {
  if (++*steps <= kStepsBeforeSeek) return merged_->Next();
  *steps = 0;
  seek_key_.assign(user_key);
  PutFixed<uint64_t>(&seek_key_, sequence == 0 ? 0 : SeekTrailer(sequence));
  merged_->Seek(seek_key_);
}

// To the newest visible version of the next key that has one. `skip_saved`: not of saved_key_.
void DbIterator::FindForward(bool skip_saved) {
  backwards_ = false;
  int steps = 0;
  int deleted = 0;
  while (merged_->Valid()) {
    ParsedInternalKey entry;
    if (!ParseInternalKey(merged_->key(), &entry)) return Stop(Status::Corruption("scan: malformed key in a table"));
    if (sources_.upper && entry.user_key >= *sources_.upper) return Stop(Status::Ok());
    if (skip_saved && SameBytes(entry.user_key, saved_key_)) {
      StepOver(saved_key_, 0, &steps);
      continue;
    }
    if (entry.sequence > sources_.sequence) {
      if (steps == 0 || invisible_key_ != entry.user_key) {
        invisible_key_.assign(entry.user_key);
        steps = 0;
      }
      StepOver(invisible_key_, sources_.sequence, &steps);
      continue;
    }
    steps = 0;
    CoverTracker::Cover cover;
    if (!sources_.cover->Empty()) {
      auto found = sources_.cover->Find(entry.user_key, entry.sequence);
      if (!found) return Stop(found.error());
      cover = *found;
    }
    if (cover.span == nullptr && entry.kind == EntryKind::kPut) {
      valid_ = true;
      return;
    }
    CountDeleted(merged_->source(), &deleted);
    saved_key_.assign(entry.user_key);
    skip_saved = true;
    if (cover.span != nullptr && cover.source < merged_->source()) {
      // All that older sources have up to the span's end is hidden, too.
      merged_->SkipOlderTo(cover.source, MakeSeekKey(*cover.span->end, kMaxSequence));
    } else {
      merged_->Next();
    }
  }
  Stop(merged_->status());
}

void DbIterator::TakeCandidate(const ParsedInternalKey& entry, Candidate* candidate) {
  candidate->found = true;
  candidate->entry = entry;
  candidate->source = merged_->source();
  if (entry.kind == EntryKind::kPut) saved_value_.assign(merged_->value());
}

// The newest visible version of saved_key_, whose oldest version the merge stands on. Leaves the merge before the key.
DbIterator::Candidate DbIterator::NewestVisible() {
  Candidate candidate;
  for (int steps = 0; merged_->Valid(); ++steps) {
    ParsedInternalKey entry;
    if (!ParseInternalKey(merged_->key(), &entry) || entry.user_key != saved_key_) break;
    if (steps >= kStepsBeforeSeek && entry.sequence <= sources_.sequence) {
      merged_->Seek(MakeSeekKey(saved_key_, sources_.sequence));
      if (!merged_->Valid() || !ParseInternalKey(merged_->key(), &entry)) break;
      TakeCandidate(entry, &candidate);
      entry.sequence = kMaxSequence;
    }
    if (entry.sequence > sources_.sequence) {
      merged_->SeekForPrev(MakeSeekKey(saved_key_, kMaxSequence));
      break;
    }
    TakeCandidate(entry, &candidate);
    merged_->Prev();
  }
  return candidate;
}

void DbIterator::FindBackward() {
  backwards_ = true;
  int deleted = 0;
  while (merged_->Valid()) {
    saved_key_.assign(ExtractUserKey(merged_->key()));
    if (sources_.lower && saved_key_ < *sources_.lower) return Stop(Status::Ok());
    Candidate candidate = NewestVisible();
    if (!merged_->status().ok()) break;
    if (!candidate.found) continue;
    CoverTracker::Cover cover;
    if (!sources_.cover->Empty()) {
      auto found = sources_.cover->Find(saved_key_, candidate.entry.sequence);
      if (!found) return Stop(found.error());
      cover = *found;
    }
    if (cover.span != nullptr) {
      if (cover.source < candidate.source) {
        merged_->SkipOlderBackTo(cover.source, MakeSeekKey(*cover.span->begin, kMaxSequence));
      }
      continue;
    }
    if (candidate.entry.kind == EntryKind::kPut) {
      valid_ = true;
      return;
    }
    CountDeleted(candidate.source, &deleted);
  }
  Stop(merged_->status());
}

// Keeps count of the scan.
class DbImpl::IteratorPin final : public ScanOwner {
 public:
  IteratorPin(DbImpl* db, ReadViewRef view) : db_(db), view_(std::move(view)) {
    token_ = db_->pins_.Add(db_->clock_->MonotonicMicros());
  }
  ~IteratorPin() override {
    db_->pins_.Remove(token_);
  }
  void OnError(const Status& error) override { db_->CountDamage(error); }
  void OnDeletedInMemory() override { db_->SuggestFlush(*view_->memtable); }
  IteratorPin(const IteratorPin&) = delete;
  IteratorPin& operator=(const IteratorPin&) = delete;

 private:
  DbImpl* const db_;
  ReadViewRef view_;
  PinAges::Token token_;
};

std::unique_ptr<Iterator> DbImpl::NewIterator(const ReadOptions& options, FamilyId family) {
  Status usable = CheckOpen();
  if (family >= options_.families.size()) usable = Status::InvalidArgument(fmt::format("no family {}", family));
  if (!usable.ok()) return std::make_unique<ErrorIterator>(usable);
  ReadViewRef view = view_.Load();  // before the sequence number: see ReadViewHolder
  auto owner = std::make_unique<IteratorPin>(this, view);
  ScanSources sources = OpenScan(std::move(view), ReadSequence(options), family, options, &table_cache_);
  return std::make_unique<DbIterator>(std::move(sources), std::move(owner));
}

}  // namespace silt::lsm
