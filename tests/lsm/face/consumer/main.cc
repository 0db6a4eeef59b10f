// A program of another project: counts words in two families, over runs. `consumer STORE WORD...`
#include <cstdio>
#include <string>

#include "lsm/db.h"

namespace {

using namespace silt::lsm;  // NOLINT: a program of one page

constexpr FamilyId kCounts = 0;
constexpr FamilyId kByLength = 1;

Status Count(Db* db, const std::string& word) {
  PinnedValue old;
  Status status = db->Get({}, kCounts, word, &old);
  if (!status.ok() && !status.IsNotFound()) return status;
  WriteBatch batch;
  batch.Put(kCounts, word, std::to_string(1 + (status.ok() ? std::stoi(std::string(old.view())) : 0)));
  batch.Put(kByLength, std::string(1, static_cast<char>(word.size())) + word, "");
  return db->Write({}, batch);
}

Status Run(Db* db, int words, char** word) {
  for (int i = 0; i < words; ++i) SILT_RETURN_IF_ERROR(Count(db, word[i]));
  SILT_RETURN_IF_ERROR(db->Sync(db->LastSequence()));
  auto it = db->NewIterator({.lower_bound = "b"}, kCounts);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::printf("%s %s\n", std::string(it->key()).c_str(), std::string(it->value()).c_str());
  }
  return it->status();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.families = {{.name = "counts"}, {.name = "by length", .compression = Compression::kZstd}};
  options.create_if_missing = true;
  auto db = argc > 1 ? Db::Open(options, argv[1]) : Fail(Status::InvalidArgument("consumer STORE WORD..."));
  Status status = db ? Run(db->get(), argc - 2, argv + 2) : db.error();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
