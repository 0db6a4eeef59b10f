// What a merge writes, case by case: `inputs` and outputs as text, a table a line, "key@sequence=value",
// "key@sequence-" for a deletion, "[a..c)@sequence" for a range tombstone.
#include "lsm/compaction/compaction_job.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "lsm/filenames.h"
#include "lsm/storage/sim_storage.h"

namespace silt::lsm {
namespace {

class CountingClock final : public Clock {
 public:
  uint64_t MonotonicMicros() override { return 0; }
  uint64_t UnixSeconds() override { return 1; }
  void SleepMicros(uint64_t micros) override { slept += micros; }
  uint64_t slept = 0;
};

class CompactionJobTest : public ::testing::Test {
 protected:
  CompactionJobTest() : cache_(1 << 20), tables_(&disk_, kDir, &cache_, 100) {
    EXPECT_TRUE(disk_.CreateDir(kDir).ok());
    options_.clock = &clock_;
    options_.families[0].block_bytes = 64;
    options_.families[0].compression = options_.families[0].last_level_compression = Compression::kNone;
    compaction_.level = 1;
    compaction_.output_level = 2;
  }

  // Entries in the order of their internal keys.
  FileRef Table(const std::string& text) {
    auto writer = TableWriter::Create(&disk_, kDir, ++number_, MakeTableOptions(options_, 0, false));
    EXPECT_TRUE(writer.has_value());
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      SequenceNumber sequence = std::stoull(word.substr(word.find('@') + 1));
      if (word[0] == '[') {
        size_t dots = word.find("..");
        (*writer)->AddRangeTombstone(
            {word.substr(1, dots - 1), word.substr(dots + 2, word.find(')') - dots - 2), sequence});
        continue;
      }
      bool deletion = word.back() == '-';
      std::string value = deletion ? "" : word.substr(word.find('=') + 1);
      (*writer)->Add(
          MakeInternalKey(word.substr(0, word.find('@')), sequence, deletion ? EntryKind::kDelete : EntryKind::kPut),
          value);
    }
    auto file = (*writer)->Finish();
    EXPECT_TRUE(file.has_value()) << file.error().ToString();
    return *file;
  }
  void Input(const std::string& text) { compaction_.inputs.push_back(Table(text)); }
  void OutputInput(const std::string& text) { compaction_.output_inputs.push_back(Table(text)); }

  std::string Describe(const FileRef& file) {
    auto table = tables_.Get(file->number, file->size);
    EXPECT_TRUE(table.has_value());
    std::string text;
    auto it = (*table)->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      ParsedInternalKey key;
      EXPECT_TRUE(ParseInternalKey(it->key(), &key));
      text += fmt::format("{}@{}{} ", key.user_key, key.sequence,
                          key.kind == EntryKind::kDelete ? "-" : "=" + std::string(it->value().substr(0, 8)));
    }
    for (const auto& fragment : (*table)->range_tombstones().fragments()) {
      for (SequenceNumber s : fragment.sequences) text += fmt::format("[{}..{})@{} ", fragment.begin, fragment.end, s);
    }
    if (!text.empty()) text.pop_back();
    return text;
  }

  std::string Run() {
    CompactionJob job({.options = options_,
                       .storage = &disk_,
                       .dir = kDir,
                       .tables = &tables_,
                       .snapshots = snapshots_,
                       .new_number = [this] { return ++number_; },
                       .stop = &stop_},
                      compaction_);
    status_ = job.Run();
    outputs_ = job.outputs();
    std::string text;
    for (const FileRef& file : outputs_) text += Describe(file) + "\n";
    return text;
  }

  static constexpr const char* kDir = "/store";
  SimStorage disk_;
  CountingClock clock_;
  Options options_;
  BlockCache cache_;
  TableCache tables_;
  FileNumber number_ = 0;
  Compaction compaction_;
  std::vector<SequenceNumber> snapshots_;
  std::atomic<bool> stop_{false};
  Status status_;
  std::vector<FileRef> outputs_;
};

TEST_F(CompactionJobTest, OfEachKeyTheNewestVersionStays) {
  Input("a@10=new c@11=new");
  OutputInput("a@1=old b@2=old c@3=old");
  EXPECT_EQ(Run(), "a@10=new b@2=old c@11=new\n");
  EXPECT_TRUE(status_.ok());
}

TEST_F(CompactionJobTest, InputsOfLevel0MayOverlap) {
  compaction_.level = 0;
  Input("a@20=3 b@21=3");
  Input("a@10=2");
  OutputInput("a@1=1 b@2=1");
  EXPECT_EQ(Run(), "a@20=3 b@21=3\n");
}

TEST_F(CompactionJobTest, EverySnapshotKeepsTheVersionThatItSees) {
  snapshots_ = {5, 12};
  Input("a@20=e a@12=d a@11=c");
  OutputInput("a@5=b a@4=a");
  EXPECT_EQ(Run(), "a@20=e a@12=d a@5=b\n");
}

TEST_F(CompactionJobTest, ATombstoneGoesWithWhatItHidesOnTheLastLevelOnly) {
  Input("a@10- b@11=2");
  OutputInput("a@1=old");
  EXPECT_EQ(Run(), "a@10- b@11=2\n");
  compaction_.bottommost = true;
  EXPECT_EQ(Run(), "b@11=2\n");
  snapshots_ = {5};
  EXPECT_EQ(Run(), "a@10- a@1=old b@11=2\n") << "the snapshot sees the old one, and nothing but the tombstone hides it";
}

TEST_F(CompactionJobTest, ARangeTombstoneHidesOlderEntriesOfItsStripe) {
  Input("b@20=new [a..c)@10");
  OutputInput("a@1=old b@2=old c@3=old");
  EXPECT_EQ(Run(), "b@20=new c@3=old [a..c)@10\n");
  compaction_.bottommost = true;
  EXPECT_EQ(Run(), "b@20=new c@3=old\n");
  snapshots_ = {2};
  EXPECT_EQ(Run(), "a@1=old b@20=new b@2=old c@3=old [a..c)@10\n");
}

TEST_F(CompactionJobTest, TombstonesOfCoversHideAndStayWhereTheyAre) {
  compaction_.output_level = 1;
  compaction_.bottommost = true;
  compaction_.covers.push_back(Table("b@30=new [b..d)@20"));
  Input("a@1=old b@2=old c@3=old d@4=old");
  EXPECT_EQ(Run(), "a@1=old d@4=old\n");
  snapshots_ = {2, 10};
  EXPECT_EQ(Run(), "a@1=old b@2=old c@3=old d@4=old\n");
}

TEST_F(CompactionJobTest, WhereNothingIsLeftNothingIsWritten) {
  compaction_.bottommost = true;
  Input("a@10- [b..d)@11");
  OutputInput("a@1=old c@2=old");
  EXPECT_EQ(Run(), "");
  EXPECT_TRUE(status_.ok());
  EXPECT_TRUE(outputs_.empty());
}

TEST_F(CompactionJobTest, ATombstoneWithoutEntriesIsATableOfItsOwn) {
  Input("[b..d)@11");
  OutputInput("b@1=old c@2=old");
  EXPECT_EQ(Run(), "[b..d)@11\n");
  EXPECT_TRUE(outputs_[0]->properties.largest_exclusive);
}

TEST_F(CompactionJobTest, OutputsAreCutBySizeBetweenKeysAndTombstonesAreCutWithThem) {
  options_.families[0].target_file_bytes = 1;  // an output for each key
  snapshots_ = {3, 12};
  Input("a@20=2 b@13=3 b@4=2 [a..z)@9");
  OutputInput("a@2=1 b@1=1 c@10=1");
  std::string text = Run();
  EXPECT_EQ(text, "a@20=2 a@2=1 [a..b)@9\nb@13=3 b@1=1 [b..c)@9\nc@10=1 [c..z)@9\n")
      << "versions of one key stay together; of b, 4 is hidden by the tombstone in its stripe, 1 is not";
  for (size_t i = 1; i < outputs_.size(); ++i) EXPECT_FALSE(FilesOverlap(*outputs_[i - 1], *outputs_[i]));
}

TEST_F(CompactionJobTest, OutputsAreCutWhereTheyWouldOverlapTooMuchOfTheLevelBelow) {
  options_.families[0].target_file_bytes = 200;  // ten of them are too much
  std::string big(1500, 'g');
  for (const char* key : {"b", "d", "f", "h"}) {
    compaction_.grandparents.push_back(Table(fmt::format("{}@1={}", key, big)));
  }
  Input("a@20=1 c@21=1 e@22=1 g@23=1 i@24=1");
  EXPECT_EQ(Run(), "a@20=1 c@21=1\ne@22=1\ng@23=1\ni@24=1\n");
  EXPECT_TRUE(status_.ok());
}

TEST_F(CompactionJobTest, ADamagedInputFailsItAndNamesTheTable) {
  Input("a@10=1 b@11=2");
  ASSERT_TRUE(disk_.FlipBit(JoinPath(kDir, TableName(1)), 2, 2).ok());
  EXPECT_EQ(Run(), "");
  EXPECT_TRUE(status_.IsCorruption());
  EXPECT_NE(status_.message().find("000001.sst"), std::string::npos) << status_.message();
}

TEST_F(CompactionJobTest, AFailedOutputFailsItAndLeavesNoFileBehind) {
  Input("a@10=1 b@11=2");
  disk_.SetFaultHook([](const SimOperation& op) -> std::optional<SimFault> {
    if (op.op != SimOp::kSync) return std::nullopt;
    return SimFault{Status::IoError("bad disk"), SimFault::Effect::kNothing};
  });
  EXPECT_EQ(Run(), "");
  EXPECT_EQ(status_.code(), StatusCode::kIoError);
  EXPECT_EQ(disk_.AllFiles(), std::vector<std::string>{"/store/000001.sst"});
}

TEST_F(CompactionJobTest, OutputsAreDurableWithTheirNames) {
  ASSERT_TRUE(disk_.SyncDir("/").ok());
  Input("a@10=1");
  EXPECT_EQ(Run(), "a@10=1\n");
  auto after = disk_.CrashClone(1, {.data = SimCrashOptions::Keep::kNone, .names = SimCrashOptions::Keep::kNone});
  auto size = after->FileSize(JoinPath(kDir, TableName(outputs_[0]->number)));
  ASSERT_TRUE(size.has_value());
  EXPECT_EQ(*size, outputs_[0]->size);
}

TEST_F(CompactionJobTest, EndsEarlyWhenTheStoreCloses) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += fmt::format("k{:05}@{}=v ", i, i + 1);
  Input(text);
  stop_ = true;
  Run();
  EXPECT_EQ(status_.code(), StatusCode::kAborted);
}

TEST_F(CompactionJobTest, IsPacedToTheRateAskedFor) {
  options_.compaction_bytes_per_second = 1 << 20;
  std::string text;
  for (int i = 0; i < 1024; ++i) text += fmt::format("k{:05}@{}={} ", i, i + 1, std::string(1024, 'v'));
  Input(text);
  Run();
  EXPECT_TRUE(status_.ok());
  EXPECT_NEAR(static_cast<double>(clock_.slept), 1e6, 3e5);
}

}  // namespace
}  // namespace silt::lsm
