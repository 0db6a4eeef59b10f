#include "lsm/compaction/compaction_job.h"

#include <algorithm>
#include <utility>

#include "lsm/compaction/level_iterator.h"
#include "lsm/internal_key.h"

namespace silt::lsm {
namespace {

constexpr uint64_t kReadahead = 1 << 20;
constexpr uint64_t kEntriesBetweenChecks = 512;
constexpr uint64_t kPaceStep = 256 << 10;
// An output that overlaps more than this many output files' worth of the level below would be dear to compact.
constexpr uint64_t kMaxOverlapFiles = 10;

void SortByKey(std::vector<FileRef>* files) {
  std::sort(files->begin(), files->end(),
            [](const FileRef& a, const FileRef& b) { return a->properties.smallest < b->properties.smallest; });
}

}  // namespace

CompactionJob::CompactionJob(CompactionContext context, const Compaction& compaction)
    : context_(std::move(context)),
      compaction_(compaction),
      family_(context_.options.families[compaction.family]),
      retention_(context_.snapshots, compaction.bottommost),
      inputs_(compaction.inputs),
      output_inputs_(compaction.output_inputs) {
  if (compaction.level > 0) SortByKey(&inputs_);
  SortByKey(&output_inputs_);
}

Status CompactionJob::Run() {
  SILT_RETURN_IF_ERROR(CollectTombstones());
  SILT_RETURN_IF_ERROR(MergeEntries());
  SILT_RETURN_IF_ERROR(CutBefore(nullptr));
  SILT_RETURN_IF_ERROR(FinishOutput(nullptr));
  if (!outputs_.empty()) SILT_RETURN_IF_ERROR(context_.storage->SyncDir(context_.dir));
  // A table that cannot be read back must not replace its inputs.
  for (const FileRef& file : outputs_) {
    if (auto table = context_.tables->Get(file->number, file->size); !table) return table.error();
  }
  return Status::Ok();
}

// A table's tombstones lie within its bounds already: this class and the flush write no others.
Status CompactionJob::CollectTombstones() {
  std::vector<RangeTombstone> all;
  SILT_RETURN_IF_ERROR(AddTombstonesOf(inputs_, &all));
  SILT_RETURN_IF_ERROR(AddTombstonesOf(output_inputs_, &all));
  kept_ = RetainedTombstones(retention_, FragmentedRangeTombstones(all));
  SILT_RETURN_IF_ERROR(AddTombstonesOf(compaction_.covers, &all));
  tombstones_ = FragmentedRangeTombstones(std::move(all));
  return Status::Ok();
}

Status CompactionJob::AddTombstonesOf(const std::vector<FileRef>& files, std::vector<RangeTombstone>* all) const {
  for (const FileRef& file : files) {
    if (file->properties.range_tombstones == 0) continue;
    auto table = context_.tables->Get(file->number, file->size);
    if (!table) return table.error();
    for (const auto& fragment : (*table)->range_tombstones().fragments()) {
      for (SequenceNumber sequence : fragment.sequences) all->push_back({fragment.begin, fragment.end, sequence});
    }
  }
  return Status::Ok();
}

std::unique_ptr<MergingIterator> CompactionJob::MergeInputs() {
  TableReadOptions read{.fill_cache = false, .readahead_bytes = kReadahead};
  std::vector<std::unique_ptr<InternalIterator>> sources;
  auto add = [&](std::span<const FileRef> files) {
    sources.push_back(std::make_unique<LevelIterator>(files, context_.tables, read));
  };
  if (compaction_.level == 0) {
    for (size_t i = 0; i < inputs_.size(); ++i) add({&inputs_[i], 1});
  } else {
    add(inputs_);
  }
  if (!output_inputs_.empty()) add(output_inputs_);
  return std::make_unique<MergingIterator>(std::move(sources));
}

Status CompactionJob::MergeEntries() {
  EntryFilter filter(retention_, tombstones_);
  std::unique_ptr<MergingIterator> merged = MergeInputs();
  uint64_t seen = 0;
  uint64_t untold = 0;
  auto tell = [&] {
    if (context_.merged) context_.merged(std::exchange(untold, 0));
  };
  for (merged->SeekToFirst(); merged->Valid(); merged->Next()) {
    if (++seen % kEntriesBetweenChecks == 0) {
      tell();
      if (context_.stop->load(std::memory_order_relaxed)) return Status::Aborted("compaction: the store is closing");
    }
    ParsedInternalKey entry;
    if (!ParseInternalKey(merged->key(), &entry)) return Status::Corruption("compaction: malformed key in a table");
    std::string_view value = merged->value();
    untold += merged->key().size() + value.size();
    Pace(merged->key().size() + value.size());
    if (!filter.Keep(entry)) continue;
    SILT_RETURN_IF_ERROR(AddEntry(merged->key(), entry.user_key, value));
  }
  tell();
  return merged->status();
}

Status CompactionJob::AddEntry(std::string_view internal_key, std::string_view user_key, std::string_view value) {
  if (!has_last_user_key_ || user_key != last_user_key_) {
    SILT_RETURN_IF_ERROR(CutBefore(&user_key));
    last_user_key_.assign(user_key);
    has_last_user_key_ = true;
  }
  if (writer_ == nullptr) SILT_RETURN_IF_ERROR(OpenOutput());
  writer_->Add(internal_key, value);
  return writer_->status();
}

bool CompactionJob::OutputHasContentBefore(std::string_view key) const {
  return writer_ != nullptr || (next_kept_ < kept_.size() && kept_[next_kept_].begin < key);
}

Status CompactionJob::CutBefore(const std::string_view* key) {
  for (; next_grandparent_ < compaction_.grandparents.size(); ++next_grandparent_) {
    const FileMeta& grandparent = *compaction_.grandparents[next_grandparent_];
    std::string_view boundary = grandparent.properties.smallest;
    if (key != nullptr && boundary > *key) break;
    if (key == nullptr && (next_kept_ >= kept_.size() || boundary >= kept_.back().end)) break;
    if (!OutputHasContentBefore(boundary)) {
      overlap_ = grandparent.size;
      continue;
    }
    bool aligned = writer_ != nullptr && writer_->FileSize() >= family_.target_file_bytes / 2;
    overlap_ += grandparent.size;
    if (aligned || overlap_ > kMaxOverlapFiles * family_.target_file_bytes) {
      SILT_RETURN_IF_ERROR(FinishOutput(&boundary));
      overlap_ = grandparent.size;
    }
  }
  if (key != nullptr && writer_ != nullptr && writer_->FileSize() >= family_.target_file_bytes) {
    SILT_RETURN_IF_ERROR(FinishOutput(key));
    overlap_ = next_grandparent_ > 0 ? compaction_.grandparents[next_grandparent_ - 1]->size : 0;
  }
  return Status::Ok();
}

Status CompactionJob::OpenOutput() {
  bool last_level = compaction_.bottommost;
  auto writer = TableWriter::Create(context_.storage, context_.dir, context_.new_number(),
                                    MakeTableOptions(context_.options, compaction_.family, last_level));
  if (!writer) return writer.error();
  writer_ = std::move(*writer);
  return Status::Ok();
}

Status CompactionJob::FinishOutput(const std::string_view* end) {
  for (size_t i = next_kept_; i < kept_.size() && (end == nullptr || kept_[i].begin < *end); ++i) {
    RangeTombstone piece = kept_[i];
    piece.begin = std::max(piece.begin, output_begin_);
    if (end != nullptr && piece.end > *end) piece.end = std::string(*end);
    if (writer_ == nullptr) SILT_RETURN_IF_ERROR(OpenOutput());
    writer_->AddRangeTombstone(piece);
  }
  if (end != nullptr) {
    output_begin_.assign(*end);
    while (next_kept_ < kept_.size() && kept_[next_kept_].end <= *end) ++next_kept_;
  }
  if (writer_ == nullptr) return Status::Ok();
  auto file = writer_->Finish();
  writer_.reset();
  if (!file) return file.error();
  outputs_.push_back(std::move(*file));
  return Status::Ok();
}

void CompactionJob::Pace(uint64_t bytes) {
  uint64_t rate = context_.options.compaction_bytes_per_second;
  if (rate == 0) return;
  pace_debt_ += bytes;
  if (pace_debt_ < kPaceStep) return;
  context_.options.clock->SleepMicros(pace_debt_ * 1'000'000 / rate);
  pace_debt_ = 0;
}

}  // namespace silt::lsm
