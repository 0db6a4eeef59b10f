#include "lsm/compaction/picker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "lsm/compaction/shape.h"
#include "lsm/version/live_files.h"

namespace silt::lsm {
namespace {

// A file to be put into a tree; unnamed fields do not matter.
struct F {
  int level;
  std::string smallest;
  std::string largest;
  uint64_t size = 10;
  uint64_t tombstones = 0;  // of 100 entries
  uint64_t range_tombstones = 0;
  SequenceNumber sequence = 0;  // 0: as given, later files are newer
  bool exclusive = false;
  uint64_t created = 1000;
};

class PickerTest : public ::testing::Test {
 protected:
  PickerTest() {
    options_.l0_compaction_runs = 4;
    options_.level_multiplier = 10;
    options_.families[0].target_file_bytes = 10;
    options_.families[0].base_level_bytes = 100;
  }

  // Files are numbered from 1 in the order given.
  void Tree(const std::vector<F>& files) {
    VersionEdit edit;
    FileNumber number = 0;
    for (const F& f : files) {
      auto file = std::make_shared<FileMeta>();
      file->number = ++number;
      file->size = f.size;
      file->allowed_seeks = 100;
      TableProperties& p = file->properties;
      p.entries = 100;
      p.data_blocks = 10;
      p.tombstones = f.tombstones;
      p.range_tombstones = f.range_tombstones;
      p.smallest = f.smallest;
      p.largest = f.largest;
      p.largest_exclusive = f.exclusive;
      p.creation_seconds = f.created;
      p.smallest_sequence = p.largest_sequence = f.sequence != 0 ? f.sequence : number * 10;
      edit.new_files.push_back({0, f.level, file});
    }
    LiveFiles live(1);
    ASSERT_TRUE(live.Check(edit).ok());
    live.Apply(edit);
    version_ = *live.Build();
  }

  FileRef File(FileNumber number) const {
    for (const auto& level : version_->families[0].levels) {
      for (const FileRef& file : level) {
        if (file->number == number) return file;
      }
    }
    return nullptr;
  }
  static std::string Numbers(const std::vector<FileRef>& files) {
    std::vector<FileNumber> numbers;
    for (const FileRef& file : files) numbers.push_back(file->number);
    std::sort(numbers.begin(), numbers.end());
    std::string text;
    for (FileNumber number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
    return text;
  }
  // "L0->L6 1,2 + 3 bottommost (L0 runs)"
  static std::string Text(const std::optional<Compaction>& c) {
    if (!c) return "nothing";
    std::string text =
        "L" + std::to_string(c->level) + "->L" + std::to_string(c->output_level) + " " + Numbers(c->inputs);
    if (!c->output_inputs.empty()) text += " + " + Numbers(c->output_inputs);
    if (c->trivial_move) text += " move";
    if (c->drop_whole) text += " drop";
    if (c->bottommost) text += " bottommost";
    return text + " (" + CompactionReasonName(c->reason) + ")";
  }
  std::string Pick(SequenceNumber oldest_snapshot = 100000, uint64_t now = 0, uint64_t room = kUnlimitedRoom) {
    return Text(PickCompaction(version_, options_, oldest_snapshot, {}, now, room));
  }
  std::string PickWithin(uint64_t room) { return Pick(100000, 0, room); }
  std::string Manual(int level, const std::string* begin, const std::string* end, bool* conflict = nullptr) {
    return Text(PickManual(version_, options_, 0, level, begin, end, conflict));
  }
  const FamilyVersion& family() const { return version_->families[0]; }

  Options options_;
  VersionRef version_;
};

TEST_F(PickerTest, RunsAreFilesThatShareAKey) {
  Tree({{0, "a", "c"}, {0, "d", "f"}, {0, "g", "i"}});
  EXPECT_EQ(L0Runs(family()), 1);
  Tree({{0, "a", "c"}, {0, "c", "f"}});
  EXPECT_EQ(L0Runs(family()), 2);
  Tree({{.level = 0, .smallest = "a", .largest = "c", .exclusive = true}, {0, "c", "f"}});
  EXPECT_EQ(L0Runs(family()), 1);
  Tree({{0, "a", "z"}, {0, "b", "c"}, {0, "x", "y"}, {0, "c", "x"}});
  EXPECT_EQ(L0Runs(family()), 3);
  EXPECT_EQ(L0Runs(FamilyVersion()), 0);
}

TEST_F(PickerTest, AHullEndsWhereTheFarthestOfItsFilesEnds) {
  Tree({{.level = 0, .smallest = "a", .largest = "m", .exclusive = true}, {0, "b", "m"}, {0, "m", "n"}});
  Hull hull(*File(1));
  EXPECT_FALSE(hull.Overlaps(Hull(*File(3))));
  hull.Extend(*File(2));
  EXPECT_TRUE(hull.Overlaps(Hull(*File(3))));
  EXPECT_EQ(hull.smallest, "a");
}

TEST_F(PickerTest, LevelsAreSizedFromTheLastOneUpwards) {
  auto base = [&] { return ComputeLevelTargets(family(), options_, options_.families[0]).base_level; };
  Tree({});
  EXPECT_EQ(base(), 6);
  Tree({{6, "a", "b", 100}});
  EXPECT_EQ(base(), 6);
  Tree({{6, "a", "b", 101}});
  EXPECT_EQ(base(), 5);
  Tree({{6, "a", "b", 20000}});
  EXPECT_EQ(base(), 3);
  EXPECT_EQ(ComputeLevelTargets(family(), options_, options_.families[0]).bytes[5], 2000u);
  EXPECT_EQ(ComputeLevelTargets(family(), options_, options_.families[0]).bytes[3], 100u);
  Tree({{2, "a", "b", 1}, {6, "a", "b", 5}});
  EXPECT_EQ(base(), 2) << "never below data";
  Tree({{1, "a", "b", uint64_t{1} << 60}});
  EXPECT_EQ(base(), 1);
}

TEST_F(PickerTest, OverlappingRunsAreMergedWithAllThatTheyHangTogetherWith) {
  Tree({{0, "a", "c"}, {0, "b", "e"}, {0, "b", "c"}, {0, "c", "d"}, {0, "x", "y"}, {6, "c", "f"}, {6, "x", "z"}});
  EXPECT_EQ(Pick(), "L0->L6 1,2,3,4 + 6 bottommost (L0 runs)");
}

TEST_F(PickerTest, ARunThatIsBeingCompactedBlocksWhatHangsTogetherWithIt) {
  Tree({{0, "a", "c"}, {0, "b", "e"}, {0, "b", "c"}, {0, "c", "d"}, {0, "c", "d"}, {0, "c", "d"}});
  File(1)->being_compacted = true;
  EXPECT_EQ(Pick(), "nothing");
}

TEST_F(PickerTest, FilesSideBySideGoDownUnread) {
  Tree({{0, "a", "b"}, {0, "c", "d"}, {0, "e", "f"}});
  EXPECT_EQ(Pick(), "nothing") << "too few to be worth a sync";
  Tree({{0, "a", "b"}, {0, "c", "d"}, {0, "e", "f"}, {0, "g", "h"}, {6, "h", "i"}});
  EXPECT_EQ(Pick(), "L0->L6 1,2,3 move (L0 runs)");
}

TEST_F(PickerTest, ManyFilesSideBySideThatOverlapTheBaseLevelGoTogether) {
  std::vector<F> files = {{6, "a", "z"}};
  for (char c = 'a'; c < 'a' + 16; ++c) files.push_back({0, std::string(1, c), std::string(1, c)});
  Tree(files);
  EXPECT_EQ(Pick(), "L0->L6 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17 + 1 bottommost (L0 runs)");
}

TEST_F(PickerTest, WhatHasNoRoomMakesWayForSmallerOnes) {
  std::vector<F> files;
  for (char c = 'a'; c < 'a' + 16; ++c) files.push_back({0, std::string(1, c), std::string(1, c)});
  for (char c = 'a'; c < 'a' + 16; ++c) files.push_back({6, std::string(1, c), std::string(1, c), 5});
  Tree(files);
  EXPECT_EQ(PickWithin(240), "L0->L6 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 + "
                             "17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32 bottommost (L0 runs)");
  EXPECT_EQ(PickWithin(239), "L0->L6 1 + 17 bottommost (L0 runs)");
  EXPECT_EQ(PickWithin(14), "nothing");

  Tree({{5, "a", "b", 60, 50}, {5, "c", "d", 60}, {5, "g", "h", 60}, {6, "a", "b", 30}, {6, "c", "d", 20}, {6, "e", "h", 1}});
  EXPECT_EQ(PickWithin(61), "L5->L6 3 + 6 bottommost (level size)");
  Tree({{.level = 6, .smallest = "a", .largest = "b", .tombstones = 60},
        {.level = 6, .smallest = "c", .largest = "d", .size = 9, .tombstones = 50}});
  EXPECT_EQ(PickWithin(9), "L6->L6 2 bottommost (tombstones)");
  Tree({{0, "a", "b"}, {0, "c", "d"}, {0, "e", "f"}, {0, "g", "h"}});
  EXPECT_EQ(PickWithin(0), "L0->L6 1,2,3,4 move (L0 runs)") << "moving takes none";
}

TEST_F(PickerTest, WithoutRoomTablesAreRidOfWhatIsDeletedAboveThem) {
  Tree({{.level = 0, .smallest = "a", .largest = "z", .range_tombstones = 1},
        {.level = 5, .smallest = "m", .largest = "p", .range_tombstones = 1},
        {6, "a", "c", 80},
        {6, "d", "f", 80},
        {6, "n", "o", 80}});
  std::map<FileNumber, uint64_t> covered = {{3, 9}, {4, 20}};
  const auto pick = [&](uint64_t room) {
    auto picked = PickCompaction(version_, options_, 100000, {}, 0, room,
                                 [&](const FileMeta& file) { return covered[file.number]; });
    return Text(picked) + (picked && !picked->covers.empty() ? " under " + Numbers(picked->covers) : "");
  };
  EXPECT_EQ(pick(kUnlimitedRoom), "L0->L5 1 + 2 (tombstones)");
  EXPECT_EQ(pick(60), "L6->L6 4 bottommost (tombstones) under 1");
  EXPECT_EQ(pick(59), "L0->L5 1 + 2 (tombstones)") << "nothing else has room";
  covered = {{3, 9}, {5, 10}};
  EXPECT_EQ(pick(75), "L6->L6 5 bottommost (tombstones) under 1,2") << "an eighth of the table is enough";
  covered = {{3, 9}};
  EXPECT_EQ(pick(75), "L0->L5 1 + 2 (tombstones)");
}

// Files that hang together in their own level and the next one are taken together if there is room.
TEST_F(PickerTest, InputsAreNotWidenedBeyondTheRoom) {
  Tree({{5, "a", "b", 60, 50}, {5, "c", "d", 60}, {6, "a", "d", 10}});
  EXPECT_EQ(PickWithin(130), "L5->L6 1,2 + 3 bottommost (level size)");
  EXPECT_EQ(PickWithin(129), "L5->L6 1 + 3 bottommost (level size)");
}

TEST_F(PickerTest, ALevelThatIsTooLargeGivesTheFileThatOverlapsLeast) {
  Tree({{5, "a", "b", 60}, {5, "c", "d", 60}, {6, "a", "b", 500}, {6, "c", "d", 30}});
  EXPECT_EQ(Pick(), "L5->L6 2 + 4 bottommost (level size)");
  File(2)->being_compacted = true;
  EXPECT_EQ(Pick(), "nothing") << "what is on its way does not count";
}

TEST_F(PickerTest, FilesWithNothingBelowAreMoved) {
  Tree({{5, "a", "b", 60}, {5, "c", "d", 60}, {5, "e", "f", 60}, {6, "c", "d", 300}});
  EXPECT_EQ(Pick(), "L5->L6 1,3 move (level size)");
}

TEST_F(PickerTest, AFileOverTooMuchGrandparentIsRewritten) {
  Tree({{4, "a", "b", 60}, {4, "c", "d", 60}, {6, "a", "b", 101}, {6, "c", "d", 100}});
  EXPECT_EQ(Pick(), "L4->L5 2 move (level size)");
  Tree({{4, "a", "b", 120}, {6, "a", "b", 101}});
  EXPECT_EQ(Pick(), "L4->L5 1 (level size)");
}

TEST_F(PickerTest, NeighboursThatCostNothingBelowComeAlong) {
  options_.families[0].target_file_bytes = 100;
  Tree({{5, "a", "b", 60}, {5, "c", "d", 60}, {5, "x", "y", 60}, {6, "a", "e", 60}, {6, "x", "z", 600}});
  EXPECT_EQ(Pick(), "L5->L6 1,2 + 4 bottommost (level size)");
}

TEST_F(PickerTest, DenseTombstonesAreSentTowardsWhatTheyHide) {
  Tree({{.level = 4, .smallest = "a", .largest = "b", .tombstones = 25}, {6, "a", "b"}});
  EXPECT_EQ(Pick(), "L4->L5 1 move (tombstones)");
  Tree({{.level = 5, .smallest = "a", .largest = "b", .tombstones = 25}, {6, "a", "b"}});
  EXPECT_EQ(Pick(), "L5->L6 1 + 2 bottommost (tombstones)");
  Tree({{.level = 5, .smallest = "a", .largest = "b", .tombstones = 24}, {6, "a", "b"}});
  EXPECT_EQ(Pick(), "nothing");
}

TEST_F(PickerTest, TombstonesThatHideNothingAreRewrittenAwayAndNotMoved) {
  Tree({{.level = 4, .smallest = "a", .largest = "b", .tombstones = 50}});
  EXPECT_EQ(Pick(), "L4->L5 1 bottommost (tombstones)");
  Tree({{.level = 6, .smallest = "a", .largest = "b", .tombstones = 50}});
  EXPECT_EQ(Pick(), "L6->L6 1 bottommost (tombstones)");
}

TEST_F(PickerTest, TombstonesThatASnapshotNeedsStay) {
  Tree({{.level = 6, .smallest = "a", .largest = "b", .tombstones = 50, .sequence = 70}});
  EXPECT_EQ(Pick(/*oldest_snapshot=*/69), "nothing");
  EXPECT_EQ(Pick(/*oldest_snapshot=*/70), "L6->L6 1 bottommost (tombstones)");
}

TEST_F(PickerTest, AFewDenseBlocksAreEnough) {
  Tree({{.level = 6, .smallest = "a", .largest = "b", .tombstones = 5}});
  EXPECT_EQ(Pick(), "nothing");
  const_cast<FileMeta&>(*File(1)).properties.tombstone_dense_blocks = 1;
  EXPECT_EQ(Pick(), "L6->L6 1 bottommost (tombstones)");
}

TEST_F(PickerTest, ASingleRangeTombstoneWaitsUntilItIsOld) {
  Tree({{.level = 6, .smallest = "a", .largest = "b", .range_tombstones = 1, .created = 1000}});
  EXPECT_EQ(Pick(100000, 1000 + kRangeTombstoneAgeSeconds - 1), "nothing");
  EXPECT_EQ(Pick(100000, 1000 + kRangeTombstoneAgeSeconds), "L6->L6 1 bottommost (tombstones)");
  EXPECT_EQ(Pick(100000, 0), "L6->L6 1 bottommost (tombstones)") << "time is not known";
  Tree({{.level = 6, .smallest = "a", .largest = "b", .range_tombstones = 20, .created = 1000}});
  EXPECT_EQ(Pick(100000, 1000), "L6->L6 1 bottommost (tombstones)") << "many do not wait";
}

TEST_F(PickerTest, FilesReadInVainGoDown) {
  Tree({{0, "a", "b"}, {5, "a", "c"}, {6, "b", "c"}});
  File(3)->allowed_seeks = 0;
  EXPECT_EQ(Pick(), "nothing") << "there is no further down";
  File(2)->allowed_seeks = 0;
  EXPECT_EQ(Pick(), "L5->L6 2 + 3 bottommost (seeks)");
  File(1)->allowed_seeks = -5;
  EXPECT_EQ(Pick(), "L0->L5 1 + 2 (seeks)");
}

TEST_F(PickerTest, WholeDropsAreAskedForOnlyBelowRangeTombstones) {
  Tree({{.level = 0, .smallest = "c", .largest = "m", .range_tombstones = 1},  // 1
        {5, "a", "b"},
        {.level = 5, .smallest = "d", .largest = "e", .sequence = 5},
        {.level = 6, .smallest = "f", .largest = "g", .sequence = 6},
        {.level = 6, .smallest = "h", .largest = "i", .sequence = 11},  // newer than the tombstone
        {.level = 0, .smallest = "j", .largest = "k", .sequence = 9},
        {.level = 6, .smallest = "x", .largest = "y", .sequence = 2}});
  std::set<FileNumber> asked;
  auto covered = [&](const FileMeta& file) {
    asked.insert(file.number);
    return file.number == 4;
  };
  EXPECT_EQ(Text(PickCompaction(version_, options_, 100, covered, 1000)),
            "L6->L6 4 drop (covered by a range tombstone)");
  EXPECT_EQ(asked, (std::set<FileNumber>{3, 4, 6}));
  asked.clear();
  EXPECT_EQ(Text(PickCompaction(version_, options_, 6, covered, 1000)), "nothing") << "a snapshot may see the file";
  EXPECT_EQ(asked, (std::set<FileNumber>{3}));
}

// File 2 lies between the inputs of a running compaction and overlaps none: its outputs may span that place.
TEST_F(PickerTest, OutputsMayNotLandBetweenThoseOfARunningCompaction) {
  std::vector<F> files = {{5, "a", "b"}, {5, "e", "f"}, {5, "x", "y"}};
  files.push_back({.level = 5, .smallest = "m", .largest = "n", .tombstones = 50});
  Tree(files);
  Compaction running;
  running.level = 5;
  running.output_level = 6;
  running.inputs = {File(1), File(3)};
  SetBeingCompacted(running, true);
  EXPECT_EQ(Pick(), "nothing");
  SetBeingCompacted(running, false);
  EXPECT_EQ(Pick(), "L5->L6 4 bottommost (tombstones)");
  // To another level there is no harm.
  running.output_level = 5;
  SetBeingCompacted(running, true);
  EXPECT_EQ(Pick(), "L5->L6 4 bottommost (tombstones)");
  // Marked by somebody who did not say where to.
  File(1)->compaction_output_level = File(3)->compaction_output_level = -1;
  EXPECT_EQ(Pick(), "nothing");
  Quarantine(running);
  EXPECT_EQ(Pick(), "L5->L6 4 bottommost (tombstones)") << "damaged files go nowhere";
  EXPECT_TRUE(File(1)->being_compacted);
}

TEST_F(PickerTest, ManualPicksTakeWhatOverlapsTheRange) {
  Tree({{0, "a", "c"}, {0, "b", "m"}, {0, "x", "z"}, {5, "a", "b"}, {5, "e", "f"}, {5, "g", "h"}, {6, "a", "z"}});
  std::string c = "c";
  std::string g = "g";
  std::string n = "n";
  EXPECT_EQ(Manual(0, nullptr, nullptr), "L0->L5 1,2,3 + 4,5,6 (manual)");
  EXPECT_EQ(Manual(0, &g, &n), "L0->L5 1,2 + 4,5,6 (manual)") << "and what they hang together with";
  EXPECT_EQ(Manual(0, &n, &n), "nothing");
  EXPECT_EQ(Manual(5, &c, &g), "L5->L6 5 + 7 bottommost (manual)") << "the end is exclusive";
  EXPECT_EQ(Manual(3, nullptr, nullptr), "nothing");
  EXPECT_EQ(Manual(6, nullptr, nullptr), "nothing") << "the last level has nowhere to go";
  bool conflict = true;
  EXPECT_EQ(Manual(3, nullptr, nullptr, &conflict), "nothing");
  EXPECT_FALSE(conflict);
  File(7)->being_compacted = true;
  EXPECT_EQ(Manual(5, &c, &g, &conflict), "nothing");
  EXPECT_TRUE(conflict);
}

TEST_F(PickerTest, TheWorstFamilyComesFirst) {
  options_.families.push_back(options_.families[0]);
  VersionEdit edit;
  for (FileNumber number = 1; number <= 13; ++number) {
    auto file = std::make_shared<FileMeta>();
    file->number = number;
    file->size = 10;
    file->properties.family = number <= 5 ? 0 : 1;
    file->properties.smallest = file->properties.largest = "k";
    edit.new_files.push_back({file->properties.family, 0, file});
    file->allowed_seeks = 1;
  }
  LiveFiles live(2);
  live.Apply(edit);
  version_ = *live.Build();
  auto compaction = PickCompaction(version_, options_, 100);
  ASSERT_TRUE(compaction);
  EXPECT_EQ(compaction->family, 1);
  EXPECT_EQ(compaction->InputBytes(), 80u);
  EXPECT_EQ(CompactionScore(version_->families[1], options_, options_.families[1]), 2);
}

}  // namespace
}  // namespace silt::lsm
