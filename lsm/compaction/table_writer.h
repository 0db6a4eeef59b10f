// Writes one table file to the disk: what a flush and a compaction have in common.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lsm/options.h"
#include "lsm/storage/storage.h"
#include "lsm/table/table_builder.h"
#include "lsm/version/version_edit.h"

namespace silt::lsm {

// Of a table for this family; `last_level`: nothing lies below it.
TableBuilderOptions MakeTableOptions(const Options& options, FamilyId family, bool last_level);

// Not thread-safe. The first error sticks. A file that was not finished is deleted again.
class TableWriter {
 public:
  static Result<std::unique_ptr<TableWriter>> Create(Storage* storage, const std::string& dir, FileNumber number,
                                                     const TableBuilderOptions& options);
  ~TableWriter();

  void Add(std::string_view internal_key, std::string_view value);
  void AddRangeTombstone(const RangeTombstone& tombstone) { builder_.AddRangeTombstone(tombstone); }
  uint64_t FileSize() const { return builder_.FileSize(); }
  bool Empty() const { return builder_.Empty(); }
  const Status& status() const { return builder_.status(); }

  // Makes the contents durable (the name is the caller's business) and describes the file. REQUIRES: !Empty().
  Result<FileRef> Finish();

 private:
  TableWriter(Storage* storage, std::string path, FileNumber number, std::unique_ptr<WritableFile> file,
              const TableBuilderOptions& options);
  Storage* const storage_;
  const std::string path_;
  const FileNumber number_;
  std::unique_ptr<WritableFile> file_;
  TableBuilder builder_;
  uint64_t written_back_ = 0;
  bool finished_ = false;
};

}  // namespace silt::lsm
