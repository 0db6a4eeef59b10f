#include <gtest/gtest.h>

#include <limits>

#include "lsm/filenames.h"
#include "lsm/status.h"

namespace silt::lsm {
namespace {

TEST(FileNamesTest, NamesParseBack) {
  for (FileNumber number : {FileNumber{1}, FileNumber{12}, FileNumber{999999}, FileNumber{1000000},
                            std::numeric_limits<FileNumber>::max()}) {
    for (auto [name, kind] :
         {std::pair{WalName(number), FileKind::kWal}, std::pair{TableName(number), FileKind::kTable},
          std::pair{ManifestName(number), FileKind::kManifest}}) {
      auto parsed = ParseFileName(name);
      ASSERT_TRUE(parsed) << name;
      EXPECT_EQ(parsed->kind, kind);
      EXPECT_EQ(parsed->number, number);
    }
  }
  EXPECT_EQ(WalName(12), "000012.wal");
  EXPECT_EQ(TableName(12), "000012.sst");
  EXPECT_EQ(ManifestName(12), "MANIFEST-000012");
}

TEST(FileNamesTest, FixedNamesAndTemporaries) {
  EXPECT_EQ(ParseFileName("CURRENT")->kind, FileKind::kCurrent);
  EXPECT_EQ(ParseFileName("LOCK")->kind, FileKind::kLock);
  EXPECT_EQ(ParseFileName("CURRENT.tmp")->kind, FileKind::kTemporary);
  EXPECT_EQ(ParseFileName("000012.sst.tmp")->kind, FileKind::kTemporary);
}

TEST(FileNamesTest, OthersNamesAreNotTheEngines) {
  for (const char* name :
       {"", "foo", "lost", "lost+found", ".wal", ".sst", "12", "-1.wal", "+1.wal", "1a.wal", " 1.wal", "0x1.sst",
        "1.wal ", "MANIFEST", "MANIFEST-", "MANIFEST-1a", "CURRENT2", "current", "18446744073709551616.wal"}) {
    EXPECT_FALSE(ParseFileName(name)) << name;
  }
}

TEST(StatusTest, TextNamesTheCodeAndTheMessage) {
  EXPECT_EQ(Status().ToString(), "ok");
  EXPECT_EQ(Status::Corruption("000012.sst at offset 4096").ToString(), "corruption: 000012.sst at offset 4096");
  EXPECT_EQ(Status::NotFound().ToString(), "not found");
}

Status Through(const Status& inner, int* reached) {
  SILT_RETURN_IF_ERROR(inner);
  ++*reached;
  return Status::Busy("end");
}

TEST(StatusTest, ErrorsReturnAndOkGoesOn) {
  int reached = 0;
  EXPECT_EQ(Through(Status::NoSpace("full"), &reached).code(), StatusCode::kNoSpace);
  EXPECT_EQ(reached, 0);
  EXPECT_EQ(Through(Status::Ok(), &reached).code(), StatusCode::kBusy);
  EXPECT_EQ(reached, 1);
}

TEST(StatusTest, ResultsHoldEither) {
  Result<int> good = 5;
  Result<int> bad = Fail(Status::IoError("EIO"));
  EXPECT_EQ(*good, 5);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "EIO");
}

}  // namespace
}  // namespace silt::lsm
