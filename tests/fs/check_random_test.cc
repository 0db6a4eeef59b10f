// fsck against random damage: whatever is deleted, altered, copied or cut, repair ends in a clean store whose tree can
// be walked, and what was not damaged is still there. SILT_SEED=n runs one seed, SILT_CHECK_ROUNDS=n that many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "tests/fs/check_image.h"
#include "tests/fs/memory_db.h"

namespace silt::fs {
namespace {

using schema::kData;
using schema::kMeta;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

class Breaker {
 public:
  explicit Breaker(uint64_t seed)
      : random_(seed), db_(test::NewMemoryDb(std::make_shared<test::MemoryStore>())), image_(db_.get()) {}

  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }
  Image& image() { return image_; }

  void Build() {
    std::vector<InodeNumber> directories = {kRootInode}, files;
    uint64_t steps = 10 + Below(50);
    for (uint64_t i = 0; i < steps; ++i) {
      InodeNumber parent = directories[Below(directories.size())];
      std::string name = fmt::format("{}{}", Below(2) ? "n" : "a longer name, ", i);
      switch (Below(8)) {
        case 0:
        case 1:
          directories.push_back(image_.AddDirectory(parent, name));
          break;
        case 2:
          image_.AddNode(parent, name, S_IFLNK | 0777, "../target");
          break;
        case 3:
          image_.AddNode(parent, name, S_IFIFO | 0600);
          break;
        case 4:
          if (!files.empty()) image_.AddLink(files[Below(files.size())], parent, name);
          break;
        case 5:
          image_.AddOrphan(Below(3) == 0 ? S_IFDIR | 0700 : S_IFREG | 0600, "");
          break;
        default:
          files.push_back(image_.AddFile(parent, name, Contents()));
          if (Below(4) == 0) image_.AddXattr(files.back(), "user.a", "b");
          if (Below(4) == 0) image_.Preallocate(files.back(), 20 + Below(9));
      }
    }
  }

  // One random misfortune.
  void Break() {
    Dump dump = image_.Read();
    if (dump.empty()) return;
    auto victim = std::next(dump.begin(), static_cast<std::ptrdiff_t>(Below(dump.size())));
    auto other = std::next(dump.begin(), static_cast<std::ptrdiff_t>(Below(dump.size())));
    RawKey key = victim->first;
    std::string value = victim->second;
    switch (Below(7)) {
      case 0:
      case 1:
        return image_.Delete(key);
      case 2:
        if (value.empty()) return image_.Put(key, "x");
        value[Below(value.size())] = static_cast<char>(Below(256));
        return image_.Put(key, value);
      case 3:
        return image_.Put(key, value.substr(0, Below(value.size() + 1)));
      case 4:
        return image_.Put(key, other->second);
      case 5:
        if (key.second.empty()) return;
        key.second[Below(key.second.size())] = static_cast<char>(Below(256));
        return image_.Put(key, value);
      case 6:
        image_.Put(key, other->second);
        return image_.Put(other->first, value);
    }
  }

 private:
  std::string Contents() {
    std::string contents(Below(20'000), '\0');
    for (size_t at = 0; at < contents.size(); at += 1 + Below(8000)) contents[at] = static_cast<char>(1 + Below(200));
    return contents;
  }

  std::mt19937_64 random_;
  std::unique_ptr<lsm::Db> db_;
  Image image_;
};

// Walks the tree from the root by lookups and by listings and counts what it meets: a reader of its own, which knows
// nothing of the checker.
class Walker {
 public:
  explicit Walker(const Dump& dump) : dump_(dump) { Visit(kRootInode, 0); }
  std::set<InodeNumber> seen;

 private:
  void Visit(InodeNumber directory, int depth) {
    ASSERT_LT(depth, 100);
    ASSERT_TRUE(seen.insert(directory).second) << "directory " << directory << " met twice";
    auto range = schema::EntriesOf(directory);
    uint64_t entries = 0;
    for (auto at = dump_.lower_bound({kMeta, range.begin}); at != dump_.end() && at->first < RawKey{kMeta, range.end};
         ++at) {
      ++entries;
      auto entry = schema::EntryRecord::Decode(at->second);
      ASSERT_TRUE(entry);
      auto name = dump_.find(MetaKeyOf(schema::NameKey(directory, entry->name)));
      ASSERT_NE(name, dump_.end()) << entry->name;
      EXPECT_EQ(schema::NameRecord::Decode(name->second)->ino, entry->ino);
      auto inode = dump_.find(MetaKeyOf(schema::InodeKey(entry->ino)));
      ASSERT_NE(inode, dump_.end()) << entry->ino;
      auto record = schema::InodeRecord::Decode(inode->second);
      ASSERT_TRUE(record);
      EXPECT_EQ(record->mode & S_IFMT, entry->type);
      if (record->IsDirectory()) {
        EXPECT_EQ(record->parent, directory);
        Visit(entry->ino, depth + 1);
      } else {
        seen.insert(entry->ino);
      }
    }
    EXPECT_EQ(schema::InodeRecord::Decode(dump_.at(MetaKeyOf(schema::InodeKey(directory))))->entries, entries);
  }
  const Dump& dump_;
};

// An inode whose record came through whole is still there, with every block and xattr that did.
void ExpectUndamagedIsKept(const Dump& sound, const Dump& broken, const Dump& after) {
  Walker walker(after);
  auto whole = [&](const RawKey& key) {
    auto before = sound.find(key), then = broken.find(key);
    return before != sound.end() && then != broken.end() && before->second == then->second;
  };
  for (const auto& [key, value] : broken) {
    if (!whole(key)) continue;
    const bool data = key.first == kData;
    const schema::MetaKey parts = data ? schema::MetaKey{} : schema::ParseMetaKey(key.second).value();
    InodeNumber ino = data ? schema::ParseDataKey(key.second)->ino : parts.ino;
    const bool inode = !data && parts.kind == schema::KeyKind::kInode;
    if (!data && !inode && parts.kind != schema::KeyKind::kXattr) continue;
    if (!whole(MetaKeyOf(schema::InodeKey(ino)))) continue;
    if (inode) {
      EXPECT_TRUE(after.contains(key)) << Describe(key) << " is lost";
      bool orphan = after.contains(MetaKeyOf(schema::OrphanKey(ino)));
      EXPECT_NE(walker.seen.contains(ino), orphan) << "inode " << ino;
    } else {
      auto kept = after.find(key);
      EXPECT_TRUE(kept != after.end() && kept->second == value) << Describe(key) << " is lost";
    }
  }
}

void Round(uint64_t seed) {
  SCOPED_TRACE(fmt::format("SILT_SEED={}", seed));
  Breaker breaker(seed);
  breaker.Build();
  Image& image = breaker.image();
  ASSERT_EQ(Lines(image.Check(false)), "");
  Dump sound = image.Read();
  uint64_t misfortunes = 1 + breaker.Below(12);
  for (uint64_t i = 0; i < misfortunes; ++i) breaker.Break();
  Dump broken = image.Read();
  // A newer format is refused, not repaired.
  RawKey superblock = MetaKeyOf(schema::SuperblockKey());
  bool superblock_whole = broken.contains(superblock) && broken[superblock] == sound[superblock];
  if (!superblock_whole && broken.contains(superblock)) {
    image.Delete(superblock);
    broken = image.Read();
  }
  std::string found = Lines(image.Check(false));
  EXPECT_EQ(Difference(broken, image.Read()), std::set<std::string>{}) << "a check without repair wrote";
  std::string mended = Lines(image.Check(true));
  EXPECT_EQ(found.empty(), mended.empty());
  ASSERT_EQ(Lines(image.Check(false)), "") << "after\n" << mended;
  Dump after = image.Read();
  ASSERT_EQ(Lines(image.Check(true)), "");
  EXPECT_EQ(Difference(after, image.Read()), std::set<std::string>{});
  // Where the block size had to be guessed, data may have to go.
  if (superblock_whole) {
    ExpectUndamagedIsKept(sound, broken, after);
  } else {
    Walker walker(after);
  }
  if (::testing::Test::HasFailure()) ADD_FAILURE() << "found\n" << found << "mended\n" << mended;
}

TEST(CheckRandomTest, RepairEndsCleanAndKeepsWhatIsWhole) {
  if (uint64_t seed = FromEnvironment("SILT_SEED", 0); seed != 0) return Round(seed);
  uint64_t rounds = FromEnvironment("SILT_CHECK_ROUNDS", 300);
  for (uint64_t seed = 1; seed <= rounds && !::testing::Test::HasFailure(); ++seed) Round(seed);
}

}  // namespace
}  // namespace silt::fs
