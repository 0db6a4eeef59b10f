#include "lsm/version/version_edit.h"

#include <fmt/format.h>

#include <limits>

#include "lsm/coding.h"

namespace silt::lsm {
namespace {

// Never renumber; FORMAT.md lists them. A field that an older program may not ignore needs a new tag and nothing else.
enum Tag : uint32_t {
  kTagFormatVersion = 1,
  kTagFamilyName = 2,
  kTagWalNumber = 3,
  kTagNextFileNumber = 4,
  kTagLastSequence = 5,
  kTagNewFile = 6,
  kTagDeletedFile = 7,
};

template <class T>
void PutOptional(std::string* out, Tag tag, const std::optional<T>& value) {
  if (!value) return;
  PutVarint64(out, tag);
  PutVarint64(out, *value);
}

void PutPlace(std::string* out, Tag tag, FamilyId family, int level, FileNumber number) {
  PutVarint64(out, tag);
  PutVarint64(out, family);
  PutVarint64(out, static_cast<uint64_t>(level));
  PutVarint64(out, number);
}

// Takes fields off a record; the first malformed one is told by error().
class Decoder {
 public:
  explicit Decoder(std::string_view in) : size_(in.size()), in_(in) {}

  bool Done() const { return in_.empty(); }
  size_t Offset() const { return size_ - in_.size(); }
  bool Tag(uint32_t* tag) { return GetVarint32(&in_, tag); }
  bool Bytes(std::string_view* bytes) { return GetLengthPrefixed(&in_, bytes); }
  bool Number(uint64_t* value) { return GetVarint64(&in_, value); }

  template <class T>
  bool Once(std::optional<T>* field) {
    uint64_t value = 0;
    if (field->has_value() || !GetVarint64(&in_, &value) || value > std::numeric_limits<T>::max()) return false;
    *field = static_cast<T>(value);
    return true;
  }

  bool Place(FamilyId* family, int* level, FileNumber* number) {
    uint64_t wide_family = 0;
    uint64_t wide_level = 0;
    if (!Number(&wide_family) || !Number(&wide_level) || !Number(number)) return false;
    if (wide_family >= kMaxFamilies || wide_level >= kNumLevels || *number == 0) return false;
    *family = static_cast<FamilyId>(wide_family);
    *level = static_cast<int>(wide_level);
    return true;
  }

 private:
  size_t size_;
  std::string_view in_;
};

bool DecodeNewFile(Decoder* in, VersionEdit* edit) {
  VersionEdit::NewFile added{};
  auto file = std::make_shared<FileMeta>();
  std::string_view encoded;
  if (!in->Place(&added.family, &added.level, &file->number) || !in->Number(&file->size) || !in->Bytes(&encoded)) {
    return false;
  }
  Result<TableProperties> properties = TableProperties::Decode(encoded);
  if (!properties) return false;
  file->properties = *std::move(properties);
  added.file = std::move(file);
  edit->new_files.push_back(std::move(added));
  return true;
}

// Ok, kNotSupported for what a newer program wrote, or kCorruption.
Status DecodeField(uint32_t tag, Decoder* in, VersionEdit* edit) {
  bool well_formed = false;
  switch (tag) {
    case kTagFormatVersion:
      well_formed = in->Once(&edit->format_version);
      if (well_formed && *edit->format_version > kEngineFormatVersion) {
        return Status::NotSupported(fmt::format("the store has format version {}, this program knows up to {}",
                                                *edit->format_version, kEngineFormatVersion));
      }
      break;
    case kTagFamilyName: {
      std::string_view name;
      well_formed = in->Bytes(&name) && edit->family_names.size() < kMaxFamilies;
      if (well_formed) edit->family_names.emplace_back(name);
      break;
    }
    case kTagWalNumber:
      well_formed = in->Once(&edit->wal_number);
      break;
    case kTagNextFileNumber:
      well_formed = in->Once(&edit->next_file_number);
      break;
    case kTagLastSequence:
      well_formed = in->Once(&edit->last_sequence);
      break;
    case kTagNewFile:
      well_formed = DecodeNewFile(in, edit);
      break;
    case kTagDeletedFile: {
      VersionEdit::DeletedFile deleted{};
      well_formed = in->Place(&deleted.family, &deleted.level, &deleted.number);
      if (well_formed) edit->deleted_files.push_back(deleted);
      break;
    }
    default:
      return Status::NotSupported(fmt::format("version edit has field {}, which a newer program wrote", tag));
  }
  if (well_formed) return Status::Ok();
  return Status::Corruption(fmt::format("version edit: field {} before byte {} is malformed", tag, in->Offset()));
}

// Printable bytes as they are, others as \xNN.
std::string Quote(std::string_view key) {
  std::string quoted = "\"";
  for (char c : key) {
    bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
    quoted += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
  }
  return quoted + '"';
}

}  // namespace

std::string VersionEdit::Encode() const {
  std::string out;
  // First, so that an older program says "newer format" rather than "unknown field".
  PutOptional(&out, kTagFormatVersion, format_version);
  for (const std::string& name : family_names) {
    PutVarint64(&out, kTagFamilyName);
    PutLengthPrefixed(&out, name);
  }
  PutOptional(&out, kTagWalNumber, wal_number);
  PutOptional(&out, kTagNextFileNumber, next_file_number);
  PutOptional(&out, kTagLastSequence, last_sequence);
  for (const DeletedFile& deleted : deleted_files) {
    PutPlace(&out, kTagDeletedFile, deleted.family, deleted.level, deleted.number);
  }
  for (const NewFile& added : new_files) {
    PutPlace(&out, kTagNewFile, added.family, added.level, added.file->number);
    PutVarint64(&out, added.file->size);
    PutLengthPrefixed(&out, added.file->properties.Encode());
  }
  return out;
}

Result<VersionEdit> VersionEdit::Decode(std::string_view record) {
  VersionEdit edit;
  Decoder in(record);
  while (!in.Done()) {
    uint32_t tag = 0;
    if (!in.Tag(&tag)) {
      return Fail(Status::Corruption(fmt::format("version edit: malformed tag at byte {}", in.Offset())));
    }
    if (Status status = DecodeField(tag, &in, &edit); !status.ok()) return Fail(std::move(status));
  }
  return edit;
}

std::string VersionEdit::DebugString() const {
  std::string out;
  auto field = [&out](const std::string& text) {
    if (!out.empty()) out += ' ';
    out += text;
  };
  if (format_version) field(fmt::format("format={}", *format_version));
  for (const std::string& name : family_names) field("family=" + Quote(name));
  if (wal_number) field(fmt::format("wal={}", *wal_number));
  if (next_file_number) field(fmt::format("next_file={}", *next_file_number));
  if (last_sequence) field(fmt::format("last_sequence={}", *last_sequence));
  for (const DeletedFile& deleted : deleted_files) {
    field(fmt::format("-{}/L{}#{}", deleted.family, deleted.level, deleted.number));
  }
  for (const NewFile& added : new_files) {
    const TableProperties& p = added.file->properties;
    field(fmt::format("+{}/L{}#{}[{}..{}{} seq={}..{} bytes={} entries={} tombstones={}+{}]", added.family, added.level,
                      added.file->number, Quote(p.smallest), Quote(p.largest), p.largest_exclusive ? ")" : "",
                      p.smallest_sequence, p.largest_sequence, added.file->size, p.entries, p.tombstones,
                      p.range_tombstones));
  }
  return out;
}

}  // namespace silt::lsm
