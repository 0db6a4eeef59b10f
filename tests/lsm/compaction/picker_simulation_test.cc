// Random writes against random compactions, several running at once: nothing that the picker chooses may put newer data
// below older, lose or resurrect a key, make tables of a level overlap, or go on for ever.
#include <gtest/gtest.h>

#include <algorithm>

#include "tree_model.h"

namespace silt::lsm {
namespace {

using testing::TreeModel;

Options SmallTree() {
  Options options;
  options.level_multiplier = 3;
  options.l0_compaction_runs = 3;
  options.families[0].target_file_bytes = 12;
  options.families[0].base_level_bytes = 40;
  return options;
}

std::string Key(uint32_t n) {
  std::string key = std::to_string(n);
  return std::string(4 - key.size(), '0') + key;
}

class PickerSimulation : public ::testing::TestWithParam<uint32_t> {
 protected:
  uint32_t Random(uint32_t below) { return std::uniform_int_distribution<uint32_t>(0, below - 1)(random_); }

  void FlushSome() {
    std::vector<std::string> puts;
    std::vector<std::string> deletes;
    std::vector<std::pair<std::string, std::string>> ranges;
    std::set<uint32_t> keys;
    uint32_t style = Random(4);
    uint32_t from = style == 0 ? next_sequential_ : Random(kKeys);
    uint32_t spread = style == 1 ? kKeys : 40;
    for (uint32_t i = 0, n = 1 + Random(20); i < n; ++i) {
      keys.insert(style == 0 ? next_sequential_++ % 9000 : (from + Random(spread)) % kKeys);
    }
    for (uint32_t key : keys) (Random(10) < (style == 2 ? 7u : 1u) ? deletes : puts).push_back(Key(key));
    for (uint32_t i = 0, n = style == 3 ? 1 + Random(2) : 0; i < n; ++i) {
      uint32_t begin = Random(kKeys);
      ranges.emplace_back(Key(begin), Key(begin + 1 + Random(60)));
    }
    tree_.Flush(puts, deletes, ranges);
  }

  bool Start() {
    auto compaction = PickCompaction(tree_.version(), options_, tree_.oldest_snapshot(),
                                     Random(2) == 0 ? tree_.covered_whole() : CoveredWhole(), Random(2) == 0 ? 0 : 1);
    if (!compaction) return false;
    CheckPick(*compaction);
    Run(*std::move(compaction));
    return true;
  }

  void Run(Compaction compaction) {
    if (marks_targets_) {
      SetBeingCompacted(compaction, true);
    } else {
      for (const auto* files : {&compaction.inputs, &compaction.output_inputs}) {
        for (const FileRef& file : *files) file->being_compacted = true;
      }
    }
    running_.push_back(std::move(compaction));
  }

  void CheckPick(const Compaction& compaction) {
    ASSERT_FALSE(compaction.inputs.empty());
    for (const auto* files : {&compaction.inputs, &compaction.output_inputs}) {
      for (const FileRef& file : *files) ASSERT_FALSE(file->being_compacted);
    }
    ASSERT_TRUE(compaction.output_inputs.empty() || !(compaction.trivial_move || compaction.drop_whole));
    if (compaction.drop_whole) return;
    ASSERT_TRUE(compaction.output_level > compaction.level || compaction.output_level == kNumLevels - 1);
  }

  void FinishOne() {
    size_t index = Random(static_cast<uint32_t>(running_.size()));
    tree_.Finish(running_[index]);
    SetBeingCompacted(running_[index], false);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void TryManual() {
    std::string begin = Key(Random(kKeys));
    std::string end = Key(Random(kKeys));
    auto compaction = PickManual(tree_.version(), options_, 0, static_cast<int>(Random(kNumLevels - 1)),
                                 Random(3) == 0 ? nullptr : &begin, Random(3) == 0 ? nullptr : &end);
    if (compaction) Run(*std::move(compaction));
  }

  void SpendSeeks() {
    for (const auto& level : tree_.family().levels) {
      for (const FileRef& file : level) {
        if (Random(8) == 0) file->allowed_seeks = 0;
      }
    }
  }

  // Everything that is due, until nothing is; the number of steps.
  int Drain() {
    int steps = 0;
    while (!running_.empty()) FinishOne();
    while (Start()) {
      FinishOne();
      if (++steps > 5000 || ::testing::Test::HasFatalFailure()) break;
    }
    return steps;
  }

  static constexpr uint32_t kKeys = 400;
  std::mt19937 random_{GetParam()};
  Options options_ = SmallTree();
  TreeModel tree_{options_, GetParam()};
  std::vector<Compaction> running_;
  uint32_t next_sequential_ = 1000;
  const bool marks_targets_ = GetParam() % 2 == 0;
};

TEST_P(PickerSimulation, KeepsOrderAndContentsAndEnds) {
  for (int step = 0; step < 300 && !HasFatalFailure(); ++step) {
    switch (Random(8)) {
      case 0:
      case 1:
      case 2:
        FlushSome();
        break;
      case 3:
      case 4:
        if (running_.size() < 4) Start();
        break;
      case 5:
        if (!running_.empty()) FinishOne();
        break;
      case 6:
        tree_.SetOldestSnapshot(tree_.oldest_snapshot() +
                                Random(static_cast<uint32_t>(tree_.last_sequence() - tree_.oldest_snapshot()) + 1));
        break;
      default:
        Random(2) == 0 ? TryManual() : SpendSeeks();
    }
    if (step % 10 == 0) tree_.CheckContents();
  }
  ASSERT_LT(Drain(), 5000) << "never stops with snapshots held";
  tree_.CheckContents();
  tree_.SetOldestSnapshot(tree_.last_sequence());
  SpendSeeks();
  ASSERT_LT(Drain(), 5000) << "never stops";
  tree_.CheckContents();
  EXPECT_LT(CompactionScore(tree_.family(), options_, options_.families[0]), 1);
  for (const auto& level : tree_.family().levels) {
    for (const FileRef& file : level) {
      EXPECT_LT(static_cast<double>(file->properties.tombstones),
                options_.tombstone_ratio * static_cast<double>(file->properties.entries));
    }
  }
}

TEST_P(PickerSimulation, WithNoSnapshotHeldNoRangeTombstoneStays) {
  for (int i = 0; i < 60; ++i) FlushSome();
  tree_.SetOldestSnapshot(tree_.last_sequence());
  int steps = 0;
  while (auto compaction = PickCompaction(tree_.version(), options_, tree_.oldest_snapshot(), tree_.covered_whole())) {
    tree_.Finish(*compaction);
    ASSERT_LT(++steps, 5000);
  }
  tree_.CheckContents();
  for (bool has : tree_.family().has_range_tombstones) EXPECT_FALSE(has);
}

TEST_P(PickerSimulation, ManualCompactionOfEverythingLeavesOneLevelWithoutTombstones) {
  for (int i = 0; i < 40; ++i) {
    FlushSome();
    if (Random(3) == 0 && Start()) FinishOne();
  }
  tree_.SetOldestSnapshot(tree_.last_sequence());
  for (int level = 0; level < kNumLevels - 1; ++level) {
    while (auto compaction = PickManual(tree_.version(), options_, 0, level, nullptr, nullptr)) {
      EXPECT_FALSE(compaction->trivial_move);
      tree_.Finish(*compaction);
    }
    EXPECT_TRUE(tree_.family().levels[static_cast<size_t>(level)].empty());
  }
  tree_.CheckContents();
}

INSTANTIATE_TEST_SUITE_P(Seeds, PickerSimulation, ::testing::Range(0u, 16u));

}  // namespace
}  // namespace silt::lsm
