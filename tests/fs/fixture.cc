#include "tests/fs/fixture.h"

#include "fs/check_context.h"
#include "fs/store.h"

namespace silt::fs::test {

TestFilesystem::TestFilesystem(Backend backend, const FormatOptions& format) : backend_(backend) {
  options_.memory_bytes = 4 << 20;
  options_.commit_interval_micros = 0;  // tests sync by hand
  options_.now = [ticks = ticks_] { return Time{.seconds = (*ticks)++, .nanoseconds = 7}; };
  if (backend_ == Backend::kMemory) {
    memory_ = std::make_shared<MemoryStore>();
    auto db = NewMemoryDb(memory_);
    EXPECT_TRUE(FormatOn(db.get(), format, options_.now()).ok());
  } else {
    disk_ = std::make_unique<lsm::SimStorage>();
    lsm::Status status = Filesystem::Format(disk_.get(), "/store", format, false);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  Open();
}

TestFilesystem::~TestFilesystem() {
  fs_.reset();
}

void TestFilesystem::Open() {
  options_.storage = disk_.get();
  auto opened =
      backend_ == Backend::kMemory ? OpenOn(NewMemoryDb(memory_), options_, {}) : Filesystem::Open(options_, "/store");
  ASSERT_TRUE(opened) << opened.error().ToString();
  fs_ = std::move(*opened);
}

void TestFilesystem::Close() {
  lsm::Status status = fs_->Close();
  EXPECT_TRUE(status.ok()) << status.ToString();
  fs_.reset();
}

void TestFilesystem::Reopen() {
  Close();
  Open();
}

void TestFilesystem::ReplaceDisk(std::unique_ptr<lsm::SimStorage> disk) {
  ASSERT_FALSE(fs_);
  disk_ = std::move(disk);
}

void TestFilesystem::ExpectConsistent() {
  CheckReport report;
  lsm::Status status = check::Walk(&fs_->db(), {}, 0, 0, &report);
  EXPECT_TRUE(status.ok()) << status.ToString();
  for (const CheckProblem& problem : report.problems) ADD_FAILURE() << problem.what;
}

InodeNumber TestFilesystem::File(std::string_view name, InodeNumber parent) {
  auto made = fs_->MakeNode({}, parent, name, S_IFREG | 0644, 0);
  EXPECT_TRUE(made) << name << ": errno " << ErrorOf(made);
  return made ? made->ino : 0;
}

InodeNumber TestFilesystem::Directory(std::string_view name, InodeNumber parent) {
  auto made = fs_->MakeDirectory({}, parent, name, 0755);
  EXPECT_TRUE(made) << name << ": errno " << ErrorOf(made);
  return made ? made->ino : 0;
}

int TestFilesystem::Write(InodeNumber ino, uint64_t offset, std::string_view data) {
  auto written = fs_->Write(ino, offset, {data.data(), data.size()}, {});
  EXPECT_EQ(written.value_or(data.size()), data.size());
  return ErrorOf(written);
}

std::string TestFilesystem::Read(InodeNumber ino, uint64_t offset, size_t size) {
  std::string out(size, 'x');
  auto read = fs_->Read(ino, offset, out);
  EXPECT_EQ(ErrorOf(read), 0);
  out.resize(read.value_or(0));
  return out;
}

std::vector<std::string> TestFilesystem::List(InodeNumber ino) {
  std::vector<std::string> names;
  auto listed = fs_->ReadDirectory(ino, 0, [&](const DirectoryEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  });
  EXPECT_EQ(ErrorOf(listed), 0);
  return names;
}

Attributes TestFilesystem::Stat(InodeNumber ino) {
  auto attributes = fs_->GetAttributes(ino);
  EXPECT_TRUE(attributes) << "inode " << ino << ": errno " << ErrorOf(attributes);
  return attributes.value_or(Attributes{});
}

size_t TestFilesystem::CountKeys() {
  size_t count = 0;
  for (lsm::FamilyId family : {schema::kMeta, schema::kData}) {
    auto it = fs_->db().NewIterator({}, family);
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++count;
  }
  return count;
}

}  // namespace silt::fs::test
