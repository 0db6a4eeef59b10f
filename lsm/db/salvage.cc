#include "lsm/db/salvage.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>

#include "lsm/compaction/table_writer.h"
#include "lsm/filenames.h"
#include "lsm/internal_key.h"
#include "lsm/table/block.h"
#include "lsm/table/table_dump.h"
#include "lsm/table/table_rep.h"

namespace silt::lsm {
namespace {

// The largest stored block that is looked for without the index: right behind a block, and at every byte of a damaged
// stretch, where each byte of it costs time.
constexpr uint64_t kLargestBlock = 8 << 20;
constexpr uint64_t kLargestBlockInDamage = 128 << 10;

struct Entry {
  std::string key;  // internal
  std::string value;
};

class Salvager {
 public:
  Salvager(const SalvageContext& context, FileNumber number, std::optional<FamilyId> family)
      : context_(context), number_(number), name_(TableName(number)), family_(family) {}

  Result<SalvagedTable> Run() {
    auto file = context_.storage->NewRandomAccessFile(JoinPath(context_.dir, name_));
    if (!file) return NothingLeft(file.error().message());
    file_ = *std::move(file);
    source_.file = file_.get();
    source_.name = name_;
    source_.number = number_;
    blocks_end_ = file_->Size();
    ReadMetadata();
    if (!family_ && context_.options.families.size() == 1) family_ = FamilyId{0};
    if (!family_) return NothingLeft("its family is not known");
    if (*family_ >= context_.options.families.size()) {
      return NothingLeft(fmt::format("it is of family {}, which the options do not name", *family_));
    }
    WalkDataBlocks();
    if (!write_error_.ok()) return Fail(write_error_);
    return Finish();
  }

 private:
  Result<SalvagedTable> NothingLeft(const std::string& why) {
    result_.notes.push_back(fmt::format("{}: nothing could be read: {}", name_, why));
    result_.file = nullptr;
    return std::move(result_);
  }
  template <class... Args>
  void Note(fmt::format_string<Args...> format, Args&&... args) {
    result_.notes.push_back(name_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }

  // --- what stands at the file's end ---

  // Each part on its own: a damaged one costs what it says, not the others.
  void ReadMetadata() {
    uint64_t size = file_->Size();
    std::string tail(std::min<uint64_t>(size, Footer::kSize), '\0');
    Footer footer;
    Status status = source_.ReadExactly(size - tail.size(), tail);
    if (status.ok()) status = Footer::Decode(tail, size, name_, &footer);
    source_.salt = TableSalt(name_);
    source_.limit = size;
    if (!status.ok()) {
      Note("its end is damaged; range tombstones in it, if any, are lost");
      return;
    }
    source_.salt = footer.salt;
    source_.limit = size - Footer::kSize;
    blocks_end_ = footer.MetadataBegin();
    if (BlockRef block = Read(footer.properties); block != nullptr) {
      auto properties = TableProperties::Decode(block->view());
      if (properties) family_ = properties->family;
    }
    ReadTombstones(footer);
    BlockRef top = Read(footer.index);
    if (top != nullptr) ReadIndex(top->view(), footer.two_level_index);
  }

  BlockRef Read(const BlockHandle& handle) const {
    if (handle.empty()) return nullptr;
    auto block = ReadBlock(source_, handle);
    return block ? *block : nullptr;
  }

  void ReadTombstones(const Footer& footer) {
    if (footer.range_tombstones.empty()) return;
    BlockRef block = Read(footer.range_tombstones);
    auto decoded = block != nullptr ? DecodeRangeTombstones(block->view()) : std::nullopt;
    if (decoded) {
      tombstones_ = *std::move(decoded);
    } else {
      Note("its range tombstones are lost: what they deleted may have come back");
    }
  }

  void ReadIndex(std::string_view block, bool of_partitions) {
    BlockCursor cursor(block);
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
      std::string_view value = cursor.value();
      BlockHandle handle;
      if (!GetBlockHandle(&value, &handle) || handle.end() > source_.limit) continue;
      if (!of_partitions) {
        known_[handle.offset] = handle;
        continue;
      }
      blocks_end_ = std::min(blocks_end_, handle.offset);
      if (BlockRef partition = Read(handle); partition != nullptr) ReadIndex(partition->view(), false);
    }
  }

  // --- data blocks, front to back ---

  void WalkDataBlocks() {
    uint64_t position = 0;
    while (position < blocks_end_ && write_error_.ok()) {
      auto known = known_.find(position);
      if (known != known_.end()) {
        BlockRef block = Read(known->second);
        if (block == nullptr || !Take(block->view(), known->second, /*indexed=*/true)) Lost();
        position = known->second.end();
        continue;
      }
      auto next_known = known_.upper_bound(position);
      uint64_t end = next_known == known_.end() ? blocks_end_ : std::min(blocks_end_, next_known->first);
      if (!ScanStretch(position, end)) return;
      position = end;
    }
    EndOfLoss("");
  }

  // A stretch that no readable part of the index describes. False: the data blocks end in it.
  bool ScanStretch(uint64_t position, uint64_t end) {
    uint64_t longest = kLargestBlock;
    while (position < end && write_error_.ok()) {
      uint64_t stored = 0;
      BlockRef block = BlockAt(position, std::min(end - position, longest), &stored);
      if (block == nullptr) {
        Lost();
        longest = kLargestBlockInDamage;
        ++position;
        continue;
      }
      if (!Take(block->view(), {position, stored - kBlockTrailerSize}, /*indexed=*/false)) {
        // Behind the data blocks come the index and its like, whose checksums fit as well.
        EndOfLoss("");
        return false;
      }
      longest = kLargestBlock;
      position += stored;
    }
    return true;
  }

  // The block that begins here, if some length makes its checksum fit.
  BlockRef BlockAt(uint64_t position, uint64_t most, uint64_t* stored) {
    std::string_view bytes = Window(position, most);
    for (size_t size = 1; size + kBlockTrailerSize <= bytes.size(); ++size) {
      if (static_cast<uint8_t>(bytes[size]) > static_cast<uint8_t>(Compression::kZstd)) continue;
      uint64_t sum = BlockChecksum(bytes.substr(0, size + 1), source_.salt, position);
      if (sum != DecodeFixed<uint64_t>(bytes.data() + size + 1)) continue;
      auto block = DecodeStoredBlock(source_, position, bytes.substr(0, size + kBlockTrailerSize));
      if (!block) continue;
      *stored = size + kBlockTrailerSize;
      return *block;
    }
    return nullptr;
  }

  std::string_view Window(uint64_t position, uint64_t length) {
    length = std::min(length, file_->Size() - position);
    if (position < window_begin_ || position + length > window_begin_ + window_.size()) {
      window_.resize(std::min(2 * kLargestBlock, file_->Size() - position));
      window_begin_ = position;
      if (!source_.ReadExactly(position, window_).ok()) window_.clear();
    }
    if (window_.empty()) return {};
    return std::string_view(window_).substr(position - window_begin_, length);
  }

  // False when this is no data block that can stand here.
  bool Take(std::string_view block, const BlockHandle& at, bool indexed) {
    std::vector<Entry> entries;
    BlockCursor cursor(block);
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
      ParsedInternalKey parsed;
      if (!ParseInternalKey(cursor.key(), &parsed) || parsed.kind == EntryKind::kRangeDelete) return false;
      std::string_view before = entries.empty() ? std::string_view(last_key_) : std::string_view(entries.back().key);
      if (!before.empty() && CompareInternal(before, cursor.key()) >= 0) return false;
      entries.push_back({std::string(cursor.key()), std::string(cursor.value())});
    }
    if (cursor.malformed() || entries.empty()) return false;
    if (!indexed && CouldBeIndex(entries, at.offset)) return false;
    EndOfLoss(entries.front().key);
    for (const Entry& entry : entries) Write(entry);
    last_key_ = std::move(entries.back().key);
    taken_[at.offset] = at.end();
    return true;
  }

  // An index block that was found by its checksum must not be taken for data. Its values are handles of blocks that lie
  // side by side before it, and of which none was taken: the key beside the handle of one that was is not behind that
  // block's keys, which has been seen to already.
  bool CouldBeIndex(const std::vector<Entry>& entries, uint64_t position) const {
    std::optional<uint64_t> next;
    for (const Entry& entry : entries) {
      std::string_view value = entry.value;
      BlockHandle handle;
      if (!GetBlockHandle(&value, &handle) || !value.empty() || handle.empty()) return false;
      if (handle.offset >= position || handle.size >= position || handle.end() > position) return false;
      if (next && handle.offset != *next) return false;
      next = handle.end();
      auto after = taken_.lower_bound(handle.end());
      if (after == taken_.begin()) continue;
      if (std::prev(after)->second > handle.offset) return false;  // the last that begins before the handle's end
    }
    return true;
  }

  void Lost() { in_loss_ = true; }
  void EndOfLoss(std::string_view next_key) {
    if (!in_loss_) return;
    in_loss_ = false;
    auto shown = [](std::string_view key) { return EscapeBytes(ExtractUserKey(key)); };
    if (last_key_.empty() && next_key.empty()) return;  // told by NothingLeft
    if (last_key_.empty()) {
      Note("entries of keys up to '{}' are lost; older values of them may have come back", shown(next_key));
    } else if (next_key.empty()) {
      Note("entries of keys from '{}' on are lost; older values of them may have come back", shown(last_key_));
    } else {
      Note("entries of keys from '{}' to '{}' are lost; older values of them may have come back", shown(last_key_),
           shown(next_key));
    }
  }

  // --- the new table ---

  bool OpenWriter() {
    if (writer_ != nullptr) return true;
    auto writer = TableWriter::Create(context_.storage, context_.dir, context_.new_number(),
                                      MakeTableOptions(context_.options, *family_, false));
    if (writer) {
      writer_ = *std::move(writer);
    } else {
      write_error_ = writer.error();
    }
    return write_error_.ok();
  }

  void Write(const Entry& entry) {
    if (!OpenWriter()) return;
    writer_->Add(entry.key, entry.value);
    if (!writer_->status().ok()) write_error_ = writer_->status();
  }

  Result<SalvagedTable> Finish() {
    for (const RangeTombstone& tombstone : tombstones_) {
      if (!OpenWriter()) return Fail(write_error_);
      writer_->AddRangeTombstone(tombstone);
    }
    if (writer_ == nullptr || writer_->Empty()) return NothingLeft("no data block is whole");
    auto file = writer_->Finish();
    if (!file) return Fail(file.error());
    result_.file = *std::move(file);
    return std::move(result_);
  }

  const SalvageContext& context_;
  const FileNumber number_;
  const std::string name_;
  std::optional<FamilyId> family_;
  std::unique_ptr<RandomAccessFile> file_;
  BlockSource source_;
  uint64_t blocks_end_ = 0;                // data blocks lie before it
  std::map<uint64_t, BlockHandle> known_;  // data blocks that the index leads to
  std::map<uint64_t, uint64_t> taken_;     // where the blocks taken begin, and end
  std::vector<RangeTombstone> tombstones_;
  std::string last_key_;  // internal, of the last entry taken
  bool in_loss_ = false;
  std::string window_;
  uint64_t window_begin_ = 0;
  std::unique_ptr<TableWriter> writer_;
  Status write_error_;
  SalvagedTable result_;
};

}  // namespace

Result<SalvagedTable> SalvageTable(const SalvageContext& context, FileNumber number, std::optional<FamilyId> family) {
  return Salvager(context, number, family).Run();
}

}  // namespace silt::lsm
