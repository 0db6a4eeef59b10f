// The content of files: directed cases, and random operations compared with a model of bytes and blocks.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

class FileDataTest : public FsTest {};
SILT_FS_BACKENDS(FileDataTest);

TEST_P(FileDataTest, WritesAreReadBackAndBlocksCounted) {
  InodeNumber file = fs.File("f");
  ASSERT_EQ(fs.Write(file, 5, "hello"), 0);
  EXPECT_EQ(fs.Read(file, 0, 100), std::string(5, '\0') + "hello");
  EXPECT_EQ(fs.Stat(file).blocks, 8u);
  ASSERT_EQ(fs.Write(file, 3 * kBlock, "far"), 0);
  EXPECT_EQ(fs.Stat(file).blocks, 16u);
  EXPECT_EQ(fs.Stat(file).size, 3 * kBlock + 3);
  EXPECT_EQ(fs.Read(file, kBlock, 2 * kBlock), std::string(2 * kBlock, '\0'));
  fs.Reopen();
  EXPECT_EQ(fs.Read(file, 3 * kBlock, 10), "far");
  fs.ExpectConsistent();
}

TEST_P(FileDataTest, LimitsAndWrongKinds) {
  InodeNumber file = fs.File("f");
  EXPECT_EQ(fs.Write(file, INT64_MAX - 1, "ab"), EFBIG);
  EXPECT_EQ(fs.Write(file, INT64_MAX - 2, "ab"), 0);
  EXPECT_EQ(fs.Stat(file).size, static_cast<uint64_t>(INT64_MAX));
  EXPECT_EQ(fs.Read(file, INT64_MAX - 3, 10), std::string("\0ab", 3));
  AttributeChange change;
  change.size = 0;
  ASSERT_TRUE(fs->SetAttributes(file, change));
  EXPECT_EQ(fs.Stat(file).blocks, 0u);
  EXPECT_EQ(fs.Write(kRootInode, 0, "x"), EISDIR);
  EXPECT_EQ(ErrorOf(fs->Allocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, kBlock)), EOPNOTSUPP);
  EXPECT_EQ(ErrorOf(fs->Allocate(file, 0, 0, 0)), EINVAL);
  EXPECT_EQ(ErrorOf(fs->SeekExtent(file, 0, SEEK_DATA)), ENXIO);
  fs.ExpectConsistent();
}

TEST_P(FileDataTest, PreallocationBehindTheEndCountsAndGoesWithTruncation) {
  InodeNumber file = fs.File("f");
  ASSERT_EQ(fs.Write(file, 0, "abc"), 0);
  ASSERT_TRUE(fs->Allocate(file, FALLOC_FL_KEEP_SIZE, 0, 10 * kBlock));
  EXPECT_EQ(fs.Stat(file).blocks, 80u);
  EXPECT_EQ(fs.Stat(file).size, 3u);
  fs.ExpectConsistent();
  AttributeChange change;
  change.size = 3;
  ASSERT_TRUE(fs->SetAttributes(file, change));
  EXPECT_EQ(fs.Stat(file).blocks, 8u);
  EXPECT_EQ(fs.Read(file, 0, 9), "abc");
  fs.ExpectConsistent();
}

TEST_P(FileDataTest, SeekFindsDataAndHoles) {
  InodeNumber file = fs.File("f");
  ASSERT_EQ(fs.Write(file, 2 * kBlock, std::string(kBlock, 'x')), 0);
  ASSERT_EQ(fs.Write(file, 6 * kBlock, "tail"), 0);
  ASSERT_TRUE(fs->Allocate(file, 0, 4 * kBlock, kBlock));  // allocated, never written: a hole
  auto seek = [&](uint64_t at, int whence) { return fs->SeekExtent(file, at, whence).value_or(UINT64_MAX); };
  EXPECT_EQ(seek(0, SEEK_DATA), 2 * kBlock);
  EXPECT_EQ(seek(0, SEEK_HOLE), 0u);
  EXPECT_EQ(seek(2 * kBlock + 9, SEEK_DATA), 2 * kBlock + 9);
  EXPECT_EQ(seek(2 * kBlock + 9, SEEK_HOLE), 3 * kBlock);
  EXPECT_EQ(seek(3 * kBlock, SEEK_DATA), 6 * kBlock);
  EXPECT_EQ(seek(6 * kBlock, SEEK_HOLE), 6 * kBlock + 4);
  EXPECT_EQ(ErrorOf(fs->SeekExtent(file, 6 * kBlock + 4, SEEK_HOLE)), ENXIO);
}

TEST_P(FileDataTest, SetuidAndCapabilitiesGoWithWrites) {
  InodeNumber file = fs.File("f");
  AttributeChange change;
  change.mode = 06755;
  ASSERT_TRUE(fs->SetAttributes(file, change));
  ASSERT_TRUE(fs->SetXattr(file, "security.capability", "cap", 0));
  ASSERT_TRUE(fs->Write(file, 0, std::string_view("x"), {.clear_set_id = ClearSetId::kNo, .sync = true}));
  EXPECT_EQ(fs.Stat(file).mode & 07777, 06755u);
  EXPECT_EQ(ErrorOf(fs->GetXattr(file, "security.capability")), ENODATA);
  ASSERT_TRUE(fs->Write(file, 0, std::string_view("x"), {.clear_set_id = ClearSetId::kSuidAndExecutableSgid, .sync = false}));
  EXPECT_EQ(fs.Stat(file).mode & 07777, 0755u);
}

TEST_P(FileDataTest, CopyKeepsHolesAndRefusesOverlap) {
  InodeNumber from = fs.File("from");
  InodeNumber to = fs.File("to");
  ASSERT_EQ(fs.Write(from, 3 * kBlock, std::string(2 * kBlock, 'd')), 0);
  ASSERT_EQ(fs.Write(from, 20 * kBlock, "end"), 0);
  EXPECT_EQ(*fs->CopyRange(from, 0, to, 0, 1 << 30), 20 * kBlock + 3);
  EXPECT_EQ(fs.Read(to, 0, 1 << 20), fs.Read(from, 0, 1 << 20));
  EXPECT_EQ(fs.Stat(to).blocks, fs.Stat(from).blocks);
  EXPECT_EQ(ErrorOf(fs->CopyRange(from, 0, from, 10, 100)), EINVAL);
  EXPECT_EQ(*fs->CopyRange(from, 3 * kBlock, from, 30 * kBlock, kBlock), kBlock);
  EXPECT_EQ(*fs->CopyRange(from, 1 << 30, to, 0, 5), 0u);
  fs.ExpectConsistent();
}

// What a file should hold: its bytes, and which blocks are allocated.
struct FileModel {
  std::string bytes;
  std::set<uint64_t> blocks;

  void Zero(uint64_t begin, uint64_t end) {
    end = std::min<uint64_t>(end, bytes.size());
    if (begin < end)
      std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin), bytes.begin() + static_cast<ptrdiff_t>(end), '\0');
  }
  void AllocateRange(uint64_t begin, uint64_t end) {
    for (uint64_t b = begin / kBlock; b * kBlock < end; ++b) blocks.insert(b);
  }
  void Write(uint64_t at, const std::string& data) {
    if (data.empty()) return;
    if (bytes.size() < at + data.size()) bytes.resize(at + data.size());
    bytes.replace(at, data.size(), data);
    AllocateRange(at, at + data.size());
  }
  void Truncate(uint64_t size) {
    bool shrinks = size <= bytes.size();
    bytes.resize(size);
    if (shrinks) blocks.erase(blocks.lower_bound((size + kBlock - 1) / kBlock), blocks.end());
  }
  void Punch(uint64_t begin, uint64_t end) {
    Zero(begin, end);
    if (end >= bytes.size()) end = std::max(end, (bytes.size() + kBlock - 1) / kBlock * kBlock);
    for (uint64_t b = (begin + kBlock - 1) / kBlock; (b + 1) * kBlock <= end; ++b) blocks.erase(b);
  }
};

class RandomFile {
 public:
  RandomFile(TestFilesystem* fs, uint32_t seed)
      : fs_(*fs), random_(seed), file_(fs_.File("f" + std::to_string(seed))) {}

  void Step() {
    uint64_t at = Offset();
    uint64_t length = 1 + Pick(Pick(3) == 0 ? 60 * kBlock : 2 * kBlock);
    switch (Pick(9)) {
      case 0:
      case 1:
      case 2: {
        std::string data = Data(length);
        ASSERT_EQ(fs_.Write(file_, at, data), 0);
        model_.Write(at, data);
        break;
      }
      case 3: {
        AttributeChange change;
        change.size = Pick(4) == 0 ? model_.bytes.size() : at;
        ASSERT_TRUE(fs_->SetAttributes(file_, change));
        model_.Truncate(*change.size);
        break;
      }
      case 4: {
        ASSERT_TRUE(fs_->Allocate(file_, kPunch, at, length));
        model_.Punch(at, at + length);
        break;
      }
      case 5:
      case 6: {
        bool keep = Pick(2) == 0;
        bool zero = Pick(2) == 0;
        ASSERT_TRUE(
            fs_->Allocate(file_, (zero ? FALLOC_FL_ZERO_RANGE : 0) | (keep ? FALLOC_FL_KEEP_SIZE : 0), at, length));
        if (zero) model_.Zero(at, at + length);
        if (!keep && model_.bytes.size() < at + length) model_.bytes.resize(at + length);
        model_.AllocateRange(at, at + length);
        break;
      }
      case 7: {
        uint64_t to = Offset();
        auto copied = fs_->CopyRange(file_, at, file_, to, length);
        length = std::min<uint64_t>(length, model_.bytes.size() - std::min<uint64_t>(at, model_.bytes.size()));
        if (length > 0 && at < to + length && to < at + length) {
          ASSERT_EQ(ErrorOf(copied), EINVAL);
          break;
        }
        ASSERT_TRUE(copied);
        std::string data = at < model_.bytes.size() ? model_.bytes.substr(at, length) : "";
        ASSERT_EQ(*copied, data.size());
        if (!data.empty()) {
          // Where the source has holes the copy may have either; only bytes and size are laid down.
          model_.Write(to, data);
          blocks_known_ = false;
        }
        break;
      }
      default:
        if (Pick(8) == 0) fs_.Reopen();
    }
    Compare(at, length);
  }

  void CompareAll() { Compare(0, model_.bytes.size() + 10); }

 private:
  uint64_t Pick(uint64_t n) { return random_() % n; }
  uint64_t Offset() {
    uint64_t at = Pick(100 * kBlock);
    return Pick(2) == 0 ? at / kBlock * kBlock : at;
  }
  std::string Data(uint64_t length) {
    std::string data(length, '\0');
    if (Pick(5) == 0) return data;  // zeros, written
    for (char& c : data) c = static_cast<char>(random_());
    if (Pick(3) == 0) data.back() = '\0';
    return data;
  }
  void Compare(uint64_t at, uint64_t length) {
    std::string expected = at < model_.bytes.size() ? model_.bytes.substr(at, length) : "";
    ASSERT_TRUE(fs_.Read(file_, at, length) == expected);
    Attributes attributes = fs_.Stat(file_);
    ASSERT_EQ(attributes.size, model_.bytes.size());
    ASSERT_TRUE(!blocks_known_ || attributes.blocks == model_.blocks.size() * 8);
    if (!blocks_known_) {
      AttributeChange cut;  // a known state again
      cut.size = 0;
      if (Pick(4) == 0) {
        ASSERT_TRUE(fs_->SetAttributes(file_, cut));
        model_.Truncate(0);
        blocks_known_ = true;
      }
    }
  }

  TestFilesystem& fs_;
  std::mt19937 random_;
  InodeNumber file_;
  FileModel model_;
  bool blocks_known_ = true;
};

TEST_P(FileDataTest, RandomOperationsMatchAByteVector) {
  const uint32_t seeds = GetParam() == Backend::kMemory ? 12 : 4;
  for (uint32_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomFile file(&fs, seed);
    for (int i = 0; i < 150; ++i) {
      file.Step();
      if (HasFatalFailure()) return;
    }
    file.CompareAll();
    fs.ExpectConsistent();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace silt::fs::test
