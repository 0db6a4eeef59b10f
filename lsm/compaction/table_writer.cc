#include "lsm/compaction/table_writer.h"

#include "lsm/filenames.h"

namespace silt::lsm {
namespace {

// Dirty pages are handed to the disk in steps of this size, so that the sync at the end, and other files' syncs, are
// short.
constexpr uint64_t kWritebackStep = 1 << 20;

}  // namespace

TableBuilderOptions MakeTableOptions(const Options& options, FamilyId family, bool last_level) {
  const FamilyOptions& f = options.families[family];
  TableBuilderOptions table;
  table.family = family;
  table.block_bytes = f.block_bytes;
  table.restart_interval = f.restart_interval;
  table.filter_bits_per_key = last_level && !f.filter_last_level ? 0 : f.filter_bits_per_key;
  table.compression = last_level ? f.last_level_compression : f.compression;
  table.creation_seconds = options.clock->UnixSeconds();
  return table;
}

Result<std::unique_ptr<TableWriter>> TableWriter::Create(Storage* storage, const std::string& dir, FileNumber number,
                                                         const TableBuilderOptions& options) {
  std::string path = JoinPath(dir, TableName(number));
  auto file = storage->NewWritableFile(path);
  if (!file) return Fail(file.error());
  return std::unique_ptr<TableWriter>(new TableWriter(storage, std::move(path), number, std::move(*file), options));
}

TableWriter::TableWriter(Storage* storage, std::string path, FileNumber number, std::unique_ptr<WritableFile> file,
                         const TableBuilderOptions& options)
    : storage_(storage),
      path_(std::move(path)),
      number_(number),
      file_(std::move(file)),
      builder_(options, file_.get(), TableName(number)) {}

TableWriter::~TableWriter() {
  if (finished_) return;
  // What cannot be deleted now is swept at the next open.
  static_cast<void>(file_->Close());
  static_cast<void>(storage_->DeleteFile(path_));
}

void TableWriter::Add(std::string_view internal_key, std::string_view value) {
  builder_.Add(internal_key, value);
  uint64_t position = file_->Position();
  if (position >= written_back_ + kWritebackStep) {
    file_->StartWriteback(position);
    written_back_ = position;
  }
}

Result<FileRef> TableWriter::Finish() {
  Status status = builder_.Finish();
  if (status.ok()) status = file_->Sync();
  if (status.ok()) status = file_->Close();
  if (!status.ok()) return Fail(status);
  auto meta = std::make_shared<FileMeta>();
  meta->number = number_;
  meta->size = builder_.FileSize();
  meta->properties = builder_.properties();
  finished_ = true;
  return meta;
}

}  // namespace silt::lsm
