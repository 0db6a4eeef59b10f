// Many threads on one tree: afterwards every invariant holds. Run it under ThreadSanitizer too.
#include <atomic>
#include <random>
#include <thread>

#include "fs/schema.h"
#include "tests/fs/fixture.h"

namespace silt::fs::test {
namespace {

constexpr int kThreads = 4;

class ConcurrencyTest : public FsTest {};
SILT_FS_BACKENDS(ConcurrencyTest);

// One thread's share of the chaos. Any errno that the race can bring about is fine; EIO never is.
class Worker {
 public:
  Worker(Filesystem* fs, uint32_t seed, std::atomic<int>* bad) : fs_(fs), random_(seed), bad_(bad) {}

  void Run(int steps) {
    directories_.push_back(kRootInode);
    for (int i = 0; i < steps; ++i) Step();
    for (InodeNumber ino : references_) fs_->Forget(ino, 1);
  }

 private:
  uint32_t Pick(uint32_t n) { return random_() % n; }
  std::string Name() { return std::string(1, static_cast<char>('a' + Pick(5))); }
  InodeNumber Dir() { return directories_[Pick(static_cast<uint32_t>(directories_.size()))]; }
  void Note(int error) {
    if (error == EIO) ++*bad_;
  }
  void Keep(const Result<Attributes>& made) {
    Note(ErrorOf(made));
    if (!made) return;
    references_.push_back(made->ino);
    if (S_ISDIR(made->mode)) {
      directories_.push_back(made->ino);
    } else if (S_ISREG(made->mode)) {
      files_.push_back(made->ino);
    }
  }

  void Step() {
    switch (Pick(12)) {
      case 0:
        return Keep(fs_->MakeNode({}, Dir(), Name(), S_IFREG | 0644, 0));
      case 1:
        return Keep(fs_->MakeDirectory({}, Dir(), Name(), 0755));
      case 2:
        return Keep(fs_->Lookup(Dir(), Name()));
      case 3:
        return Note(ErrorOf(fs_->Unlink(Dir(), Name())));
      case 4:
        return Note(ErrorOf(fs_->RemoveDirectory(Dir(), Name())));
      case 5:
      case 6:
        return Note(ErrorOf(fs_->Rename({}, Dir(), Name(), Dir(), Name(), Pick(3))));
      case 7: {
        std::vector<InodeNumber> seen;
        Note(ErrorOf(fs_->ReadDirectoryPlus(Dir(), 0, [&](const DirectoryEntry& entry, const Attributes& attributes) {
          if (entry.damaged) ++*bad_;
          if (attributes.ino != 0) seen.push_back(attributes.ino);
          return true;
        })));
        for (InodeNumber ino : seen) fs_->Forget(ino, 1);
        return;
      }
      default:
        return OnFile();
    }
  }

  void OnFile() {
    if (files_.empty()) return;
    InodeNumber file = files_[Pick(static_cast<uint32_t>(files_.size()))];
    switch (Pick(6)) {
      case 0:
        return Keep(fs_->Link(file, Dir(), Name()));
      case 1: {
        std::string out(10'000, 'x');
        return Note(ErrorOf(fs_->Read(file, Pick(20'000), out)));
      }
      case 2: {
        AttributeChange change;
        change.size = Pick(30'000);
        return Note(ErrorOf(fs_->SetAttributes(file, change)));
      }
      case 3: {
        InodeNumber to = files_[Pick(static_cast<uint32_t>(files_.size()))];
        return Note(ErrorOf(fs_->CopyRange(file, 0, to, 30'000, 20'000)));
      }
      default: {
        std::string data(1 + Pick(9000), 'x');
        return Note(ErrorOf(fs_->Write(file, Pick(20'000), {data.data(), data.size()}, {})));
      }
    }
  }

  Filesystem* fs_;
  std::mt19937 random_;
  std::atomic<int>* bad_;
  std::vector<InodeNumber> directories_, files_, references_;
};

TEST_P(ConcurrencyTest, ChaosKeepsEveryInvariant) {
  std::atomic<int> bad = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] { Worker(&*fs, static_cast<uint32_t>(t + 1), &bad).Run(1500); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(fs->LiveInodes(), 0u);
  fs.ExpectConsistent();
  fs.Reopen();
  fs.ExpectConsistent();
}

// Appends at the offset that each thread was told: no block of another's may be lost.
TEST_P(ConcurrencyTest, WritersOfOneFileLoseNothing) {
  InodeNumber file = fs.File("f");
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::string data(100, static_cast<char>('a' + t));
      for (uint64_t i = 0; i < 200; ++i) {
        EXPECT_EQ(fs.Write(file, (i * kThreads + static_cast<uint64_t>(t)) * 100, data), 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::string bytes = fs.Read(file, 0, 1 << 20);
  ASSERT_EQ(bytes.size(), 200u * kThreads * 100);
  for (size_t i = 0; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], static_cast<char>('a' + i / 100 % kThreads)) << i;
  fs.ExpectConsistent();
}

}  // namespace
}  // namespace silt::fs::test
