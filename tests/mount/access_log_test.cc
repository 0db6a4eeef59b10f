// The access log: requests taken apart, lines, and a ring that nobody waits for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "mount/observe/access_log.h"
#include "mount/observe/access_record.h"

namespace silt::mount {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

template <class... Parts>
std::string RequestBytes(uint32_t opcode, const Parts&... parts) {
  fuse_in_header header{};
  header.opcode = opcode;
  header.nodeid = 5;
  header.uid = 10;
  header.gid = 11;
  header.pid = 12;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  [[maybe_unused]] auto append = [&](const auto& part) {
    if constexpr (std::is_convertible_v<decltype(part), std::string_view>) {
      bytes.append(std::string_view(part)).push_back('\0');
    } else {
      bytes.append(reinterpret_cast<const char*>(&part), sizeof(part));
    }
  };
  (append(parts), ...);
  return bytes;
}

std::string Line(const std::string& request, std::optional<int> error = 0) {
  auto record = DecodeAccess(request);
  if (!record) return "";
  record->error = error;
  record->took = std::chrono::nanoseconds(12'340);
  return FormatAccess(*record, [](uint64_t inode) { return "/dir" + std::to_string(inode); });
}

TEST(AccessRecord, EachOperationNamesWhatItIsAbout) {
  EXPECT_THAT(Line(RequestBytes(FUSE_LOOKUP, "a"), ENOENT), EndsWith("Z lookup /dir5/a = ENOENT 12.3us uid=10 gid=11 pid=12"));
  EXPECT_THAT(Line(RequestBytes(FUSE_CREATE, fuse_create_in{}, "new")), HasSubstr(" create /dir5/new = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_MKDIR, fuse_mkdir_in{}, "new")), HasSubstr(" mkdir /dir5/new = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_MKNOD, fuse_mknod_in{}, "new")), HasSubstr(" mknod /dir5/new = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_SYMLINK, "new", "to/there")), HasSubstr(" symlink /dir5/new (to/there) = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_RENAME2, fuse_rename2_in{.newdir = 6, .flags = 0, .padding = 0}, "a", "b")),
              HasSubstr(" rename /dir5/a to /dir6/b = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_RENAME, fuse_rename_in{.newdir = 6}, "a", "b")),
              HasSubstr(" rename /dir5/a to /dir6/b = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_LINK, fuse_link_in{.oldnodeid = 7}, "a")), HasSubstr(" link /dir5/a of /dir7 = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_GETXATTR, fuse_getxattr_in{}, "user.x"), ENODATA),
              HasSubstr(" getxattr /dir5 (user.x) = ENODATA "));
  EXPECT_THAT(Line(RequestBytes(FUSE_SETXATTR, uint64_t{3}, "user.x", "val")), HasSubstr(" setxattr /dir5 (user.x) = OK "));
  fuse_write_in write{};
  write.offset = 4096;
  write.size = 10;
  EXPECT_THAT(Line(RequestBytes(FUSE_WRITE, write)), HasSubstr(" write /dir5 4096+10 = OK "));
  EXPECT_THAT(Line(RequestBytes(FUSE_GETATTR), std::nullopt), HasSubstr(" getattr /dir5 = ? "));
}

TEST(AccessRecord, NamesCannotForgeLines) {
  EXPECT_THAT(Line(RequestBytes(FUSE_UNLINK, "a\nb")), HasSubstr("unlink /dir5/a\\x0ab ="));
}

TEST(AccessRecord, WhatIsNoOperationOrMakesNoSenseIsLeftOut) {
  EXPECT_EQ(Line(RequestBytes(FUSE_FORGET)), "");
  EXPECT_EQ(Line(RequestBytes(FUSE_INIT)), "");
  EXPECT_EQ(Line("short"), "");
  EXPECT_THAT(Line(RequestBytes(FUSE_RENAME2)), HasSubstr("rename /dir5 ="));
  EXPECT_EQ(DecodeAccess(RequestBytes(FUSE_LOOKUP, std::string(5000, 'x')))->name.size(), 255u);
}

AccessRecord Numbered(uint64_t inode) {
  AccessRecord record;
  record.inode = inode;
  return record;
}

TEST(AccessLog, RunsWhileSwitchedOnOrWatched) {
  AccessLog log;
  EXPECT_FALSE(log.enabled());
  {
    AccessLog::Watch one(&log), two(&log);
    EXPECT_TRUE(log.enabled());
    EXPECT_FALSE(log.switched_on());
  }
  EXPECT_FALSE(log.enabled());
  log.Switch(true);
  { AccessLog::Watch one(&log); }
  EXPECT_TRUE(log.enabled());
  log.Switch(false);
  EXPECT_FALSE(log.enabled());
}

TEST(AccessLog, ASlowReaderIsToldHowMuchItMissed) {
  AccessLog log;
  for (uint64_t i = 0; i < AccessLog::kCapacity + 10; ++i) log.Add(Numbered(i));
  AccessLog::Batch batch = log.Read(3, 5);
  EXPECT_EQ(batch.dropped, 7u);
  ASSERT_EQ(batch.records.size(), 5u);
  EXPECT_EQ(batch.records[0].inode, 10u);
  EXPECT_EQ(batch.next, 15u);
  EXPECT_EQ(log.Read(batch.next, 1).dropped, 0u);
  EXPECT_EQ(log.Read(log.End(), 5).records.size(), 0u);
  EXPECT_EQ(log.Read(log.End() + 100, 5).dropped, 0u) << "a position of another mount";
}

TEST(AccessLog, WritersGoOnWhateverReadersDo) {
  AccessLog log;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    uint64_t next = 0, seen = 0;
    while (!done || next < log.End()) {
      log.Wait(next, std::chrono::milliseconds(10));
      AccessLog::Batch batch = log.Read(next, 64);
      seen += batch.records.size() + batch.dropped;
      next = batch.next;
    }
    EXPECT_EQ(seen, 80'000u);
  });
  {
    std::vector<std::jthread> writers;
    for (int t = 0; t < 4; ++t) {
      writers.emplace_back([&] {
        for (uint64_t i = 0; i < 20'000; ++i) log.Add(Numbered(i));
      });
    }
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace silt::mount
