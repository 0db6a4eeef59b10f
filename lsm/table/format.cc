#include "lsm/table/format.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "lsm/coding.h"

namespace silt::lsm {

void PutBlockHandle(std::string* out, const BlockHandle& handle) {
  PutVarint64(out, handle.offset);
  PutVarint64(out, handle.size);
}

bool GetBlockHandle(std::string_view* in, BlockHandle* handle) {
  return GetVarint64(in, &handle->offset) && GetVarint64(in, &handle->size);
}

uint64_t BlockChecksum(std::string_view bytes, uint64_t salt, uint64_t offset) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), salt + offset);
}

uint64_t TableSalt(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}

void AppendBlockTrailer(std::string* out, size_t size, Compression compression, uint64_t salt, uint64_t offset) {
  out->push_back(static_cast<char>(compression));
  std::string_view covered = std::string_view(*out).substr(out->size() - size - 1);
  PutFixed<uint64_t>(out, BlockChecksum(covered, salt, offset));
}

Status TableCorruption(std::string_view name, uint64_t offset, std::string_view what) {
  return Status::Corruption(fmt::format("{} at offset {}: {}", name, offset, what));
}

// ---- Footer

namespace {

// From the end of the file, the same in every version of the format.
constexpr size_t kMagicFromEnd = 8;
constexpr size_t kChecksumFromEnd = 16;
constexpr size_t kVersionFromEnd = 20;
constexpr size_t kLengthFromEnd = 24;
constexpr size_t kMaxFooterSize = 4096;
constexpr uint32_t kFlagTwoLevelIndex = 1;

}  // namespace

uint64_t Footer::MetadataBegin() const {
  if (!filter.empty()) return filter.offset;
  if (!range_tombstones.empty()) return range_tombstones.offset;
  if (!index.empty()) return index.offset;
  return properties.offset;
}

std::string Footer::Encode() const {
  std::string out;
  out.reserve(kSize);
  for (const BlockHandle& handle : {filter, range_tombstones, index, properties}) {
    PutFixed<uint64_t>(&out, handle.offset);
    PutFixed<uint64_t>(&out, handle.size);
  }
  PutFixed<uint64_t>(&out, salt);
  PutFixed<uint64_t>(&out, file_size);
  PutFixed<uint32_t>(&out, two_level_index ? kFlagTwoLevelIndex : 0);
  PutFixed<uint32_t>(&out, kSize);
  PutFixed<uint32_t>(&out, kTableFormatVersion);
  PutFixed<uint64_t>(&out, XXH3_64bits(out.data(), out.size()));
  PutFixed<uint64_t>(&out, kTableMagic);
  return out;
}

Status Footer::Decode(std::string_view tail, uint64_t size, std::string_view name, Footer* footer, bool lenient) {
  if (tail.size() < kSize) return TableCorruption(name, 0, fmt::format("{} bytes are too few for a table", size));
  const char* end = tail.data() + tail.size();
  uint64_t footer_offset = size - kSize;
  if (DecodeFixed<uint64_t>(end - kMagicFromEnd) != kTableMagic) {
    return TableCorruption(name, size - kMagicFromEnd, "not a table, or cut off: no magic number at its end");
  }
  auto length = DecodeFixed<uint32_t>(end - kLengthFromEnd);
  auto version = DecodeFixed<uint32_t>(end - kVersionFromEnd);
  bool length_possible = length >= kLengthFromEnd && length <= kMaxFooterSize && length <= tail.size();
  bool sum_matches = length_possible && XXH3_64bits(end - length, length - kChecksumFromEnd) ==
                                            DecodeFixed<uint64_t>(end - kChecksumFromEnd);
  if (sum_matches && (version != kTableFormatVersion || length != kSize)) {
    return Status::NotSupported(
        fmt::format("{}: table format version {}; this program reads {}", name, version, kTableFormatVersion));
  }
  if (!sum_matches && !lenient) return TableCorruption(name, footer_offset, "footer checksum mismatch");

  std::string_view in = tail.substr(tail.size() - kSize);
  uint32_t flags = 0;
  bool whole = true;
  for (BlockHandle* handle : {&footer->filter, &footer->range_tombstones, &footer->index, &footer->properties}) {
    whole = whole && GetFixed(&in, &handle->offset) && GetFixed(&in, &handle->size);
  }
  whole = whole && GetFixed(&in, &footer->salt) && GetFixed(&in, &footer->file_size) && GetFixed(&in, &flags);
  footer->two_level_index = (flags & kFlagTwoLevelIndex) != 0;
  if (!sum_matches) return TableCorruption(name, footer_offset, "footer checksum mismatch");
  if (!whole || (flags & ~kFlagTwoLevelIndex) != 0) {
    return TableCorruption(name, footer_offset, "malformed footer");
  }
  if (footer->file_size != size) {
    return TableCorruption(name, footer_offset,
                           fmt::format("file has {} bytes, its footer says {}", size, footer->file_size));
  }
  return footer->CheckHandles(name);
}

Status Footer::CheckHandles(std::string_view name) const {
  uint64_t footer_offset = file_size - kSize;
  uint64_t expected = MetadataBegin();
  if (index.empty() && (!filter.empty() || two_level_index)) {
    return TableCorruption(name, footer_offset, "footer without an index");
  }
  for (const BlockHandle& handle : {filter, range_tombstones, index, properties}) {
    if (handle.empty()) continue;
    if (handle.offset != expected || handle.size > footer_offset || handle.end() > footer_offset) {
      return TableCorruption(name, footer_offset, "footer's handles do not lie side by side");
    }
    expected = handle.end();
  }
  if (properties.empty() || expected != footer_offset) {
    return TableCorruption(name, footer_offset, "footer's handles do not lie side by side");
  }
  return Status::Ok();
}

}  // namespace silt::lsm
